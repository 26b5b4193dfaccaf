"""Scores of a run: per task and column, with averages, as plain values, Markdown and samples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foldctx.errors import TraceError
from foldctx_pipelines.benchmarks.registry import Scoring, column_order, scoring
from foldctx_pipelines.benchmarks.sample import digest

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scored:
    """A record with its score, 0 to 1; a row that failed scores 0."""

    record: Record
    task: str
    score: float
    text: str

    @property
    def failed(self) -> bool:
        """Whether the row has no response."""
        return "error" in self.record


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task's line: rows, failures, and the mean score of each column, of 100."""

    task: str
    metric: str
    rows: int
    failed: int
    cells: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Report:
    """A benchmark's scores; `averages` are means of tasks, not of rows."""

    benchmark: str
    settings: Mapping[str, Any]
    columns: Sequence[str]
    tasks: Sequence[TaskRow]
    averages: Sequence[tuple[str, Mapping[str, float | None]]]
    effective_length: int | None = None
    scored: Sequence[Scored] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the samples."""
        return {
            "schema": "foldctx.scores/1",
            "benchmark": self.benchmark,
            "tasks": {
                row.task: {
                    "metric": row.metric,
                    "rows": row.rows,
                    "failed": row.failed,
                    "scores": dict(row.cells),
                }
                for row in self.tasks
            },
            "averages": {label: dict(cells) for label, cells in self.averages},
            "effective_length": self.effective_length,
            "settings": dict(self.settings),
        }


def score_records(benchmark: str, records: Iterable[Record], settings: Mapping[str, Any]) -> Report:
    """Score records, in the benchmark's order of tasks. Raises TraceError for a strange record."""
    known = scoring(benchmark)
    scored = [_scored(known, record) for record in records]
    by_task: dict[str, list[Scored]] = {}
    for row in scored:
        by_task.setdefault(row.task, []).append(row)
    rows, columns = [], column_order(c for row in scored for c in _columns(known, row))
    for task in (name for name in known.order if name in by_task):
        own = by_task[task]
        cells = {column: _mean(known, own, column) for column in columns}
        failed = sum(row.failed for row in own)
        rows.append(TaskRow(task, known.metric(task), len(own), failed, cells))
    averages = [
        (label, {column: _macro(rows, tasks, column) for column in columns})
        for label, tasks in known.averages([row.task for row in rows])
    ]
    ordered = sorted(scored, key=lambda row: (known.order.index(row.task), _place(row.record)))
    effective = _effective(known, averages, columns)
    return Report(benchmark, settings, columns, rows, averages, effective, ordered)


def _scored(known: Scoring, record: Record) -> Scored:
    try:
        task, doc = str(record["task"]), record["doc"]
        known.columns(task, doc)  # what is asked of it later can be told
        if "error" in record:
            return Scored(record, task, 0.0, "")
        text = known.scored(task, record["response"])
        return Scored(record, task, known.score(task, record["response"], doc), text)
    except (KeyError, TypeError, ValueError) as error:
        raise TraceError(
            f"record {record.get('id', '?')}: cannot be scored ({error!r}); it is damaged, or of "
            "another benchmark"
        ) from None


def _place(record: Record) -> tuple[int, int, str]:
    """By length where samples are numbered for each, then by number: that of the row in its file."""
    doc = record["doc"]
    if "index" in doc:
        return int(doc["length"]), int(doc["index"]), ""
    return 0, int(doc.get("row", 0)), str(record["id"])


def _columns(known: Scoring, row: Scored) -> Sequence[str]:
    return known.columns(row.task, row.record["doc"])


def _mean(known: Scoring, rows: Sequence[Scored], column: str) -> float | None:
    scores = [row.score for row in rows if column in _columns(known, row)]
    return round(100 * sum(scores) / len(scores), 2) if scores else None


def _macro(rows: Sequence[TaskRow], tasks: Sequence[str], column: str) -> float | None:
    held = [row.cells[column] for row in rows if row.task in tasks]
    values = [value for value in held if value is not None]
    return round(sum(values) / len(values), 2) if values else None


def _effective(
    known: Scoring,
    averages: Sequence[tuple[str, Mapping[str, float | None]]],
    columns: Sequence[str],
) -> int | None:
    """The greatest length up to which the average of all tasks stays above the bar."""
    if known.threshold is None:
        return None
    reached = 0
    for column in columns:
        mean = dict(averages)["all tasks"][column]
        if mean is None or mean <= known.threshold:
            break
        reached = int(column)
    return reached


def sample_lines(report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each sample as (task, line), in the fields that lm-evaluation-harness logs.

    Beside these: the row's id, the response, the score of 0 to 1, and what it cost.
    """
    numbers: dict[str, int] = {}
    known = scoring(report.benchmark)
    for row in report.scored:
        record, metric = row.record, known.metric(row.task)
        numbers[row.task] = numbers.get(row.task, -1) + 1
        doc, target = record["doc"], record.get("target", [])
        response = record.get("response", "")
        yield (
            row.task,
            {
                "doc_id": doc.get("row", numbers[row.task]),
                "doc": doc,
                "target": target,
                "resps": [[response]],
                "filtered_resps": [row.text],
                "filter": "none",
                "metrics": [metric],
                metric: row.score,
                "prompt_hash": record.get("prompt_sha256"),
                "doc_hash": digest(repr(sorted(doc.items()))),
                "target_hash": digest("\0".join(map(str, target))),
                "id": record["id"],
                "task": row.task,
                "response": response,
                "score": row.score,
                **{
                    key: record[key] for key in ("reason", "cut", "usage", "error") if key in record
                },
            },
        )


def shown(value: float | None) -> str:
    """A score of 100, to two decimals, or a dash."""
    return "-" if value is None else f"{value:.2f}"


def markdown(report: Report) -> str:
    """The table and the settings, for a paper's appendix."""
    head = ["task", "metric", "rows", "failed", *report.columns]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * 2}{'--:|' * (len(head) - 2)}"]
    for row in report.tasks:
        cells = [shown(row.cells[column]) for column in report.columns]
        own = [row.task, row.metric, str(row.rows), str(row.failed), *cells]
        lines.append(f"| {' | '.join(own)} |")
    for label, values in report.averages:
        means = [f"**{shown(values[column])}**" for column in report.columns]
        lines.append(f"| **{label}** | mean of tasks | | | {' | '.join(means)} |")
    if report.effective_length is not None:
        lines += ["", f"Effective length: {report.effective_length or 'none'} tokens."]
    lines += ["", "| setting | value |", "|---|---|"]
    for name, value in flat(report.settings):
        text = str(value).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {name} | {text} |")
    return "\n".join([f"# {report.benchmark}", "", *lines, ""])


def flat(values: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested settings under dotted names."""
    for key, value in values.items():
        dotted = f"{name}.{key}" if name else str(key)
        if isinstance(value, Mapping):
            yield from flat(value, dotted)
        else:
            yield dotted, value
