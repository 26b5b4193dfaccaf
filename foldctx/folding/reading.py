"""Reading windows with the model: requests in, notes and what they cost out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from foldctx.decoding import (
    AnyOf,
    Decoded,
    Decoder,
    FirstEos,
    Fold,
    NoCache,
    Predictor,
    Request,
    Segment,
    SkipAt,
    SlotsEnded,
    Step,
    check_request,
    decode,
)
from foldctx.decoding.copying import Copying
from foldctx.decoding.propose import Proposer
from foldctx.decoding.reluctant import Reluctant
from foldctx.decoding.stop import Stop
from foldctx.folding.config import Calibration
from foldctx.folding.layout import Layout, Question, segments
from foldctx.folding.memory import Note
from foldctx.folding.prompts import Prompts

WindowKind = Literal["read", "reread", "condense", "answer"]

# The longest answer that `fresh_answers` means: two of the presets' blocks. Every template's default
# answer is as short, whatever the blocks; a longer text would be fed whole too often.
FRESH_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Passage:
    """What a window reads: units of the document in order, by their places.

    Texts and ids are taken from the document when they are wanted, so that a long document costs
    no more memory than its text and the places of its units.
    """

    units: tuple[tuple[int, int], ...]
    document: str = field(repr=False)
    prompts: Prompts = field(repr=False)

    @property
    def texts(self) -> tuple[str, ...]:
        """The units' texts."""
        return tuple(self.document[start:end] for start, end in self.units)

    @property
    def ids(self) -> tuple[tuple[int, ...], ...]:
        """The units' ids, encoded anew at every call."""
        return tuple(self.prompts.text_ids(self.texts))

    @property
    def start(self) -> int:
        """First character."""
        return self.units[0][0]

    @property
    def end(self) -> int:
        """One past the last character."""
        return self.units[-1][1]

    @property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """The stretches of the document that the units make up: one, unless text is left out."""
        joined: list[tuple[int, int]] = []
        for start, end in self.units:
            if joined and joined[-1][1] == start:
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((start, end))
        return tuple(joined)

    @property
    def tokens(self) -> int:
        """Tokens of the text, markers not counted."""
        return sum(len(unit) for unit in self.ids)


@dataclass(frozen=True, slots=True)
class WindowTask:
    """One window to be read for a group of questions, with the notes carried into it."""

    index: int
    kind: WindowKind
    group: tuple[Question, ...]
    passage: Passage
    carried: tuple[tuple[int, Note], ...]
    layout: Layout

    @property
    def prompt(self) -> Literal["read", "write"]:
        """Which of the template's prompts it is: pointer notes are read, others written."""
        return "read" if self.layout.canvas.slots else "write"


@dataclass(frozen=True, slots=True)
class WindowResult:
    """A window that was read.

    `notes` has one tuple per question of the group; `p_none` its probability that nothing here
    helps, after the first forward.
    """

    task: WindowTask
    prompt: tuple[Segment, ...]
    notes: tuple[tuple[Note, ...], ...]
    p_none: tuple[float, ...]
    decoded: Decoded
    skipped: bool


def for_text(decoder: Decoder, prompts: Prompts, measured: Calibration) -> Decoder:
    """The decoder for answers and written notes, with what the prompts say of how they are written."""
    propose = decoder.propose
    if not isinstance(propose, Proposer):
        return decoder
    if prompts.copies and propose.remasking == "low_confidence":
        copying = Copying(
            propose,
            prompts.labels,
            prompts.none_ids[0],
            words=prompts.words,
            end_bias=measured.end_bias,
            refusal_bias=measured.refusal_bias,
            joint=prompts.joint,
        )
        return replace(decoder, propose=copying)
    if prompts.end_last:
        return replace(decoder, propose=replace(propose, confidence_eos_eot_inf=True))
    return decoder


def for_answer(decoder: Decoder, prompts: Prompts, measured: Calibration, length: int) -> Decoder:
    """The decoder for answers of `length` tokens, which alone decides whether they are fresh.

    With `fresh_answers` one of at most FRESH_LENGTH is decoded without the cache; a longer one
    keeps it. Where the length comes from (template, option, benchmark) makes no difference.
    """
    settings = for_text(decoder, prompts, measured)
    fresh = decoder.fresh_answers and length <= FRESH_LENGTH
    return replace(settings, cache=NoCache()) if fresh else settings


def for_slots(decoder: Decoder, prompts: Prompts, measured: Calibration) -> Decoder:
    """The decoder for pointer notes, where a reader was measured to say none too soon."""
    propose = decoder.propose
    if not measured.none_bias or not isinstance(propose, Proposer):
        return decoder
    if propose.remasking != "low_confidence":
        return decoder
    return replace(decoder, propose=Reluctant(propose, prompts.none_ids[0], measured.none_bias))


def slots_ended(prompts: Prompts, slots: Sequence[tuple[int, ...]]) -> SlotsEnded:
    """Reading is over when every slot is: one that says none, in one token, has no more to say."""
    return SlotsEnded(tuple(slots), prompts.none_ids if len(prompts.none_ids) == 1 else ())


