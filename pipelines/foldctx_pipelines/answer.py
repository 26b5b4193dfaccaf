"""Questions about sources, to records and a trace: one bad source never stops the others."""

import platform
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import foldctx
from foldctx.api import open_session
from foldctx.decoding import Decoder
from foldctx.documents import Document, read_document
from foldctx.errors import DocumentError, FoldctxError, UsageError
from foldctx.folding.answering import Answer, answer_session
from foldctx.folding.config import FoldConfig
from foldctx.folding.layout import encode_questions
from foldctx.folding.prompts import Prompts
from foldctx.folding.session import Happened
from foldctx.models.load import Model
from foldctx.records import (
    ModelStamp,
    Outcome,
    RunStamp,
    UsageStamp,
    answer_record,
    record_id,
)
from foldctx.trace import TraceWriter
from foldctx_pipelines.jobs import Job, failures


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


@dataclass(slots=True)
class Totals:
    """The run's own counters, which the trace's reader recounts."""

    counts: Counter[str] = field(default_factory=Counter)
    folds: Counter[str] = field(default_factory=Counter)
    fed_max: int = 0
    position_max: int = 0
    document_tokens: int = 0

    def see(self, event: Happened) -> None:
        """Count one event."""
        fields = event.fields
        if event.event == "window":
            self.counts["windows"] += fields["kind"] == "read"
            self.counts["forwards"] += fields["forwards"]
            self.counts["tokens_fed"] += fields["tokens_fed"]
            self.fed_max = max(self.fed_max, fields["fed_max"])
            self.position_max = max(self.position_max, fields["position_max"])
        elif event.event == "document":
            self.counts["documents"] += 1
            self.counts["characters"] += fields["characters"]
            self.document_tokens += fields["tokens"]
        elif event.event == "fold":
            self.folds[fields["kind"]] += 1
        else:
            names = {"skip": "skipped", "answer": "answers", "error": "errors"}
            if event.event in names:
                self.counts[names[event.event]] += 1

    def end(self) -> dict[str, Any]:
        """The fields of `run.end`."""
        names = ("windows", "skipped", "forwards", "tokens_fed", "documents", "answers", "errors")
        fed = self.counts["tokens_fed"]
        return {
            **{name: self.counts[name] for name in names},
            "characters": self.counts["characters"],
            "passes": fed / self.document_tokens if self.document_tokens else None,
            "fed_max": self.fed_max,
            "position_max": self.position_max,
            "folds": {kind: self.folds[kind] for kind in ("mask", "span", "chunk")},
            "peak_memory": peak_memory(),
        }


def peak_memory() -> int:
    """The process's largest resident size so far, in bytes."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def versions_of(model: Model) -> dict[str, str | float | None]:
    """What a run ran on."""
    return {
        "foldctx": foldctx.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "safetensors", "tokenizers")},
        "device": str(model.device),
    }


def model_stamp(model: Model) -> ModelStamp:
    """Which weights answer."""
    return ModelStamp(model.info.name, model.info.revision, model.info.weights_sha256)


def stamp(model: Model, config: FoldConfig, decoder: Decoder, seed: int) -> RunStamp:
    """What all records of a run share."""
    return RunStamp(
        strategy=config.strategy,
        preset=decoder.name,
        model=model_stamp(model),
        config={**config.describe(), "decoder": decoder.describe()},
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
    been read already (see `open_first`).
    """
    prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
    for job in jobs:
        encode_questions(job.questions, prompts, config.window or model.info.window, config)
    run, totals = stamp(model, config, decoder, seed), Totals()
    trace.emit(
        "run.start",
        versions=run.versions,
        model={**_model_fields(run.model), "window": config.window or model.info.window},
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


def _model_fields(model: ModelStamp) -> dict[str, Any]:
    return {"name": model.name, "revision": model.revision, "weights_sha256": model.weights_sha256}


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
        yield Opened(job.source, sum(len(group.passages) for group in session.groups))
        for event in answer_session(session):
            if isinstance(event, Answer):
                yield Record(_record(run, event, name, job.source, started), event)
                answered += 1
            else:
                yield event
    except UsageError:
        raise  # a question or an option is wrong: nothing about this source
    except FoldctxError as error:
        where = {"source": job.source, "question": None}
        yield Happened("error", {**where, "type": type(error).__name__, "message": str(error)})
        for value in failures(job, error, answered, name):
            yield Record(value, None)


def _record(
    run: RunStamp, answer: Answer, sha256: str, source: str, started: float
) -> dict[str, Any]:
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
        id=record_id(sha256, answer.question),
        source=source,
        question=answer.question,
    )


def summary(records: Sequence[Mapping[str, Any]]) -> str:
    """One line for people: how many answers, abstentions and failures."""
    failed = sum("error" in record for record in records)
    silent = sum(record.get("answer", "") is None for record in records)
    return f"{len(records) - failed - silent} answered, {silent} abstained, {failed} failed"
