"""foldctx eval ... score: scores of a run, as its benchmark's authors compute them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foldctx_cli.options import OUTPUT, OutputOptions, with_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from foldctx_pipelines.benchmarks.report import Report


def score_command(benchmark: str) -> Callable[..., None]:
    """The command that scores a benchmark's runs."""

    @with_options
    def score(
        run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
        output: OutputOptions,
        into: Annotated[
            Path | None, typer.Option(help="Folder of the scores; default: scores in RUN.")
        ] = None,
        heatmap: Annotated[
            list[Path] | None,
            typer.Option(help="Draw scores by length; .html or .png.", rich_help_panel=OUTPUT),
        ] = None,
    ) -> None:
        """Score a run: a table here, scores.json, table.md and samples in a folder.

        No model is loaded, and it can be repeated, also while the run goes on.
        """
        from foldctx_cli.console import Sink, check_target
        from foldctx_pipelines.benchmarks.plots import check_heatmap, lengths_of, write_heatmap
        from foldctx_pipelines.benchmarks.scores import score_run, write_scores

        check_target(output.output, "--output", [])
        for path in heatmap or ():
            check_heatmap(path)
            check_target(path, "--heatmap", [])
        report = score_run(run, benchmark)
        if heatmap:
            lengths_of(report)  # refused before anything is written
        write_scores(report, into or run / "scores")
        for path in heatmap or ():
            write_heatmap(report, path)
        with Sink(output) as sink:
            sink.put(report.to_dict(), lambda: _table(report))

    return score


def _table(report: "Report") -> "Iterator[RenderableType]":
    from rich.table import Table

    from foldctx_cli.console import plain
    from foldctx_pipelines.benchmarks.report import shown

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("task", "metric"):
        table.add_column(name)
    for name in ("rows", "failed", *report.columns):
        table.add_column(name, justify="right")
    for row in report.tasks:
        cells = [plain(shown(row.cells[column])) for column in report.columns]
        failed = plain(str(row.failed), "red" if row.failed else "")
        table.add_row(plain(row.task), row.metric, str(row.rows), failed, *cells)
    for label, values in report.averages:
        means = [plain(shown(values[column]), "bold") for column in report.columns]
        table.add_row(plain(label, "bold"), "mean of tasks", "", "", *means)
    yield table
    protocol = report.settings.get("protocol", "official")
    strategy = report.settings.get("config", {}).get("strategy")
    yield plain(f"protocol {protocol}, strategy {strategy}", "dim")
    if report.effective_length is not None:
        yield plain(f"effective length: {report.effective_length or 'none'}", "dim")
