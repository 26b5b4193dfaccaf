"""Bar charts of benchmark records; needs matplotlib (`pip install 'foldctx[plots]'`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from foldctx.errors import OutputError, UsageError


def check_plots() -> None:
    """Raise UsageError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError(
            "--plot needs matplotlib; install it with pip install 'foldctx[plots]'"
        ) from None


def bar_chart(
    path: Path,
    records: Sequence[Mapping[str, Any]],
    *,
    name: str,
    value: str,
    title: str,
    unit: str,
) -> None:
    """Write a PNG with one bar a record: `value` against `name`. Raises OutputError on a failure."""
    from matplotlib.figure import Figure  # no pyplot: that would choose a screen

    labels = [str(record[name]) for record in records]
    values = [float(record[value]) for record in records]
    figure = Figure(figsize=(8, 0.8 + 0.35 * len(records)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(labels, values, color="#4878a8")
    axes.bar_label(bars, fmt="%.3g", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, format="png", dpi=150)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
