"""One document being read for some questions: state, and the events that tell what happens."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from foldctx.decoding import Decoder, Fold, Predictor, Segment, Step, Usage, fold_segment
from foldctx.documents import Document, chunk_document
from foldctx.folding.config import FoldConfig
from foldctx.folding.layout import (
    Layout,
    Question,
    effective_window,
    encode_questions,
    group_questions,
    make_layout,
)
from foldctx.folding.memory import Memory, MemoryChange, Note
from foldctx.folding.prompts import Prompts
from foldctx.folding.reading import (
    Passage,
    Reader,
    WindowKind,
    WindowResult,
    WindowTask,
    make_passage,
)
from foldctx.trace.events import Range, tokens_by_kind


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened, under the names of the trace (`foldctx.trace.events`)."""

    event: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured of a model: thresholds, and how full its memory is on average.

    `skip_threshold` None never skips. `memory_fill` is the share of the memory's budget that a
    reading window carries on average, and `hit_share` the share of windows that are not skipped;
    both serve the plan only.
    """

    skip_threshold: float | None = None
    abstain_threshold: float = 0.0
    memory_tokens: int = 256
    memory_fill: float = 0.5
    hit_share: float = 0.1


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that share windows, and these windows."""

    questions: tuple[Question, ...]
    layout: Layout
    passages: tuple[Passage, ...]


@dataclass(slots=True)
class Asked:
    """One question under way."""

    question: Question
    memory: Memory
    seen: list[tuple[float, Passage]] = field(default_factory=list)
    windows: int = 0
    skipped: int = 0
    forwards: float = 0.0
    tokens_fed: float = 0.0
    fed_max: int = 0
    position_max: int = 0

    def charge(self, usage: Usage, among: int) -> None:
        """Add this question's share of a window that `among` questions used."""
        self.forwards += usage.forwards / among
        self.tokens_fed += usage.tokens_fed / among
        self.fed_max = max(self.fed_max, usage.fed_max)
        self.position_max = max(self.position_max, usage.position_max)


