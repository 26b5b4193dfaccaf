"""Running a benchmark: samples into a run folder that survives anything."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import foldctx
from foldctx.api import calibration_of
from foldctx.folding.config import Limits
from foldctx.models.checkpoint import Checkpoint
from foldctx.models.load import Model
from foldctx_pipelines.batch import Row, RunOptions, each, run
from foldctx_pipelines.batch.work import Record
from foldctx_pipelines.benchmarks.answering import TRUNCATE, Answerer, Method
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
    made: list[Answerer] = []

    def answer(row: Row) -> Record:
        if not made:
            made.append(Answerer(load(), method, benchmark.max_length))
        return made[0].record(row.payload)

    rows = [Row(s.id, s, size=len(s.prompt) + len(s.document)) for s in samples]
    fingerprint = {
        "benchmark": benchmark.name,
        **benchmark.settings,
        **describe(method, checkpoint, limits),
    }
    yield from run(
        rows,
        folder,
        each(answer),
        fingerprint,
        kind=benchmark.name,
        options=options or RunOptions(),
        total=len(rows),
    )


def describe(method: Method, checkpoint: Checkpoint, limits: Limits) -> dict[str, Any]:
    """All that decides an answer beside its sample."""
    info, config = checkpoint.info, method.config
    chat = method.chat if check_chat(checkpoint.tokenizer, None) else "never: it knows no turns"
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
