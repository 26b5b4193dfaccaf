"""The table of a run's cases: a line for each task, reader and strategy, pooled and by length."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foldctx.errors import TraceError
from foldctx_pipelines.benchmarks.reader.scores import KINDS, Rate, Record, is_right


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: a task of one reader and strategy, pooled and by length."""

    group: str
    task: str
    measure: str
    reader: str
    strategy: str
    pooled: Rate
    by_length: Mapping[int, Rate]
    target: float | None
    most: bool = False  # the target is the most, not the least, that is allowed

    @property
    def reached(self) -> bool | None:
        """Whether the pooled rate reaches the target; None without either."""
        share = self.pooled.share
        if self.target is None or share is None:
            return None
        return share <= self.target if self.most else share >= self.target

    @property
    def drops(self) -> list[int]:
        """Lengths whose rate is more than ten points under that of the shortest."""
        lengths = sorted(self.by_length)
        first = self.by_length[lengths[0]].share if lengths else None
        if first is None:
            return []
        shares = {n: self.by_length[n].share for n in lengths}
        return [n for n, share in shares.items() if share is not None and share < first - 0.10]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "group": self.group,
            "task": self.task,
            "measure": self.measure,
            "reader": self.reader,
            "strategy": self.strategy,
            **self.pooled.to_dict(),
            "by_length": {str(n): rate.to_dict() for n, rate in self.by_length.items()},
            "target": self.target,
            "reached": self.reached,
            "drops": self.drops,
        }


# Of the reader itself with fold; a table's line tells whether they are reached.
_TARGETS: Mapping[tuple[str, str], float] = {
    ("single", "right"): 0.98,
    ("multikey", "right"): 0.95,
    ("multivalue", "right"): 0.90,
    ("babi1", "right"): 0.95,
    ("babi2", "right"): 0.80,
    ("babi3", "right"): 0.60,
    ("babi4", "right"): 0.90,
    ("babi5", "right"): 0.85,
    ("lookups", "right"): 0.90,
    ("lookups", "on the page, of the right ones"): 0.95,
    ("lookups", "answered though unanswerable"): 0.05,
    ("samples", "right"): 20 / 24,
}
# The most that a reader of shuffled weights may have right.
_CONTROL: Mapping[tuple[str, str], float] = {("samples", "right, of the answerable"): 2 / 20}

Measure = tuple[str, Callable[[Record], bool], Callable[[Record], bool]]
"""Its name, which cases count, and which of them are hits."""


def _answerable(record: Record) -> bool:
    return "error" in record or bool(record["golds"])


def _measures(group: str) -> list[Measure]:
    def everything(record: Record) -> bool:
        return True

    if group == "lookups":
        return [
            ("right", _answerable, is_right),
            (
                "on the page, of the right ones",
                lambda r: _answerable(r) and is_right(r),
                lambda r: bool(r["quote_page"] == r["page"]),
            ),
            (
                "answered though unanswerable",
                lambda r: not _answerable(r),
                lambda r: not is_right(r),
            ),
        ]
    measures: list[Measure] = [("right", everything, is_right)]
    if group == "samples":
        measures.append(("right, of the answerable", _answerable, is_right))
    return measures


def tabulate(records: Iterable[Record]) -> list[Line]:
    """The lines of a run's records, in their order. Raises TraceError for a strange record."""
    sorted_out: dict[tuple[str, str, str, str], list[Record]] = {}
    for record in records:
        try:
            reader, strategy, group, task = str(record["id"]).split("/")[:4]
            is_right(record)
        except (KeyError, TypeError, ValueError) as error:
            raise TraceError(
                f"record {record.get('id', '?')}: cannot be scored ({error!r})"
            ) from None
        sorted_out.setdefault((group, task, reader, strategy), []).append(record)
    lines = []
    for (group, task, reader, strategy), rows in sorted_out.items():
        for name, counts, hits in _measures(group):
            lengths = sorted({_length(row) for row in rows} - {-1})
            targets = _CONTROL if reader != "reader" else _TARGETS if strategy == "fold" else {}
            line = Line(
                group,
                task,
                name,
                reader,
                strategy,
                _rate(rows, counts, hits),
                {n: _rate([r for r in rows if _length(r) == n], counts, hits) for n in lengths},
                targets.get((task, name)),
                most=targets is _CONTROL or name.startswith("answered"),
            )
            lines.append(line)
    return lines


def _length(record: Record) -> int:
    parts = str(record["id"]).split("/")
    return int(parts[4]) if len(parts) > 5 else -1


def _rate(
    rows: Sequence[Record], counts: Callable[[Record], bool], hits: Callable[[Record], bool]
) -> Rate:
    meant = [row for row in rows if counts(row)]
    return Rate(sum(hits(row) for row in meant), len(meant))


def markdown(
    lines: Sequence[Line],
    wrong: Mapping[str, Mapping[str, int]],
    settings: Mapping[str, Any],
) -> str:
    """A table for each group, and one of what went wrong with fold."""
    parts = [f"Reader {settings['model']['name']}, seed {settings['seed']}"]
    for group in dict.fromkeys(line.group for line in lines):
        own = [line for line in lines if line.group == group]
        lengths = sorted({n for line in own for n in line.by_length})
        head = ["task", "", "reader", "pooled (95% interval), cases", *map(_tokens, lengths)]
        head += ["target", "over ten points under the shortest"]
        parts.append(f"\n## {group}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
        for line in own:
            who = line.strategy if line.reader == "reader" else f"{line.strategy}, {line.reader}"
            cells = [line.task, line.measure, who, str(line.pooled)]
            cells += [_cell(line.by_length.get(n)) for n in lengths]
            cells += [_target(line), ", ".join(map(_tokens, line.drops))]
            parts.append(f"| {' | '.join(cells)} |")
    parts.append(f"\n## failures with fold\n\n| task | {' | '.join(KINDS)} |")
    parts.append(f"|---|{'---|' * len(KINDS)}")
    for task, counts in wrong.items():
        parts.append(f"| {task} | {' | '.join(str(counts[kind]) for kind in KINDS)} |")
    return "\n".join(parts) + "\n"


def _tokens(length: int) -> str:
    return f"{length // 1024}k"


def _cell(rate: Rate | None) -> str:
    return "-" if rate is None or rate.share is None else f"{rate.share:.1%} of {rate.cases}"


def _target(line: Line) -> str:
    if line.target is None:
        return ""
    said = f"{'at most' if line.most else 'at least'} {line.target:.0%}"
    return said if line.reached is None else f"{said}: {'reached' if line.reached else 'missed'}"
