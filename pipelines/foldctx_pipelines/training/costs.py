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
    alone = [_read(rng, world, setup, tokens, 1) for _ in range(_ALONE)]
    shared = _read(rng, world, setup, tokens, world.prompts.max_questions)
    reads = [row for read in alone for row in read.windows]
    answers = [row for read in (*alone, shared) for row in read.answers]
    return Costs(
        hit_share=fmean(not _skipped(row, measured) for row in reads),
        note_tokens=sum(read.noted for read in alone) / max(1, len(reads)),
        read_forwards=_forwards(reads, measured),
        read_forwards_shared=_forwards(shared.windows, measured),
        answer_forwards=fmean([row["forwards"] for row in answers] or [1.0]),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """What became of one document: its windows, its answers', and the tokens of all notes found."""

    windows: Windows
    answers: Windows
    noted: int


def _read(rng: random.Random, world: World, setup: Setup, tokens: int, questions: int) -> _Read:
    """Read a generated document for so many questions."""
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
    told = [event for event in answer_session(session) if isinstance(event, Happened)]
    windows = [dict(event.fields) for event in told if event.event == "window"]
    reads = [row for row in windows if row["kind"] == "read"]
    indices = {row["index"] for row in reads}
    folds = [e.fields for e in told if e.event == "fold" and e.fields["kind"] == "chunk"]
    return _Read(
        reads,
        [row for row in windows if row["kind"] == "answer"],
        sum(fold["after"] for fold in folds if fold["window"] in indices),
    )


def _skipped(row: dict[str, Any], measured: Calibration) -> bool:
    return measured.skip_threshold is not None and min(row["p_none"]) >= measured.skip_threshold


def _forwards(reads: Windows, measured: Calibration) -> float:
    """Mean forwards of the windows that were not skipped."""
    return fmean([row["forwards"] for row in reads if not _skipped(row, measured)] or [1.0])
