"""Running a benchmark: samples into a run folder that survives anything."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import foldctx
from foldctx.api import calibration_of
from foldctx.decoding import Predictor
from foldctx.folding.config import Limits
from foldctx.models.checkpoint import Checkpoint
from foldctx.models.load import Model
from foldctx_pipelines.batch import Finished, Row, RunOptions, Started, run
from foldctx_pipelines.batch.together import Broke, read_together
from foldctx_pipelines.benchmarks.answering import TRUNCATE, Answerer, Method, failure
from foldctx_pipelines.benchmarks.sample import Sample, file_digest
from foldctx_pipelines.prompts import check_chat


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark that is run: its name, what its samples depend on, and its prompts' bound."""

    name: str
    settings: Mapping[str, Any]
    max_length: Callable[[int, int], int] | None = None


def run_benchmark(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    folder: Path,
    checkpoint: Checkpoint,
    load: Callable[[], Model],
    method: Method,
    options: RunOptions | None = None,
) -> Iterator[object]:
    """Answer every sample once into a run folder; what it yields is what the runner yields.

    The model is loaded when the first sample needs it: going on with a finished run loads none.
    Raises UsageError for options that no sample can be answered with and for a folder of another
    run.
    """
    limits = Limits.of(method.config, checkpoint.info, calibration_of(checkpoint.calibration))
    rows = [Row(s.id, s, size=len(s.prompt) + len(s.document)) for s in samples]
    how = options or RunOptions()
    fingerprint = {
        "benchmark": benchmark.name,
        **benchmark.settings,
        **describe(method, checkpoint, limits),
    }
    yield from run(
        rows,
        folder,
        SampleWork(lambda: Answerer(load(), method, benchmark.max_length)),
        fingerprint,
        kind=benchmark.name,
        options=how,
        total=len({row.id for row in rows if how.meant(row)}),
    )


class SampleWork:
    """Answers rows whose payload is a Sample; forward passes of several samples are packed.

    A sample's record does not depend on which others are answered meanwhile.
    """

    def __init__(self, make: Callable[[], Answerer]) -> None:
        """`make` is called when the first row comes."""
        self._make = make

    def __call__(self, blocks: Iterable[Sequence[Row]]) -> Iterator[object]:
        """Started and Finished for every row."""
        rows = (row for block in blocks for row in block)
        first = next(rows, None)
        if first is None:
            return
        answerer = self._make()
        jobs = (_Job(answerer, row.payload) for row in chain([first], rows))
        at_once = answerer.method.config.rows
        for event in read_together(jobs, answerer.model, at_once):
            if isinstance(event, Broke):
                yield from _alone(event, answerer)
            else:
                yield event


@dataclass(frozen=True, slots=True)
class _Job:
    answerer: Answerer
    sample: Sample

    def __call__(self, predictor: Predictor) -> Iterator[object]:
        yield Started((self.sample.id,))
        yield Finished((self.answerer.record(self.sample, predictor),))


def _alone(broke: Broke, answerer: Answerer) -> Iterator[object]:
    """Answer a sample again that broke in company; what breaks alone is its own failure."""
    assert isinstance(broke.reading, _Job)
    error: Exception | None = broke.error if broke.alone else None
    if error is None:
        for event in read_together([broke.reading], answerer.model, 1):
            if isinstance(event, Broke):
                error = event.error
            else:
                yield event
    if error is not None:
        yield Finished((failure(broke.reading.sample, error),))


def describe(method: Method, checkpoint: Checkpoint, limits: Limits) -> dict[str, Any]:
    """All that decides an answer beside its sample."""
    info, config = checkpoint.info, method.config
    knows = check_chat(checkpoint.tokenizer, checkpoint.family.chat, None)
    chat = method.chat if knows else "never: it knows no turns"
    cut = {"chat": chat, "max_length": method.max_length or "by window"}
    reading = {**config.describe(), **asdict(limits)}
    if config.strategy == TRUNCATE:
        reading = {"strategy": TRUNCATE, "window": limits.window, **cut}
    return {
        "model": {
            "name": info.name,
            "revision": info.revision,
            "weights_sha256": info.weights_sha256,
            "tokenizer_sha256": file_digest(checkpoint.folder / "tokenizer.json"),
            "template_sha256": file_digest(checkpoint.prompts_source),
        },
        "config": reading,
        # Lengths and steps that follow a sample's output length are shown for one token.
        "decoder": method.decoder(1).describe(),
        "protocol_block_length": method.block_length,
        "protocol_steps": method.steps,
        "seed": method.seed,
        "foldctx": foldctx.__version__,
    }
