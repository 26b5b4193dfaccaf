"""Heat maps of scores over lengths: by task and by depth, as HTML or PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.report import Report

SUFFIXES = (".html", ".png")
_DEPTH_BINS = 10


@dataclass(frozen=True, slots=True)
class Cell:
    """A mean score of 100 over so many samples."""

    score: float
    samples: int


@dataclass(frozen=True, slots=True)
class Grid:
    """A heat map: `cells[row][column]`, None where nothing was measured."""

    title: str
    row_title: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[Cell | None]]


def check_heatmap(path: Path) -> None:
    """Refuse a file of an unknown kind, and PNG without matplotlib, before any work."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--heatmap {path}: give a file that ends in {' or '.join(SUFFIXES)}")
    if path.suffix.lower() == ".png":
        from importlib.util import find_spec

        if find_spec("matplotlib") is None:
            raise UsageError(
                f"--heatmap {path}: PNG needs matplotlib: pip install 'foldctx[plots]'; HTML needs "
                "nothing"
            )


def lengths_of(report: Report) -> list[str]:
    """The lengths that a report has columns for. Raises UsageError for a benchmark without any."""
    lengths = [column for column in report.columns if column.isdecimal()]
    if not lengths:
        raise UsageError(f"{report.benchmark} has no lengths to draw; ruler and babilong have")
    return lengths


def grids(report: Report) -> list[Grid]:
    """Tasks over lengths, and depths over lengths where samples say how deep their needle is.

    Raises UsageError for a benchmark without lengths.
    """
    lengths = lengths_of(report)
    tasks = [row.task for row in report.tasks]
    by_task, by_depth = [], []
    for row in report.scored:
        doc = row.record["doc"]
        length, depths = str(doc["length"]), doc.get("depths")
        by_task.append((row.task, length, row.score))
        if depths:
            by_depth.append((_bin(sum(depths) / len(depths)), length, row.score))
    result = [_grid("Score by task and length", "task", tasks, lengths, by_task)]
    if by_depth:
        bins = [_bin((i + 0.5) / _DEPTH_BINS) for i in range(_DEPTH_BINS)]
        title = "Score by depth of the needle and length"
        result.append(_grid(title, "depth", bins, lengths, by_depth))
    return result


def _bin(depth: float) -> str:
    low = min(int(depth * _DEPTH_BINS), _DEPTH_BINS - 1) * 100 // _DEPTH_BINS
    return f"{low}-{low + 100 // _DEPTH_BINS}%"


def _grid(
    title: str,
    row_title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    found: Sequence[tuple[str, str, float]],
) -> Grid:
    held: dict[tuple[str, str], list[float]] = {}
    for row, column, score in found:
        held.setdefault((row, column), []).append(score)

    def cell(row: str, column: str) -> Cell | None:
        scores = held.get((row, column))
        return Cell(100 * sum(scores) / len(scores), len(scores)) if scores else None

    cells = [[cell(row, column) for column in columns] for row in rows]
    return Grid(title, row_title, rows, columns, cells)


def write_heatmap(report: Report, path: Path) -> None:
    """Draw the report's grids into one file, by its suffix."""
    check_heatmap(path)
    drawn = grids(report)
    if path.suffix.lower() == ".html":
        path.write_text(_html(report, drawn), "utf-8")
    else:
        _png(_about(report), drawn, path)


def _about(report: Report) -> str:
    model = report.settings.get("model", {}).get("name", "a model")
    strategy = report.settings.get("config", {}).get("strategy", "unknown")
    return f"{report.benchmark}: {model}, strategy {strategy}"


# -- HTML -----------------------------------------------------------------------------------

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #1b1b1b; background: #fff; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
table { border-collapse: separate; border-spacing: 2px; }
th { font-weight: 500; text-align: right; padding: 0.2rem 0.6rem; }
thead th { text-align: center; }
td { width: 4.5rem; height: 2.1rem; text-align: center; border-radius: 3px; }
td.none { background: #eee; color: #767676; }
p { color: #555; max-width: 60rem; }
"""


def _html(report: Report, drawn: Sequence[Grid]) -> str:
    about = _about(report)
    parts = "\n".join(_table(grid) for grid in drawn)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(about)}</title><style>{_STYLE}</style></head>\n<body>"
        f"<h1>{escape(about)}</h1>\n<p>Mean scores of 100; a cell's tooltip tells how many samples "
        f"it stands for. Lengths are in the model's tokens.</p>\n{parts}\n</body></html>\n"
    )


def _table(grid: Grid) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in grid.columns)
    body = []
    for name, cells in zip(grid.rows, grid.cells, strict=True):
        tds = "".join(map(_td, cells))
        body.append(f'<tr><th scope="row">{escape(name)}</th>{tds}</tr>')
    return (
        f"<h2>{escape(grid.title)}</h2>\n<table><thead><tr><th>{escape(grid.row_title)}</th>{head}"
        f"</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )


def _td(cell: Cell | None) -> str:
    if cell is None:
        return '<td class="none">-</td>'
    # From red over yellow to green, light enough for black text to stand out.
    hue = round(1.2 * cell.score)
    return (
        f'<td style="background:hsl({hue} 70% 72%)" title="{cell.samples} samples">'
        f"{cell.score:.0f}</td>"
    )


# -- PNG ------------------------------------------------------------------------------------


def _png(about: str, drawn: Sequence[Grid], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [1.6 + 0.38 * len(grid.rows) for grid in drawn]
    width = 3.5 + 0.95 * max(len(grid.columns) for grid in drawn)
    figure = Figure(figsize=(max(width, 6.5), sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(about, fontsize=12)
    axes = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights)
    for axis, grid in zip(axes[:, 0], drawn, strict=True):
        values = [[float("nan") if c is None else c.score for c in row] for row in grid.cells]
        image = axis.imshow(values, cmap="RdYlGn", vmin=0, vmax=100, aspect="auto", alpha=0.6)
        axis.set_title(grid.title, fontsize=11)
        axis.set_xticks(range(len(grid.columns)), grid.columns)
        axis.set_yticks(range(len(grid.rows)), grid.rows)
        axis.set_xlabel("length in tokens")
        axis.set_ylabel(grid.row_title)
        for y, row in enumerate(grid.cells):
            for x, cell in enumerate(row):
                text = "-" if cell is None else f"{cell.score:.0f}"
                axis.text(x, y, text, ha="center", va="center", fontsize=9)
        figure.colorbar(image, ax=axis, label="score")
    figure.savefig(path, dpi=140)