class Reader:
    """Turns window tasks into decoder requests and decoded canvases into notes."""

    def __init__(
        self,
        predictor: Predictor,
        prompts: Prompts,
        decoder: Decoder,
        *,
        pointer: bool,
        skip_threshold: float | None,
        measured: Calibration | None = None,
        seed: int = 0,
    ) -> None:
        self.predictor, self.prompts, self.decoder = predictor, prompts, decoder
        self.pointer, self.skip_threshold, self.seed = pointer, skip_threshold, seed
        self.measured = measured or Calibration()

    def read(
        self, tasks: Iterable[WindowTask], rows: int, *, steps: bool = False
    ) -> Iterator[WindowResult | Fold | Step]:
        """Read windows, `rows` at once; results come in the order of the tasks.

        All tasks must share one layout's canvas; folds and steps carry the window's index as id.
        """
        waiting = list(tasks)
        if not waiting:
            return
        by_id = {str(task.index): task for task in waiting}
        prompts: dict[str, tuple[Segment, ...]] = {}

        def requests() -> Iterator[Request]:
            """Each prompt is made when a place is free, so that few are held at once."""
            for key, task in by_id.items():
                prompts[key] = self.prompt(task)
                yield self._request(task, prompts[key])

        decoder = self._decoder(waiting[0])
        done: dict[str, WindowResult] = {}
        order = list(by_id)
        level: Literal["result", "steps"] = "steps" if steps else "result"
        for event in decode(self.predictor, requests(), decoder, max_rows=rows, level=level):
            if not isinstance(event, Decoded):
                yield event
                continue
            done[event.id] = self._result(by_id[event.id], prompts.pop(event.id), event)
            while order and order[0] in done:
                yield done.pop(order.pop(0))

    def check(self, task: WindowTask) -> None:
        """Raise UsageError or WindowError when `read` would refuse the window."""
        request = self._request(task, self.prompt(task))
        check_request(request, self._decoder(task), self.predictor.info)

    def prompt(self, task: WindowTask) -> tuple[Segment, ...]:
        """The prompt's segments of a window."""
        numbers = {question.number: i for i, question in enumerate(task.group)}
        notes = [(numbers[number], note.ids) for number, note in task.carried]
        pieces = self.prompts.read(
            [question.ids for question in task.group],
            sorted(notes, key=lambda note: note[0]),
            task.passage.ids,
            task=task.prompt,
        )
        return segments(pieces)

    # -- decoder side -----------------------------------------------------------------------

    def _first_slots(self, task: WindowTask) -> tuple[int, ...]:
        slots = task.layout.canvas.slots[: len(task.group)]
        return tuple(slot[0] for slot in slots) if self.pointer else (0,)

    def _request(self, task: WindowTask, prompt: tuple[Segment, ...]) -> Request:
        canvas = task.layout.canvas
        none = self.prompts.none_ids[0]
        return Request(
            str(task.index),
            prompt,
            canvas.length,
            pinned=canvas.pinned,
            watch={offset: (none,) for offset in self._first_slots(task)},
            seed=self.seed + task.index,
        )

    def settings(self, canvas: int) -> Decoder:
        """The run's decoder with a `canvas` as one block, where the model has no grid of its own.

        A number of steps that was asked for is the answer's.
        """
        grid = self.predictor.info.block_grid is not None
        return replace(
            for_slots(self.decoder, self.prompts, self.measured)
            if self.pointer
            else for_text(self.decoder, self.prompts, self.measured),
            commit=self.decoder.commit.without_steps(),
            block_length=self.decoder.block_length if grid else canvas,
        )

    def _decoder(self, task: WindowTask) -> Decoder:
        """The settings with stops for the skip, and for notes that are decoded to their ends."""
        stops: list[Stop] = []
        if self.skip_threshold is not None:
            none = self.prompts.none_ids[0]
            stops.append(SkipAt(self._first_slots(task), none, self.skip_threshold))
        if self.pointer:
            slots = task.layout.canvas.slots[: len(task.group)]
            stops.append(slots_ended(self.prompts, slots))
        else:
            stops.append(FirstEos())
        settings = self.settings(task.layout.canvas.length)
        return replace(settings, stop=AnyOf(tuple(stops)))

    # -- notes ------------------------------------------------------------------------------

    def _result(
        self, task: WindowTask, prompt: tuple[Segment, ...], decoded: Decoded
    ) -> WindowResult:
        none = self.prompts.none_ids[0]
        p_none = tuple(decoded.watched[offset][none] for offset in self._first_slots(task))
        skipped = decoded.finished == "skip"
        if skipped:
            notes: tuple[tuple[Note, ...], ...] = tuple(() for _ in task.group)
        elif self.pointer:
            slots = task.layout.canvas.slots
            notes = tuple(
                self._pointer_notes(task, [decoded.tokens[offset] for offset in slot], p)
                for slot, p in zip(slots, p_none, strict=True)
            )
        else:
            notes = (self._written_note(task, decoded, p_none[0]),)
        return WindowResult(task, prompt, notes, p_none, decoded, skipped)

    def _pointer_notes(
        self, task: WindowTask, slot: Sequence[int], p_none: float
    ) -> tuple[Note, ...]:
        passage, end = task.passage, self.predictor.info.stop_ids
        head = next((i for i, token in enumerate(slot) if token in end), len(slot))
        pointed = self.prompts.pointed(slot[:head], len(passage.units))
        held = passage.texts
        texts = [held[k] for k in pointed]
        rows = zip(pointed, texts, self.prompts.text_ids(texts), strict=True)
        return tuple(
            Note(text, ids, *passage.units[k], window=task.index, score=1.0 - p_none)
            for k, text, ids in rows
        )

    def _written_note(self, task: WindowTask, decoded: Decoded, p_none: float) -> tuple[Note, ...]:
        """What the model wrote, as text in which nothing is special, never longer than the chunk."""
        passage, text = task.passage, self.prompts.decode(decoded.text)
        if not text or self.prompts.says_none(decoded.text):
            return ()
        ids = self.prompts.text_ids([text])[0]
        if len(ids) > passage.tokens:
            ids = ids[: passage.tokens]
            text = self.prompts.decode(ids)
        if not text:
            return ()
        place = passage.start, passage.end
        return (Note(text, ids, *place, task.index, score=1.0 - p_none, verbatim=False),)
