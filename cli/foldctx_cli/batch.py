"""foldctx batch: questions of a corpus, in a run folder that survives anything."""

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from foldctx.errors import UsageError
from foldctx_cli.answer import check_questions
from foldctx_cli.model_options import MODEL, ModelOptions
from foldctx_cli.options import OUTPUT, DecodingOptions, OutputOptions, ReadingOptions, with_options

if TYPE_CHECKING:
    from foldctx_pipelines.batch.reader import ReaderSpec
    from foldctx_pipelines.batch.run import RunOptions
    from foldctx_pipelines.batch.work import Work

ROWS = "Rows"
ENGINES = ("local", "ray")
_INPUT = "JSONL, Parquet, a folder, a pattern, a data set, or - for paths or JSON lines on standard input."


class _Batch(TyperGroup):
    """`foldctx batch INPUT` runs; `foldctx batch status RUN` tells of a run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Without anything, it is the input that is missing."""
        return super().parse_args(ctx, args or ["run"])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """What is no command is the input of a run."""
        if args and args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "", self.commands["run"], args


app = typer.Typer(
    cls=_Batch,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    help="Ask questions of a corpus, in a run folder that survives anything.",
)


@dataclass(frozen=True, slots=True)
class RowOptions:
    """Which rows of the input, and what happens with those that fail."""

    question: Annotated[
        list[str],
        typer.Option(
            "--question", "-q", help="Asked of rows without their own.", rich_help_panel=ROWS
        ),
    ] = field(default_factory=list)
    split: Annotated[
        str | None, typer.Option(help="Of a data set with several.", rich_help_panel=ROWS)
    ] = None
    shard: Annotated[
        str, typer.Option(help="Only part I of N, such as 3/16.", rich_help_panel=ROWS)
    ] = "1/1"
    limit: Annotated[
        int | None, typer.Option(help="Only the first rows.", rich_help_panel=ROWS)
    ] = None
    sample: Annotated[
        float | None,
        typer.Option(help="Only this share of the rows, such as 0.1.", rich_help_panel=ROWS),
    ] = None
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Try rows again that failed.", rich_help_panel=ROWS),
    ] = False
    max_errors: Annotated[
        int | None, typer.Option(help="Stop when more rows fail.", rich_help_panel=ROWS)
    ] = None

    def options(self) -> "RunOptions":
        """The same, checked."""
        from foldctx_pipelines.batch.rows import Shard
        from foldctx_pipelines.batch.run import RunOptions

        return RunOptions(
            Shard.parse(self.shard), self.limit, self.sample, self.retry_failed, self.max_errors
        )


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where rows are worked on."""

    engine: Annotated[str, typer.Option(help=f"{', '.join(ENGINES)}.", rich_help_panel=MODEL)] = (
        "local"
    )
    workers: Annotated[
        int, typer.Option(help="Models loaded, with --engine ray.", min=1, rich_help_panel=MODEL)
    ] = 2
    ray_address: Annotated[
        str | None,
        typer.Option(help="Cluster; default: one on this machine.", rich_help_panel=MODEL),
    ] = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(f"--engine {self.engine!r}: choose from {', '.join(ENGINES)}")

    def placed(self, spec: "ReaderSpec") -> "ReaderSpec":
        """Ray hides the GPUs from workers that have not asked for one, so there "auto" is the CPU."""
        if not self._on_ray:
            return spec
        if spec.placement.device_map is not None:
            raise UsageError(
                "--device-map spreads one model over this machine, and --engine ray gives each "
                "worker one of its own; give --device"
            )
        if spec.device != "auto":
            return spec
        return replace(spec, placement=replace(spec.placement, device="cpu"))

    def work(self, spec: "ReaderSpec", checkpoint: Any) -> "Work":
        """The work of the engine. Raises UsageError when it is not installed."""
        if not self._on_ray:
            return spec.local(checkpoint)
        from foldctx_pipelines.batch.ray_engine import RayWork

        together = 2 * spec.config.rows
        work: Work = RayWork(spec, self.workers, self.ray_address, together=together)
        return work

    @property
    def _on_ray(self) -> bool:
        return self.engine == "ray"


@dataclass(frozen=True, slots=True)
class TellingOptions:
    """What is told besides the run's folder."""

    json: Annotated[
        bool,
        typer.Option(
            "--json", help="The summary as JSON on a terminal too.", rich_help_panel=OUTPUT
        ),
    ] = False
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="No progress, no warnings.", rich_help_panel=OUTPUT),
    ] = False


@app.command("run", hidden=True)
@with_options
def run_batch(
    input: Annotated[str, typer.Argument(metavar="INPUT", help=_INPUT)],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The run's folder.", rich_help_panel=OUTPUT),
    ],
    which: RowOptions,
    reading: ReadingOptions,
    decoding: DecodingOptions,
    model: ModelOptions,
    engine: EngineOptions,
    telling: TellingOptions,
) -> None:
    """Ask questions of a corpus, into a run folder: resumable at any moment, each row once.

    Run the same command again to go on. `foldctx batch status RUN` tells how far a run is.
    """
    config, overrides = reading.config(), decoding.overrides()
    options, asked = which.options(), check_questions(which.question)

    from foldctx_cli.batch_report import Watch, exit_code, summary_text
    from foldctx_cli.console import Sink, standard_input
    from foldctx_pipelines.batch.inputs import open_input

    given = open_input(input, asked, standard_input(), which.split)
    total = given.check(options.meant)
    total = total if options.limit is None else min(total, options.limit)
    with Watch(total, quiet=telling.quiet) as watch:
        for text in given.warnings:
            watch.warn(text)

        from foldctx_pipelines.batch.reader import ReaderSpec
        from foldctx_pipelines.batch.run import run

        spec = ReaderSpec(
            config,
            model.model,
            model.placement(),
            model.revision,
            decoding.preset,
            overrides,
            decoding.seed,
            model.rope_scale_to,
        )
        spec = engine.placed(spec)
        checkpoint = spec.checkpoint()
        spec.check(checkpoint)
        fingerprint = {**spec.fingerprint(checkpoint), "questions": list(asked)}
        events = run(
            given.rows(),
            output,
            engine.work(spec, checkpoint),
            fingerprint,
            options=options,
            total=total,
        )
        # Ray tells of workers that die on standard output, which is for data.
        with redirect_stdout(None if telling.quiet else sys.stderr):
            summary = watch.follow(events)
    with Sink(OutputOptions(json=telling.json)) as sink:
        sink.put(summary.to_dict(), lambda: summary_text(summary))
    raise typer.Exit(exit_code(summary))


@app.command("status")
@with_options
def batch_status(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    output: OutputOptions,
) -> None:
    """Tell how far a run is, whether it is going on, and what it has cost so far."""
    from foldctx_cli.batch_report import status_text
    from foldctx_cli.console import Sink, check_target
    from foldctx_pipelines.batch.folder import read_folder
    from foldctx_pipelines.batch.status import run_status

    check_target(output.output, "--output", [])
    status = run_status(read_folder(run))
    with Sink(output) as sink:
        sink.put(status.to_dict(), lambda: status_text(status))