class Session:
    """State of one document's run; made anew for every document.

    Raises UsageError, WindowError or DocumentError before anything is read.
    """

    def __init__(
        self,
        document: Document,
        texts: Sequence[str],
        *,
        predictor: Predictor,
        prompts: Prompts,
        decoder: Decoder,
        config: FoldConfig,
        calibration: Calibration,
        seed: int = 0,
        steps: bool = False,
    ) -> None:
        self.document, self.config, self.calibration = document, config, calibration
        self.prompts, self.predictor, self.decoder = prompts, predictor, decoder
        self.steps, self.seed = steps, seed
        self.window = effective_window(predictor.info, config)
        self.pointer = config.note_kind == "pointer"
        self.memory_tokens = config.memory_tokens or calibration.memory_tokens
        self.questions, self.warnings = encode_questions(texts, prompts, self.window, config)
        self.skip_threshold = (
            calibration.skip_threshold if config.skip_threshold is None else config.skip_threshold
        )
        self.reader = Reader(
            predictor,
            prompts,
            decoder,
            pointer=self.pointer,
            skip_threshold=self.skip_threshold,
            seed=seed,
        )
        unbounded = config.strategy == "map"
        overhead = prompts.note_overhead()
        self.asked = {
            question.number: Asked(
                question, Memory(1 << 40 if unbounded else self.memory_tokens, overhead)
            )
            for question in self.questions
        }
        grouped = group_questions(self.questions, prompts, self.window, self.pointer)
        self.groups = [self._group(tuple(group)) for group in grouped]
        self.document_tokens = self._count_tokens()
        self.next_index = 0

    def _group(self, questions: tuple[Question, ...]) -> Group:
        layout = make_layout(questions, self.prompts, self.window, self.memory_tokens, self.pointer)
        return Group(questions, layout, self.passages(layout.chunk))

    def passages(self, budget: int) -> tuple[Passage, ...]:
        """The document cut for windows with room for `budget` tokens."""
        marker = self.prompts.unit_overhead()

        def cost(texts: Sequence[str]) -> list[int]:
            return [len(ids) + marker for ids in self.prompts.text_ids(texts)]

        chunks = chunk_document(
            self.document, cost=cost, budget=budget, max_units=self.prompts.max_units
        )
        return tuple(make_passage(chunk, self.prompts, self.document.text) for chunk in chunks)

    def _count_tokens(self) -> int:
        sizes = {
            span: len(ids)
            for passage in self.groups[0].passages
            for span, ids in zip(passage.units, passage.ids, strict=True)
        }
        return sum(sizes.values())

    def alone(self, layout: Layout) -> Layout:
        """The layout of a window for one question of a group; the chunk keeps its size."""
        if not self.pointer:
            return layout
        return replace(layout, canvas=self.prompts.canvas(1))

    # -- reading ----------------------------------------------------------------------------

    def task(
        self,
        kind: WindowKind,
        group: tuple[Question, ...],
        passage: Passage,
        layout: Layout,
        *,
        carry: bool,
    ) -> WindowTask:
        """The next window; with `carry` the notes that fit in its share of memory go along."""
        index = self.next_index
        self.next_index += 1
        carried: list[tuple[int, Note]] = []
        if carry:
            room = layout.memory // len(group)
            for question in group:
                notes = self.asked[question.number].memory.fitting(room)
                carried += [(question.number, note) for note in notes]
        return WindowTask(index, kind, group, passage, tuple(carried), layout)

    def read(
        self, tasks: Sequence[WindowTask], reader: Reader | None = None
    ) -> Iterator[Happened | WindowResult]:
        """Read windows and tell what happened; the results come along for the strategy."""
        for event in (reader or self.reader).read(tasks, self.config.rows, steps=self.steps):
            if isinstance(event, WindowResult):
                yield from self._told(event)
                yield event
            elif isinstance(event, Fold):
                yield self.folded(event)
            else:
                yield self.denoised(event)

    def _told(self, result: WindowResult) -> Iterator[Happened]:
        task, usage = result.task, result.decoded.usage
        for question, p in zip(task.group, result.p_none, strict=True):
            asked = self.asked[question.number]
            asked.charge(usage, len(task.group))
            if task.kind == "read":
                asked.windows += 1
                asked.skipped += result.skipped
                asked.seen.append((p, task.passage))
        yield self.window_event(
            task.index,
            task.kind,
            task.group,
            result.prompt,
            task.layout.canvas.length,
            usage,
            result.p_none,
            task.passage,
        )
        if result.skipped:
            yield self.happened(
                "skip", window=task.index, p_none=list(result.p_none), threshold=self.skip_threshold
            )
        elif task.kind in ("read", "reread"):
            yield self.folded(self._chunk_fold(result), task.index)

    def _chunk_fold(self, result: WindowResult) -> Fold:
        """The fold of a chunk into its notes."""
        chunk = next(segment for segment in result.prompt if segment.kind == "chunk")
        notes = {note.id: note for row in result.notes for note in row}.values()
        marker = self.prompts.unit_overhead()
        kept, at = [], 0
        for span, ids in zip(result.task.passage.units, result.task.passage.ids, strict=True):
            if any(note.verbatim and (note.start, note.end) == span for note in notes):
                kept.append((at + marker, at + marker + len(ids)))
            at += marker + len(ids)
        tokens = [token for note in notes for token in note.ids]
        reason = "the model pointed at these" if notes else "the model found nothing here"
        return fold_segment(chunk, tokens[: len(chunk)], reason, kept=kept)[1]

    # -- memory -----------------------------------------------------------------------------

    def remember(
        self, number: int, notes: Sequence[Note], window: int | None
    ) -> Iterator[Happened]:
        """Add notes to a question's memory and tell it if anything changed."""
        yield from self.changed(number, self.asked[number].memory.update(notes), window)

    def changed(self, number: int, change: MemoryChange, window: int | None) -> Iterator[Happened]:
        """Tell of a change of memory; no change is no event."""
        if change.changed:
            yield self.happened(
                "memory",
                window=window,
                question=number,
                kept=list(change.kept),
                added=list(change.added),
                dropped=[{"note": id, "reason": why} for id, why in change.dropped],
                hash_before=change.hash_before,
                hash_after=change.hash_after,
            )

    # -- events -----------------------------------------------------------------------------

    def happened(self, event: str, **fields: Any) -> Happened:
        """An event of this document."""
        return Happened(event, {"source": self.document.source, **fields})

    def opened(self) -> Happened:
        """The event that opens the document."""
        return self.happened(
            "document",
            sha256=self.document.sha256,
            pages=len(self.document.pages),
            characters=len(self.document.text),
            tokens=self.document_tokens,
            questions=[question.text for question in self.questions],
            warnings=[*self.document.warnings, *self.warnings],
        )

    def window_event(
        self,
        index: int,
        kind: WindowKind,
        group: Sequence[Question],
        prompt: Sequence[Segment],
        canvas: int,
        usage: Usage,
        p_none: Sequence[float | None],
        passage: Passage | None,
    ) -> Happened:
        """The event of a window that the model has read."""
        layout: list[Range] = []
        at = 0
        for kind_, size in [*((s.kind, len(s)) for s in prompt), ("mask", canvas)]:
            layout.append({"kind": kind_, "start": at, "end": at + size})
            at += size
        pages = [] if passage is None else self.document.spans(passage.start, passage.end)
        return self.happened(
            "window",
            index=index,
            questions=[question.number for question in group],
            kind=kind,
            pages=[page for page, _, _ in pages],
            start=None if passage is None else passage.start,
            end=None if passage is None else passage.end,
            tokens=tokens_by_kind(layout),
            layout=layout,
            p_none=list(p_none),
            forwards=usage.forwards,
            tokens_fed=usage.tokens_fed,
            fed_max=usage.fed_max,
            position_max=usage.position_max,
        )

    def folded(self, fold: Fold, window: int | None = None) -> Happened:
        """The event of a fold; the decoder's own folds name their window by id."""
        index = window if window is not None else int(fold.id)
        return self.happened(
            "fold",
            window=index,
            kind=fold.kind,
            before=fold.before,
            after=fold.after,
            kept=list(fold.kept),
            dropped=list(fold.dropped),
            reason=fold.reason,
        )

    def denoised(self, step: Step) -> Happened:
        """The event of one decoding step."""
        return self.happened(
            "denoise",
            window=int(step.id),
            block=step.block,
            step=step.step,
            positions=list(step.positions),
            tokens=list(step.tokens),
            confidence=list(step.confidences),
        )
