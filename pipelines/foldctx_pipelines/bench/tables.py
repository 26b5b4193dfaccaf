"""Tables of benchmark records: the same columns on a terminal and in Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Record = Mapping[str, Any]
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and what stands under it."""

    heading: str
    cell: Callable[[Record], str]


def _spread(record: Record) -> str:
    seconds = record["seconds"]
    return f"{seconds['median']:.3g} ({seconds['min']:.3g}-{seconds['max']:.3g})"


def _memory(record: Record) -> str:
    peak = record["peak_memory"]
    return "" if peak is None else f"{peak / _MIB:,.0f}"


def _right_answers(record: Record) -> str:
    right = record["right_answers"]
    return "" if right is None else f"{right} of {record['known_answers']}"


def _points(record: Record) -> str:
    low, high = record["interval"]
    return f"{100 * record['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


DECODE = (
    Column("preset", lambda r: r["preset"]),
    Column("forwards", lambda r: f"{r['forwards']:,}"),
    Column("tokens fed", lambda r: f"{r['tokens_fed']:,}"),
    Column("keys", lambda r: f"{r['keys_attended'] / 1e6:.3g}M"),
    Column("GFLOPs", lambda r: f"{r['flops'] / 1e9:,.0f}"),
    Column("seconds (least-most)", _spread),
    Column("tokens/s", lambda r: f"{r['tokens_per_second']:.3g}"),
    Column("times exact", lambda r: f"{r['speedup']:.2f}"),
    Column("overhead", lambda r: f"{r['overhead']:.2f}"),
    Column("peak MiB", _memory),
)


def _giga(flops: float | None) -> str:
    return "" if flops is None else f"{flops / 1e9:.2f}"


READ = (
    Column("strategy", lambda r: r["strategy"]),
    Column("windows", lambda r: f"{r['windows']:,}"),
    Column("skipped", lambda r: f"{r['skipped']:,}"),
    Column("forwards", lambda r: f"{r['forwards']:,}"),
    Column("passes", lambda r: f"{r['passes']:.3f}"),
    Column("planned", lambda r: f"{r['planned_passes']:.3f}"),
    Column("CPU seconds", lambda r: f"{r['cpu_seconds']:.3g}"),
    Column("tokens/CPU s", lambda r: f"{r['document_tokens_per_cpu_second']:,.0f}"),
    Column("peak MiB", _memory),
)

FIDELITY = (
    Column("preset", lambda r: f"**{r['preset']}**" if r["cheapest"] else r["preset"]),
    Column("same tokens %", lambda r: f"{100 * r['agreement']:.1f}"),
    Column("KL, nats", lambda r: "" if r["kl"] is None else f"{r['kl']:.4f}"),
    Column("right %", lambda r: f"{100 * r['accuracy']:.1f}"),
    Column("less exact's, points [95 %]", _points),
    Column("forwards", lambda r: f"{r['forwards']:.2f}"),
    Column("tokens fed", lambda r: f"{r['tokens_fed']:,.0f}"),
    Column("GFLOPs, reading", lambda r: _giga(r["read_flops"])),
    Column("answering", lambda r: _giga(r["answer_flops"])),
)

PRECISION = (
    Column("form", lambda r: r["form"]),
    Column("weights, MiB", lambda r: f"{r['weight_bytes'] / _MIB:,.1f}"),
    Column("same tokens %", lambda r: f"{100 * r['agreement']:.1f}"),
    Column("same first %", lambda r: "" if r["top"] is None else f"{100 * r['top']:.1f}"),
    Column("KL, nats", lambda r: "" if r["kl"] is None else f"{r['kl']:.2g}"),
    Column("right %", lambda r: f"{100 * r['accuracy']:.1f}"),
    Column("less float32's, points [95 %]", _points),
    Column("same answers", lambda r: f"{r['same_answers']} of {r['questions']}"),
    Column("right answers", _right_answers),
    Column("CPU seconds", lambda r: f"{r['cpu_seconds']:.3g}"),
)


def terminal(columns: Sequence[Column], records: Sequence[Record]) -> "Table":
    """For people."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column.heading, justify="right" if number else "left")
    for record in records:
        table.add_row(*(column.cell(record) for column in columns))
    return table


def markdown(columns: Sequence[Column], records: Sequence[Record]) -> str:
    """For a README."""
    rows = [[column.heading for column in columns], ["---"] + ["---:"] * (len(columns) - 1)]
    rows += [[column.cell(record) for column in columns] for record in records]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
