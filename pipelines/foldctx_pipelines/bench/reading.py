"""Reading cost: how often a document's tokens are fed, and how fast, under every strategy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from foldctx.api import calibration_of
from foldctx.decoding import Decoder, Predictor
from foldctx.documents import Document
from foldctx.errors import UsageError
from foldctx.folding.answering import Answer, answer_session
from foldctx.folding.config import Calibration, FoldConfig, Strategy
from foldctx.folding.happened import Happened
from foldctx.folding.planning import plan_session
from foldctx.folding.prompts import Prompts
from foldctx.folding.session import Session, Setup
from foldctx.models.load import Model
from foldctx.models.tokenizer import Tokenizer
from foldctx.records import READ_SCHEMA
from foldctx_pipelines.bench.measure import PeakMemory, Watch, machine
from foldctx_pipelines.bench.outcomes import QUESTION, Outcomes, helps, make_document, memory_fill
from foldctx_pipelines.runs import Totals

_SKIP = 0.9  # of a script that is sure, anything would do


@dataclass(frozen=True, slots=True)
class Reading:
    """A document to read, with the questions, the model as it is asked, and what is known of it."""

    document: Document
    questions: tuple[str, ...]
    predictor: Predictor
    calibration: Calibration
    relevant_share: float | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A generated document: a share of `relevant` windows holds one note of `note` tokens."""

    tokens: int = 16_384
    relevant: float = 0.1
    note: int = 64

    def __post_init__(self) -> None:
        if self.tokens < 1 or self.note < 8:
            raise UsageError(
                f"tokens={self.tokens}, note={self.note}: at least 1, and 8 for a note"
            )
        if not 0 < self.relevant <= 1:
            raise UsageError(f"relevant={self.relevant} is not a share in (0, 1]")


def scripted_reading(
    model: Model, script: Script, decoder: Decoder, config: FoldConfig, *, seed: int = 0
) -> Reading:
    """A made-up document, whose windows' outcomes are known and are in the calibration."""
    prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
    memory = config.memory_tokens or Calibration().memory_tokens
    measured = Calibration(skip_threshold=_SKIP, memory_tokens=memory)
    window = config.window or model.info.window
    document = make_document(
        prompts,
        script.tokens,
        spacing=round((window - memory) / script.relevant),
        note=script.note,
        seed=seed,
    )
    reading = Reading(document, (QUESTION,), Outcomes(model, prompts), measured)
    passages = _open(model, reading, decoder, config).groups[0].passages
    found = [helps(passage) for passage in passages]
    before = [0, *accumulate(found)][:-1]
    share = sum(found) / len(found)
    fill = memory_fill(before, script.note + prompts.note_overhead(), memory)
    measured = replace(measured, hit_share=share, memory_fill=fill)
    return replace(reading, calibration=measured, relevant_share=share)


def real_reading(model: Model, document: Document, questions: Sequence[str]) -> Reading:
    """A real document, read by the model as it is."""
    return Reading(document, tuple(questions), model, calibration_of(model.calibration))


def stretched(document: Document, tokens: int, tokenizer: Tokenizer) -> Document:
    """The document, repeated or cut to about so many tokens, as one page."""
    whole = len(tokenizer.encode_text(document.text))
    text = document.text * -(-tokens // whole)
    text = text[: round(len(document.text) * tokens / whole)]
    page = document.pages[0]
    return replace(document, text=text, pages=(replace(page, start=0, end=len(text)),))


def bench_read(
    model: Model,
    reading: Reading,
    strategies: Sequence[Strategy],
    decoder: Decoder,
    config: FoldConfig,
) -> Iterator[dict[str, Any]]:
    """Read the document once under each strategy; a record each."""
    for strategy in strategies:
        yield _read(model, reading, decoder, replace(config, strategy=strategy))


def _open(model: Model, reading: Reading, decoder: Decoder, config: FoldConfig) -> Session:
    prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
    setup = Setup(reading.predictor, prompts, decoder, config, reading.calibration)
    return Session(reading.document, reading.questions, setup)


def _read(model: Model, reading: Reading, decoder: Decoder, config: FoldConfig) -> dict[str, Any]:
    plan = plan_session(_open(model, reading, decoder, config))
    memory, totals, answered = PeakMemory(model.device), Totals(), 0
    memory.begin()
    watch = Watch(model.device)
    session = _open(model, reading, decoder, config)
    opened = watch.seconds()
    for event in answer_session(session):
        if isinstance(event, Happened):
            totals.see(event)
        elif isinstance(event, Answer):
            answered += event.text is not None
    took, tokens = watch.seconds(), session.document_tokens
    fed, on = totals.counts["tokens_fed"], machine(model.device)
    return {
        "schema": READ_SCHEMA,
        "strategy": config.strategy,
        "preset": decoder.name,
        "model": model.info.name,
        "dtype": str(model.dtype).removeprefix("torch."),
        "scripted": reading.relevant_share is not None,
        "relevant_share": reading.relevant_share,
        "window": session.limits.window,
        "memory_tokens": session.limits.memory_tokens,
        "rows": config.rows,
        "document_tokens": tokens,
        "questions": len(reading.questions),
        "answered": answered,
        "windows": totals.counts["windows"],
        "skipped": totals.counts["skipped"],
        "forwards": totals.counts["forwards"],
        "tokens_fed": fed,
        "passes": round(fed / tokens, 4),
        "planned_passes": plan.passes,
        "planned_forwards": plan.forwards,
        "wall_seconds": round(took.wall, 3),
        "cpu_seconds": round(took.cpu, 3),
        "opening_cpu_seconds": round(opened.cpu, 3),
        "document_tokens_per_cpu_second": round(tokens / took.cpu, 1),
        "peak_memory": memory.bytes(),
        "machine": on,
    }
