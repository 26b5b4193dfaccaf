"""What scoring and reports need to know of each benchmark; none of it loads a model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks import babilong, longbench, longwriter, ruler
from foldctx_pipelines.benchmarks.ruler.tasks import kinds

Doc = Mapping[str, Any]
WHOLE = "score"


@dataclass(frozen=True, slots=True)
class Scoring:
    """A benchmark as its scores see it.

    `score` gives 0 to 1 for a task, a prediction and a sample's `doc`; `scored` what of a response
    is scored; `columns` are the columns of the table that a sample counts in; `averages` are
    labelled lists of tasks whose mean is shown; `threshold` is the score, of 100, down to which a
    length counts as effective.
    """

    score: Callable[[str, str, Doc], float]
    metric: Callable[[str], str]
    order: Sequence[str]
    columns: Callable[[str, Doc], Sequence[str]]
    averages: Callable[[Sequence[str]], Sequence[tuple[str, Sequence[str]]]]
    scored: Callable[[str, str], str] = lambda task, response: response
    threshold: float | None = None


def scoring(name: str) -> Scoring:
    """A benchmark by name; UsageError lists what there is."""
    if name not in SCORINGS:
        raise UsageError(f"no benchmark {name!r}: there are {', '.join(SCORINGS)}")
    return SCORINGS[name]


def _longbench_metric(task: str) -> str:
    return (longbench.extended_tasks().get(task) or longbench.tasks()[task]).metric


def _longbench_columns(task: str, doc: Doc) -> Sequence[str]:
    if task in longbench.extended_tasks():
        return (longbench.bucket(int(doc["length"])), WHOLE)
    return (WHOLE,)


def _longbench_averages(tasks: Sequence[str]) -> Sequence[tuple[str, Sequence[str]]]:
    known = {**longbench.tasks(), **longbench.extended_tasks()}
    groups: dict[str, list[str]] = {}
    for task in tasks:
        groups.setdefault(known[task].group, []).append(task)
    return [*groups.items(), ("all tasks", tasks)]


def _babilong_averages(tasks: Sequence[str]) -> Sequence[tuple[str, Sequence[str]]]:
    official = [task for task in tasks if task in ("qa1", "qa2", "qa3", "qa4", "qa5")]
    averages = [("qa1 to qa5", official)] if official else []
    return averages if official == list(tasks) else [*averages, ("all tasks", tasks)]


def _all(tasks: Sequence[str]) -> Sequence[tuple[str, Sequence[str]]]:
    return [("all tasks", tasks)]


def _by_length(task: str, doc: Doc) -> Sequence[str]:
    return (str(doc["length"]),)


SCORINGS: Mapping[str, Scoring] = {
    "longbench": Scoring(
        longbench.score,
        _longbench_metric,
        (*longbench.tasks(), *longbench.extended_tasks()),
        _longbench_columns,
        _longbench_averages,
        longbench.scored_text,
    ),
    "ruler": Scoring(
        ruler.score,
        lambda task: f"string_match_{kinds()[ruler.tasks()[task].kind].metric}",
        tuple(ruler.tasks()),
        _by_length,
        _all,
        # Llama2-7B's score at its own 4K, RULER's bar for an effective length.
        threshold=85.6,
    ),
    "babilong": Scoring(
        babilong.score,
        lambda task: "exact label",
        tuple(babilong.tasks()),
        _by_length,
        _babilong_averages,
    ),
    "longwriter": Scoring(
        longwriter.score,
        lambda task: "S_l",
        (longwriter.TASK,),
        lambda task, doc: (longwriter.bucket(doc["length"]), WHOLE),
        lambda tasks: [],
    ),
}

_BUCKETS = (
    *(label for label, _ in longbench.BUCKETS),
    longbench.LAST_BUCKET,
    *(label for _, label in longwriter.BUCKETS),
    longwriter.LAST_BUCKET,
)


def column_order(columns: Iterable[str]) -> list[str]:
    """Lengths by size, buckets in their order, the whole last."""

    def place(column: str) -> tuple[int, int]:
        if column.isdecimal():
            return 0, int(column)
        return (1, _BUCKETS.index(column)) if column in _BUCKETS else (2, 0)

    return sorted(set(columns), key=place)
