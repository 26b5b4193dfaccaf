"""One document being read for some questions: its state, and what reading changes in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from foldctx.decoding import Decoder, Predictor, Usage
from foldctx.documents import Document, chunk_document
from foldctx.errors import DocumentError
from foldctx.folding.config import Calibration, FoldConfig, Limits
from foldctx.folding.happened import Happened, Narrator
from foldctx.folding.layout import (
    Layout,
    Question,
    encode_questions,
    group_questions,
    make_layout,
)
from foldctx.folding.memory import Memory, Note
from foldctx.folding.prompts import Prompts
from foldctx.folding.reading import (
    Passage,
    Reader,
    WindowKind,
    WindowResult,
    WindowTask,
)
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo

__all__ = ["Asked", "Calibration", "Group", "Happened", "Session", "Setup"]


@dataclass(frozen=True, slots=True)
class Setup:
    """What reads: a model with its prompts and what was measured of it, a decoder, the options.

    `steps` tells of every decoding step.
    """

    predictor: Predictor
    prompts: Prompts
    decoder: Decoder
    config: FoldConfig
    calibration: Calibration = field(default_factory=Calibration)
    seed: int = 0
    steps: bool = False


@dataclass(frozen=True, slots=True)
class _Lowered:
    """A model whose window was lowered: the decoder holds every forward to its `info`."""

    predictor: Predictor
    info: ModelInfo

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        return self.predictor.predict(feeds)


def _lowered(predictor: Predictor, window: int) -> Predictor:
    info = predictor.info
    return predictor if window == info.window else _Lowered(predictor, replace(info, window=window))


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that share windows, and the windows that the document is cut into for them."""

    questions: tuple[Question, ...]
    layout: Layout
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A window that was read: `final` when reading it again alone would be the same again."""

    p_none: float
    passage: Passage
    final: bool


@dataclass(slots=True)
class Asked:
    """One question under way; `seen` has the windows read for it under their index."""

    question: Question
    memory: Memory
    seen: dict[int, Seen] = field(default_factory=dict)
    windows: int = 0
    skipped: int = 0
    forwards: float = 0.0
    tokens_fed: float = 0.0
    fed_max: int = 0
    position_max: int = 0
    lost: str | None = None

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

    def __init__(self, document: Document, texts: Sequence[str], setup: Setup) -> None:
        if not document.text.strip():
            raise DocumentError(f"{document.source}: holds no text; give a document with text")
        self.document, self.setup, self.config = document, setup, setup.config
        self.prompts, self.decoder = setup.prompts, setup.decoder
        self.calibration = setup.calibration
        self.limits = Limits.of(self.config, setup.predictor.info, self.calibration)
        self.predictor = _lowered(setup.predictor, self.limits.window)
        self.pointer = self.config.note_kind == "pointer"
        self.questions, self.warnings = encode_questions(
            texts, self.prompts, self.limits.window, self.config
        )
        self.narrator = Narrator(document, self.prompts)
        self.reader = self._reader(self.limits.skip_threshold)
        self.careful_reader = self._reader(None)
        budget = None if self.config.strategy == "map" else self.limits.memory_tokens
        overhead = self.prompts.note_overhead()
        self.asked = {
            question.number: Asked(question, Memory(budget, overhead))
            for question in self.questions
        }
        grouped = group_questions(self.questions, self.prompts, self.limits.window, self.pointer)
        self.groups = [self._group(tuple(group)) for group in grouped]
        self.document_tokens = self._count_tokens()
        self._windows = 0

    def _reader(self, skip_threshold: float | None) -> Reader:
        return Reader(
            self.predictor,
            self.prompts,
            self.decoder,
            pointer=self.pointer,
            skip_threshold=skip_threshold,
            measured=self.calibration,
            seed=self.setup.seed,
        )

    def _group(self, questions: tuple[Question, ...]) -> Group:
        limits = self.limits
        layout = make_layout(
            questions, self.prompts, limits.window, limits.memory_tokens, self.pointer
        )
        return Group(questions, layout, self._passages(layout.chunk))

    def _passages(self, budget: int) -> tuple[Passage, ...]:
        """The document cut for windows with room for `budget` tokens."""
        marker = self.prompts.unit_overhead()

        def cost(texts: Sequence[str]) -> list[int]:
            return [len(ids) + marker for ids in self.prompts.text_ids(texts)]

        chunks = chunk_document(
            self.document, cost=cost, budget=budget, max_units=self.prompts.max_units
        )
        return tuple(
            self.passage([(unit.start, unit.end) for unit in chunk.units]) for chunk in chunks
        )

    def passage(self, units: Sequence[tuple[int, int]]) -> Passage:
        """The passage that these places of the document make up."""
        return Passage(tuple(units), self.document.text, self.prompts)

    def _count_tokens(self) -> int:
        sizes = {
            span: len(ids)
            for passage in self.groups[0].passages
            for span, ids in zip(passage.units, passage.ids, strict=True)
        }
        return sum(sizes.values())

    def opened(self) -> Happened:
        """The event that opens the document."""
        return self.narrator.opened(self.document_tokens, self.questions, self.warnings)

    def next_window(self) -> int:
        """The index of a new window; unique in the document, whatever the window is for."""
        self._windows += 1
        return self._windows - 1

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
        carried: list[tuple[int, Note]] = []
        if carry:
            room = layout.memory // len(group)
            for question in group:
                notes = self.asked[question.number].memory.fitting(room)
                carried += [(question.number, note) for note in notes]
        return WindowTask(self.next_window(), kind, group, passage, tuple(carried), layout)

    def task_alone(
        self, kind: WindowKind, question: Question, passage: Passage, group: Group
    ) -> WindowTask:
        """The next window, for one question of a group and without notes."""
        layout = group.layout
        if self.pointer:
            layout = replace(layout, canvas=self.prompts.canvas(1))
        return self.task(kind, (question,), passage, layout, carry=False)

    def read(
        self, tasks: Sequence[WindowTask], *, careful: bool = False
    ) -> Iterator[Happened | WindowResult]:
        """Read windows and tell what happened; the results come along for the strategy.

        `careful` skips none.
        """
        reader = self.careful_reader if careful else self.reader
        for event in reader.read(tasks, self.config.rows, steps=self.setup.steps):
            if isinstance(event, WindowResult):
                yield from self._told(event)
                yield event
            else:
                yield self.narrator.decoding(event)

    def _told(self, result: WindowResult) -> Iterator[Happened]:
        task, alone = result.task, len(result.task.group) == 1
        for question, p in zip(task.group, result.p_none, strict=True):
            asked = self.asked[question.number]
            asked.charge(result.decoded.usage, len(task.group))
            if task.kind != "condense":
                final = alone and not result.skipped and not task.carried
                asked.seen[task.index] = Seen(p, task.passage, final)
            if task.kind == "read":
                asked.windows += 1
                asked.skipped += result.skipped
        yield self.narrator.window(result)
        if result.skipped:
            yield self.narrator.skipped(result, self.limits.skip_threshold)
        elif task.kind != "condense":
            yield self.narrator.chunk_folded(result)

    def remember(self, result: WindowResult) -> Iterator[Happened]:
        """Add a window's notes to the memories of its questions and tell what changed.

        What a second reading finds was passed over before, and is mostly a mistake: it has to be as
        sure as was measured to be worth it.
        """
        least = self.limits.reread_score if result.task.kind == "reread" else 0.0
        for question, notes in zip(result.task.group, result.notes, strict=True):
            asked = self.asked[question.number]
            for change in asked.memory.update(note for note in notes if note.score >= least):
                if change.dropped:
                    asked.lost = change.dropped[-1][1]
                yield self.narrator.remembered(question.number, change, result.task.index)
