"""foldctx eval reader: how well the embedded reader reads, on what training never saw."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx.errors import UsageError
from foldctx_cli.model_options import ModelOptions
from foldctx_cli.options import OUTPUT, DecodingOptions, OutputOptions, with_options

if TYPE_CHECKING:
    from foldctx.models.checkpoint import Checkpoint
    from foldctx_pipelines.benchmarks.reader.run import Evaluation

HANDBOOK, QUESTIONS = Path("samples/handbook.md"), Path("samples/questions.jsonl")


@dataclass(frozen=True, slots=True)
class Cases:
    """Which cases are made, and of what."""

    text: Annotated[
        list[Path],
        typer.Option(help="Book to hide lines in; repeat it for more. Default: the handbook."),
    ] = field(default_factory=list)
    questions: Annotated[Path, typer.Option(help="Questions with answers and pages, JSONL.")] = (
        QUESTIONS
    )
    only: Annotated[
        list[str],
        typer.Option(help="Only these: needles, worlds, lookups, samples; repeat it for more."),
    ] = field(default_factory=list)
    quick: Annotated[
        bool, typer.Option("--quick", help="Few cases and short books.", show_default=False)
    ] = False

    def evaluation(self, seed: int, numbers: dict[str, Any]) -> "Evaluation":
        """What these ask for. Raises UsageError for a group or a file that there is not."""
        from foldctx_pipelines.benchmarks.reader.cases import GROUPS
        from foldctx_pipelines.benchmarks.reader.run import Evaluation

        if unknown := [name for name in self.only if name not in GROUPS]:
            raise UsageError(f"--only {unknown[0]}: choose from {', '.join(GROUPS)}")
        groups = tuple(name for name in GROUPS if not self.only or name in self.only)
        if "samples" in groups and not self.questions.exists():
            raise UsageError(
                f"{self.questions}: no such file; name one with --questions, or leave the samples "
                "out with --only"
            )
        text = tuple(self.text) or (HANDBOOK,)
        if not self.text and not HANDBOOK.exists():
            raise UsageError(f"{HANDBOOK}: no such file; name a book with --text")
        return Evaluation(seed, text, self.questions, groups, self.quick, numbers)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the cases' records go, and how the table is shown."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder of the run; goes on with one that is there. Default: none is kept.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed cases again.", show_default=False)
    ] = False
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="JSON on a terminal too.", show_default=False, rich_help_panel=OUTPUT
        ),
    ] = False
    markdown: Annotated[
        bool,
        typer.Option(
            "--markdown",
            help="The table in a pipe too.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = False
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="No progress.", show_default=False, rich_help_panel=OUTPUT),
    ] = False

    @property
    def form(self) -> OutputOptions:
        """The same for whatever prints. Raises UsageError for two forms at once."""
        if self.json and self.markdown:
            raise UsageError("--json and --markdown exclude each other; give one of them")
        return OutputOptions(json=self.json, text=self.markdown, quiet=self.quiet)


@with_options
def run(cases: Cases, decoding: DecodingOptions, model: ModelOptions, outcome: Outcome) -> None:
    """Read needles, simulated worlds, lookups and the samples; a table with 95% intervals.

    All cases follow from --seed. With --output RUN the run can be stopped and gone on with.
    """
    wanted, form = cases.evaluation(decoding.seed, model.numbers), outcome.form

    checkpoint = model.read()
    if outcome.output is not None:
        code = _evaluate(wanted, outcome.output, checkpoint, model, decoding, outcome, form)
    else:
        with TemporaryDirectory() as folder:
            place = Path(folder) / "run"
            code = _evaluate(wanted, place, checkpoint, model, decoding, outcome, form)
    raise typer.Exit(code)


def _evaluate(
    wanted: "Evaluation",
    folder: Path,
    checkpoint: "Checkpoint",
    model: ModelOptions,
    decoding: DecodingOptions,
    outcome: Outcome,
    form: OutputOptions,
) -> int:
    from foldctx_cli.console import Bar, Sink, complain, plain
    from foldctx_pipelines.batch import Committed, Opened, RunOptions, Summary
    from foldctx_pipelines.benchmarks.reader.run import read_result, run_reader

    events = run_reader(
        wanted,
        folder,
        checkpoint,
        model.load,
        decoding.decoder(checkpoint.info, decoding.overrides()),
        RunOptions(retry_failed=outcome.retry_failed, commit_rows=1),
    )
    failed = total = 0
    with Bar(quiet=form.quiet) as bar:
        for event in events:
            if isinstance(event, Opened):
                bar.begin("cases", (event.total or 0) - event.recorded - event.failed)
            elif isinstance(event, Committed):
                for record in event.records:
                    bar.advance()
                    if "error" in record and not form.quiet:
                        with bar.hidden():
                            complain("error", f"{record['id']}: {record['error']['message']}")
            elif isinstance(event, Summary):
                failed, total = event.failed, event.everything.done + event.failed
    result = read_result(folder)
    with Sink(form) as sink:
        sink.put(result.to_dict(), lambda: [plain(result.table)])
    return 0 if not failed else 1 if failed == total else 3
