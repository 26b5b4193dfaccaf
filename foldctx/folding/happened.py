"""What happens while a document is read, under the names of the trace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foldctx.decoding import Fold, Request, Segment, Step, Usage, fold_segment
from foldctx.documents import Document
from foldctx.folding.layout import Question
from foldctx.folding.memory import MemoryChange
from foldctx.folding.prompts import Prompts
from foldctx.folding.reading import Passage, WindowKind, WindowResult
from foldctx.trace.events import Range, tokens_by_kind


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened, under the names of the trace (`foldctx.trace.events`)."""

    event: str
    fields: Mapping[str, Any]


class Narrator:
    """Tells what happens to one document; every field is a plain value."""

    def __init__(self, document: Document, prompts: Prompts) -> None:
        self._document, self._prompts = document, prompts

    def tell(self, event: str, **fields: Any) -> Happened:
        """An event of this document."""
        return Happened(event, {"source": self._document.source, **fields})

    def opened(
        self, tokens: int, questions: Sequence[Question], warnings: Sequence[str]
    ) -> Happened:
        """The event that opens the document."""
        return self.tell(
            "document",
            sha256=self._document.sha256,
            pages=len(self._document.pages),
            characters=len(self._document.text),
            tokens=tokens,
            questions=[question.text for question in questions],
            warnings=[*self._document.warnings, *warnings],
        )

    def window(self, result: WindowResult) -> Happened:
        """The event of a window with a chunk of the document, or with notes to condense.

        It names a span of characters only when it is one: not for a cut middle.
        """
        task, passage = result.task, result.task.passage
        whole = len(passage.stretches) == 1
        return self.tell(
            "window",
            index=task.index,
            questions=[question.number for question in task.group],
            kind=task.kind,
            pages=self._pages(passage),
            start=passage.start if whole else None,
            end=passage.end if whole else None,
            p_none=list(result.p_none),
            **_layout(result.prompt, task.layout.canvas.length),
            **_cost(result.decoded.usage),
        )

    def answer_window(self, request: Request, question: Question, usage: Usage) -> Happened:
        """The event of a window that decoded an answer from notes alone."""
        kind: WindowKind = "answer"
        return self.tell(
            "window",
            index=int(request.id),
            questions=[question.number],
            kind=kind,
            pages=[],
            start=None,
            end=None,
            p_none=[None],
            **_layout(request.prompt, request.gen_length),
            **_cost(usage),
        )

    def skipped(self, result: WindowResult, threshold: float | None) -> Happened:
        """The event of a window that ended after one forward."""
        return self.tell(
            "skip", window=result.task.index, p_none=list(result.p_none), threshold=threshold
        )

    def chunk_folded(self, result: WindowResult) -> Happened:
        """The event of a chunk's fold into its notes."""
        task, passage = result.task, result.task.passage
        chunk = next(segment for segment in result.prompt if segment.kind == "chunk")
        notes = {note.id: note for row in result.notes for note in row}.values()
        pointed = {(note.start, note.end) for note in notes if note.verbatim}
        places, _ = self._prompts.unit_places(passage.ids, task=task.prompt)
        kept = [place for place, span in zip(places, passage.units, strict=True) if span in pointed]
        reason = "the model found nothing here"
        if notes:
            reason = "the model pointed at these" if pointed else "the model wrote a note"
        tokens = [token for note in notes for token in note.ids]
        return self.folded(fold_segment(chunk, tokens, reason, kept=kept)[1], task.index)

    def folded(self, fold: Fold, window: int) -> Happened:
        """The event of a fold in a window."""
        return self.tell(
            "fold",
            window=window,
            kind=fold.kind,
            before=fold.before,
            after=fold.after,
            kept=[list(span) for span in fold.kept],
            dropped=[list(span) for span in fold.dropped],
            reason=fold.reason,
        )

    def decoding(self, event: Fold | Step) -> Happened:
        """The event of the decoder's own fold, or of one step; their ids are window numbers."""
        if isinstance(event, Fold):
            return self.folded(event, int(event.id))
        return self.tell(
            "denoise",
            window=int(event.id),
            block=event.block,
            step=event.step,
            forward=event.forward,
            positions=list(event.positions),
            tokens=list(event.tokens),
            confidence=list(event.confidences),
        )

    def remembered(self, question: int, change: MemoryChange, window: int | None) -> Happened:
        """The event of a change of a question's memory."""
        return self.tell(
            "memory",
            window=window,
            question=question,
            kept=list(change.kept),
            added=list(change.added),
            dropped=[{"note": id, "reason": why} for id, why in change.dropped],
            hash_before=change.hash_before,
            hash_after=change.hash_after,
        )

    def _pages(self, passage: Passage) -> list[int]:
        touched = (self._document.spans(*stretch) for stretch in passage.stretches)
        return list(dict.fromkeys(page for spans in touched for page, _, _ in spans))


def _layout(prompt: Sequence[Segment], canvas: int) -> dict[str, Any]:
    """The canvas as ranges of its own indices; one longer than the window is told whole."""
    layout: list[Range] = []
    at = 0
    for kind, size in [*((segment.kind, len(segment)) for segment in prompt), ("mask", canvas)]:
        layout.append({"kind": kind, "start": at, "end": at + size})
        at += size
    return {"tokens": tokens_by_kind(layout), "layout": layout}


def _cost(usage: Usage) -> dict[str, int]:
    names = ("forwards", "tokens_fed", "fed_max", "position_max")
    return {name: getattr(usage, name) for name in names}
