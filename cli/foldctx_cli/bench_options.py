"""What the commands of foldctx bench share: the random model, the reports."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx_cli.model_options import MODEL
from foldctx_cli.options import DECODING, OUTPUT
from foldctx_pipelines.bench.shapes import SHAPES, Where

if TYPE_CHECKING:
    from rich.console import RenderableType

    from foldctx_cli.console import Bar
    from foldctx_pipelines.bench.tables import Column

Block = Annotated[
    int, typer.Option("--block", help="Tokens denoised together.", rich_help_panel=DECODING, min=1)
]


def option(panel: str, *names: str, help: str, **more: Any) -> Any:
    """An option in a panel of the help."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


Cases = Annotated[int, option(DECODING, help="Generated cases.", min=2)]
CaseLength = Annotated[int, option(DECODING, help="Most tokens of a reading window.", min=64)]
ComparedCases = Annotated[
    int, option(DECODING, help="Cases whose distributions are compared.", min=0)
]
CaseRows = Annotated[int, option(DECODING, help="Cases decoded at once.", min=1)]
CaseSeed = Annotated[int, option(DECODING, help="Of the cases.", min=0)]


@dataclass(frozen=True, slots=True)
class RandomOptions:
    """A model with random weights."""

    shape: Annotated[str, option(MODEL, help=f"Size of the random model: {', '.join(SHAPES)}.")] = (
        "30m"
    )
    device: Annotated[str, option(MODEL, help="auto, cpu, cuda or cuda:N.")] = "auto"
    dtype: Annotated[str, option(MODEL, help="auto, float32, bfloat16 or float16.")] = "auto"
    seed: Annotated[int, option(MODEL, help="Of the weights and the text.", min=0)] = 0
    threads: Annotated[
        int | None, option(MODEL, help="Threads of the CPU; default: torch's choice.", min=1)
    ] = None
    packed: Annotated[
        bool,
        option(MODEL, "--packed/--plain", help="Weights laid out for the CPU, or as stored."),
    ] = True

    @property
    def where(self) -> Where:
        """Where it runs, in which form."""
        return Where(self.device, self.dtype, self.seed, self.packed)


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """A chart or a Markdown table beside the records."""

    plot: Annotated[Path | None, option(OUTPUT, help="Write a bar chart (PNG) here.")] = None
    markdown: Annotated[Path | None, option(OUTPUT, help="Write the table as Markdown here.")] = (
        None
    )

    def check(self) -> None:
        """Refuse what cannot be written, before any work."""
        from foldctx_cli.console import check_target

        check_target(self.plot, "--plot", [])
        check_target(self.markdown, "--markdown", [])
        if self.plot is not None:
            from foldctx_pipelines.bench.plots import check_plots

            check_plots()


def set_threads(count: int | None) -> tuple[int, ...]:
    """Use so many threads; returns the counts whose matrix rates are worth a try."""
    import torch

    if count is not None:
        torch.set_num_threads(count)
    return (1, torch.get_num_threads())


def gathered(events: "Iterable[str | dict[str, Any]]", bar: "Bar") -> list[dict[str, Any]]:
    """The records among the events; every other one is a case that is done."""
    records = []
    for event in events:
        if isinstance(event, str):
            bar.advance()
        else:
            records.append(event)
    return records


def shown(
    records: Sequence[dict[str, Any]], columns: "Sequence[Column]"
) -> "Iterator[RenderableType]":
    """The table, and what it was measured on."""
    from foldctx_cli.console import plain
    from foldctx_pipelines.bench.tables import terminal

    yield terminal(columns, records)
    if "machine" in records[0]:
        on = records[0]["machine"]
        square = records[0].get("square_flops_per_second")
        rate = f", square products {square / 1e9:.0f} GFLOPs a second" if square else ""
        yield plain(f"{on['name']}, {on['threads']} threads{rate}", "dim")


def write_report(
    report: ReportOptions,
    records: Sequence[dict[str, Any]],
    columns: "Sequence[Column]",
    chart: tuple[str, str, str, str],
) -> None:
    """Write the files that were asked for; the chart is of (name, value, title, unit)."""
    if report.markdown is not None:
        from foldctx_pipelines.bench.tables import markdown

        report.markdown.write_text(markdown(columns, records), "utf-8")
    if report.plot is not None:
        from foldctx_pipelines.bench.plots import bar_chart

        name, value, title, unit = chart
        bar_chart(report.plot, records, name=name, value=value, title=title, unit=unit)
