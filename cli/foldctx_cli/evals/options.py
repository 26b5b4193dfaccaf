"""Options that the benchmarks' commands share, and what they do with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from foldctx.folding.config import QuestionPolicy
from foldctx_cli.model_options import ModelOptions
from foldctx_cli.options import OUTPUT, READING, DecodingOptions, OutputOptions, ReadingOptions

if TYPE_CHECKING:
    from foldctx.models.checkpoint import Checkpoint
    from foldctx_pipelines.benchmarks.answering import Method
    from foldctx_pipelines.benchmarks.running import Benchmark
    from foldctx_pipelines.benchmarks.sample import Sample

RUN = "Run"
Tasks = Annotated[
    list[str] | None, typer.Option("--task", help="Only this task; repeat it for more.")
]
Lengths = Annotated[
    list[int], typer.Option("--length", help="Tokens of a sample; repeat it for more.", min=0)
]


@dataclass(frozen=True, slots=True)
class BenchmarkReading(ReadingOptions):
    """Reading as benchmarks want it: long questions are cut, and an unsure answer is given."""

    question_policy: Annotated[
        str,
        typer.Option(
            help=f"With long questions: {', '.join(get_args(QuestionPolicy))}.",
            rich_help_panel=READING,
        ),
    ] = "cut"
    abstain_threshold: Annotated[
        float | None,
        typer.Option(help="Confidence below which no answer is given.", rich_help_panel=READING),
    ] = 0.0
    max_length: Annotated[
        int | None,
        typer.Option(
            help="With truncate: most tokens of a prompt; default: by the window.",
            rich_help_panel=READING,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class RunFolderOptions:
    """Where records go, which rows are made, and when to give up."""

    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder of the run; goes on with one that is there."),
    ]
    shard: Annotated[
        str, typer.Option(help="This part of the rows, such as 3/16.", rich_help_panel=RUN)
    ] = "1/1"
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed rows again.", rich_help_panel=RUN)
    ] = False
    max_errors: Annotated[
        int | None, typer.Option(help="Stop when more rows fail.", rich_help_panel=RUN)
    ] = None
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="JSON on a terminal too.", show_default=False, rich_help_panel=OUTPUT
        ),
    ] = False
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="No progress.", show_default=False, rich_help_panel=OUTPUT),
    ] = False


def make_method(
    reading: BenchmarkReading,
    decoding: DecodingOptions,
    checkpoint: "Checkpoint",
    protocol: Mapping[str, Any] | None = None,
) -> "Method":
    """The method that options and a protocol's settings describe, for a model."""
    from dataclasses import asdict

    from foldctx.folding.config import FoldConfig
    from foldctx_pipelines.benchmarks.answering import Method

    values = asdict(reading)
    max_length = values.pop("max_length")
    return Method(
        FoldConfig(**values),
        decoding.preset or checkpoint.family.preset,
        decoding.overrides(),
        decoding.seed,
        max_length=max_length,
        **(protocol or {}),
    )


def execute(
    benchmark: "Benchmark",
    samples: "Sequence[Sample]",
    model: ModelOptions,
    checkpoint: "Checkpoint",
    method: "Method",
    how: RunFolderOptions,
) -> None:
    """Run it, show how far it is, and end with the exit code that its failures ask for."""
    from foldctx_cli.console import Bar, Sink, complain, plain
    from foldctx_pipelines.batch import Committed, Opened, RunOptions, Shard, Summary
    from foldctx_pipelines.benchmarks.running import run_benchmark

    options = RunOptions(
        Shard.parse(how.shard), retry_failed=how.retry_failed, max_errors=how.max_errors
    )
    window = method.config.window
    benchmark_run = run_benchmark(
        benchmark, samples, how.output, checkpoint, lambda: model.load(window), method, options
    )
    failed = total = 0
    with Sink(OutputOptions(json=how.json)) as sink, Bar(quiet=how.quiet) as bar:
        for event in benchmark_run:
            if isinstance(event, Opened):
                left = (event.total or 0) - event.recorded - event.failed
                bar.begin(benchmark.name, max(left, 0))
            elif isinstance(event, Committed):
                for record in event.records:
                    bar.advance()
                    if "error" in record and not how.quiet:
                        with bar.hidden():
                            complain("error", f"{record['id']}: {record['error']['message']}")
            elif isinstance(event, Summary):
                record = event.to_dict()
                failed, total = event.failed, record["rows"]
                said = f"{total} rows in {how.output}, {record['made']} of them made now"
                told = [plain(f"{said}; {failed} failed" if failed else said)]
                sink.put(record, lambda told=told: told)  # type: ignore[misc]
    raise typer.Exit(0 if not failed else 1 if failed == total else 3)
