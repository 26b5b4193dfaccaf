"""Questions about sources, to records and a trace: one bad source never stops the others."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from foldctx.api import calibration_of, open_session
from foldctx.decoding import Decoder
from foldctx.documents import Document, read_document
from foldctx.errors import DocumentError, FoldctxError, UsageError
from foldctx.folding.answering import Answer, answer_session
from foldctx.folding.config import FoldConfig, Limits, effective_window
from foldctx.folding.happened import Happened
from foldctx.folding.layout import encode_questions
from foldctx.folding.prompts import Prompts
from foldctx.folding.strategies import windows_of
from foldctx.folding.template import read_template
from foldctx.models.checkpoint import Checkpoint
from foldctx.models.load import Model
from foldctx.records import (
    Outcome,
    RunStamp,
    UsageStamp,
    answer_record,
    record_id,
)
from foldctx.trace import TraceWriter
from foldctx_pipelines.jobs import Job, failures
from foldctx_pipelines.runs import Totals, model_stamp, peak_memory, versions_of


@dataclass(frozen=True, slots=True)
class Opened:
    """A document is about to be read in `windows` windows."""

    source: str
    windows: int


@dataclass(frozen=True, slots=True)
class Record:
    """One line of output; `answer` is None for a failure."""

    value: dict[str, Any]
    answer: Answer | None


def effective_config(
    model: Model | Checkpoint, config: FoldConfig, decoder: Decoder
) -> dict[str, Any]:
    """Everything that decides an answer, with the values in force filled in.

    Raises UsageError when a larger window is asked for than the model has.
    """
    limits = Limits.of(config, model.info, calibration_of(model.calibration))
    template = read_template(model.prompts_source)
    return {
        **config.describe(),
        **asdict(limits),
        "decoder": decoder.describe(),
        "template": Path(template.source).name,
        "end_last": template.end_last,
        "copies": template.copies,
    }


def stamp(model: Model, config: FoldConfig, decoder: Decoder, seed: int) -> RunStamp:
    """What all records of a run share; UsageError for a window larger than the model's."""
    return RunStamp(
        strategy=config.strategy,
        preset=decoder.name,
        model=model_stamp(model),
        config=effective_config(model, config, decoder),
        seed=seed,
        versions=versions_of(model),
    )


def answer_jobs(
    jobs: Sequence[Job],
    model: Model,
    *,
    config: FoldConfig,
    decoder: Decoder,
    trace: TraceWriter,
    seed: int = 0,
    steps: bool = False,
    opened: Mapping[str, Document | DocumentError] | None = None,
) -> Iterator[Record | Opened | Happened]:
    """Answer every job; records, and the events as they happen.

    The trace gets the same events. A FoldctxError of one source becomes error records; a question
    that cannot be asked is a UsageError before anything is read. `opened` are sources that have
    been read already (see `open_first`). Jobs of one source become one, and a question that is
    repeated is asked once.
    """
    jobs = _distinct(jobs)
    window = effective_window(model.info, config)
    prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
    for job in jobs:
        encode_questions(job.questions, prompts, window, config)
    run, totals = stamp(model, config, decoder, seed), Totals()
    trace.emit(
        "run.start",
        versions=run.versions,
        model={**asdict(run.model), "window": window},
        config=run.config,
        seed=seed,
        strategy=run.strategy,
        preset=run.preset,
    )
    for job in jobs:
        source = (opened or {}).get(job.source)
        for event in _answer_job(job, source, model, config, decoder, run, steps):
            if isinstance(event, Happened):
                trace.emit(event.event, **event.fields)
                totals.see(event)
            yield event
    trace.emit("run.end", **totals.end())


def _distinct(jobs: Sequence[Job]) -> list[Job]:
    asked: dict[str, dict[str, None]] = {}
    for job in jobs:
        asked.setdefault(job.source, {}).update(dict.fromkeys(job.questions))
    return [Job(source, tuple(questions)) for source, questions in asked.items()]


def _answer_job(
    job: Job,
    opened: Document | DocumentError | None,
    model: Model,
    config: FoldConfig,
    decoder: Decoder,
    run: RunStamp,
    steps: bool,
) -> Iterator[Record | Opened | Happened]:
    started = time.monotonic()
    name = job.source
    answered = 0
    try:
        if isinstance(opened, DocumentError):
            raise opened
        document = opened or read_document(job.source)
        name = document.sha256
        session = open_session(
            model,
            document,
            job.questions,
            config=config,
            decoder=decoder,
            seed=run.seed,
            steps=steps,
        )
        windows = sum(len(windows_of(session, group)) for group in session.groups)
        yield Opened(job.source, windows)
        for event in answer_session(session):
            if isinstance(event, Answer):
                id = record_id(name, event.question)
                yield Record(
                    make_record(run, event, id=id, source=job.source, started=started), event
                )
                answered += 1
            else:
                yield event
    except UsageError:
        raise  # a question or an option is wrong: nothing about this source
    except FoldctxError as error:
        for number in range(answered, len(job.questions)) if answered else (None,):
            yield Happened("error", _failure(job.source, number, error))
        for value in failures(job, error, answered, name):
            yield Record(value, None)


def _failure(source: str, question: int | None, error: FoldctxError) -> dict[str, Any]:
    what = {"type": type(error).__name__, "message": str(error)}
    return {"source": source, "question": question, **what}


def make_record(
    run: RunStamp, answer: Answer, *, id: str, source: str, started: float
) -> dict[str, Any]:
    """The record of an answer; `started` is when its document was begun, on the monotonic clock."""
    usage = UsageStamp(
        document_tokens=answer.document_tokens,
        windows=answer.windows,
        skipped=answer.skipped,
        forwards=answer.forwards,
        tokens_fed=answer.tokens_fed,
        fed_max=answer.fed_max,
        position_max=answer.position_max,
        seconds=round(time.monotonic() - started, 3),
        peak_memory=peak_memory(),
    )
    outcome = Outcome(
        answer.text, answer.reason, answer.confidence, answer.evidence, answer.generated
    )
    return answer_record(
        run,
        outcome,
        usage,
        id=id,
        source=source,
        question=answer.question,
    )
