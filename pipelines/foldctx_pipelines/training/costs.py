"""What reading with an exported reader costs, measured on documents that training never saw."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from foldctx.decoding import preset
from foldctx.decoding.presets import DEFAULT_PRESET
from foldctx.documents import text_document
from foldctx.folding.answering import answer_session
from foldctx.folding.config import Calibration, FoldConfig
from foldctx.folding.happened import Happened
from foldctx.folding.session import Session, Setup
from foldctx.models.load import Model
from foldctx_pipelines.training.sources import World, draw_fact, filler_sentences

Windows = Sequence[dict[str, Any]]
_ALIKE = 0.6  # lookalikes of each question in a dozen sentences
_ALONE = 4  # documents that are read for one question each


@dataclass(frozen=True, slots=True)
class Costs:
    """The measured fields of `Calibration` that serve the plan."""

    hit_share: float
    note_tokens: float
    memory_fill: float
    memory_fill_shared: float
    read_forwards: float
    read_forwards_shared: float
    answer_forwards: float

    def to_dict(self) -> dict[str, float]:
        """Rounded, for foldctx.json."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def measure_costs(
    model: Model, world: World, measured: Calibration, *, tokens: int, seed: int
) -> Costs:
    """Read documents of about `tokens` tokens: some for one question each, one for the most at once.

    `measured` gives the thresholds and the memory's budget. Deterministic for a seed.
    """
    rng = random.Random(f"costs/{seed}")
    setup = Setup(model, world.prompts, preset(DEFAULT_PRESET), FoldConfig(), measured)
    alone, rooms = zip(*(_read(rng, world, setup, tokens, 1) for _ in range(_ALONE)), strict=True)
    shared, shared_room = _read(rng, world, setup, tokens, world.prompts.max_questions)
    fill, room = fmean(map(_full, alone, rooms)), fmean(rooms)
    reads = [row for rows in alone for row in rows if row["kind"] == "read"]
    answers = [row for rows in (*alone, shared) for row in rows if row["kind"] == "answer"]
    return Costs(
        hit_share=fmean(not _skipped(row, measured) for row in reads),
        note_tokens=fmean(_rate(rows, fill * room) for rows in alone),
        memory_fill=fill,
        memory_fill_shared=_full(shared, shared_room),
        read_forwards=_forwards(reads, measured),
        read_forwards_shared=_forwards([r for r in shared if r["kind"] == "read"], measured),
        answer_forwards=fmean([row["forwards"] for row in answers] or [1.0]),
    )


def _read(
    rng: random.Random, world: World, setup: Setup, tokens: int, questions: int
) -> tuple[list[dict[str, Any]], int]:
    """The windows of a document read for so many questions, and the room for notes in them."""
    facts = [draw_fact(rng, world) for _ in range(questions)]
    rows = [fact.statement for fact in facts]
    length = sum(len(ids) for ids in world.encode(rows))
    while length < tokens:
        more = filler_sentences(rng, world, 12)  # of the facts' kind, and now and then alike
        alike = (world.lookalikes.draw(rng, fact) for fact in facts if rng.random() < _ALIKE)
        more += [text for text in alike if text]
        length += sum(len(ids) for ids in world.encode(more))
        rows += more
    rng.shuffle(rows)
    document = text_document("measured", " ".join(rows))
    session = Session(document, [fact.question for fact in facts], setup)
    windows = [
        dict(told.fields)
        for told in answer_session(session)
        if isinstance(told, Happened) and told.event == "window"
    ]
    return windows, session.groups[0].layout.memory


def _skipped(row: dict[str, Any], measured: Calibration) -> bool:
    return measured.skip_threshold is not None and min(row["p_none"]) >= measured.skip_threshold


def _forwards(reads: Windows, measured: Calibration) -> float:
    """Mean forwards of the windows that were not skipped."""
    return fmean([row["forwards"] for row in reads if not _skipped(row, measured)] or [1.0])


def _carried(windows: Windows) -> list[int]:
    """Tokens of the notes that were carried into each window that was read."""
    return [row["tokens"]["memory"] for row in windows if row["kind"] == "read"]


def _full(windows: Windows, room: int) -> float:
    """How full the memory gets: over the fullest quarter of the reading.

    A generated document has few sentences that a reader takes for an answer. A real one has more:
    there the memory is full sooner, and stays so.
    """
    carried = sorted(_carried(windows), reverse=True)
    return min(1.0, fmean(carried[: max(1, len(carried) // 4)]) / room)


def _rate(windows: Windows, full: float) -> float:
    """Tokens of notes per window with which a memory that stops at `full` held what it did."""
    carried = _carried(windows)
    low, high = 0.0, max(full, 1.0)
    for _ in range(30):
        rate = (low + high) / 2
        if sum(min(full, i * rate) for i in range(len(carried))) < sum(carried):
            low = rate
        else:
            high = rate
    return high
