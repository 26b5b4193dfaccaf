"""foldctx eval longbench: LongBench v1 and LongBench-E."""

from dataclasses import dataclass
from typing import Annotated

import typer

from foldctx.errors import UsageError
from foldctx_cli.evals.options import (
    BenchmarkReading,
    RunFolderOptions,
    Tasks,
    execute,
    make_method,
)
from foldctx_cli.model_options import ModelOptions
from foldctx_cli.options import DecodingOptions, with_options


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rows, and by whose rules they are asked."""

    extended: Annotated[
        bool, typer.Option("--e", help="LongBench-E's tasks.", show_default=False)
    ] = False
    protocol: Annotated[str, typer.Option(help="official, or opencompass.")] = "official"
    examples: Annotated[
        str, typer.Option(help="Few-shot examples of a task with a text of its own: skip, read.")
    ] = "skip"
    limit: Annotated[int | None, typer.Option(help="Most rows of a task.", min=1)] = None

    def __post_init__(self) -> None:
        choices = {"protocol": ("official", "opencompass"), "examples": ("skip", "read")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                said = getattr(self, name)
                raise UsageError(f"--{name} {said!r}: choose from {', '.join(known)}")


@with_options
def run(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Folder or zip of JSONL files, or a hub name.")
    ],
    output: RunFolderOptions,
    rules: Rules,
    reading: BenchmarkReading,
    decoding: DecodingOptions,
    model: ModelOptions,
    task: Tasks = None,
) -> None:
    """Answer LongBench's rows into a run folder.

    With --strategy truncate the official prompt is cut in the middle and continued.
    """
    from foldctx_pipelines.benchmarks import longbench

    settings = longbench.protocols()[rules.protocol]
    samples = longbench.load(
        source,
        task or (),
        extended=rules.extended,
        protocol=rules.protocol,  # type: ignore[arg-type]
        examples=rules.examples,  # type: ignore[arg-type]
        limit=rules.limit,
    )
    checkpoint = model.read(reading.window)
    method = make_method(reading, decoding, checkpoint, settings)

    from foldctx_pipelines.benchmarks.running import Benchmark
    from foldctx_pipelines.benchmarks.sample import file_digest

    what = {"protocol": rules.protocol, "examples": rules.examples, "extended": rules.extended}
    how = {"task_data": file_digest(longbench.TASKS_FILE), **model.numbers}
    benchmark = Benchmark("longbench", {**what, **how}, longbench.max_length)
    execute(benchmark, samples, model, checkpoint, method, output)
