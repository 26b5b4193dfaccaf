"""LongBench v1 and LongBench-E: rows of the original files to samples, and predictions to scores."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.sample import Sample, row_id, unique
from foldctx_pipelines.benchmarks.scoring import METRICS, best, first_line
from foldctx_pipelines.benchmarks.sources import Row, read_rows, tasks_in

Protocol = Literal["official", "opencompass"]
Examples = Literal["skip", "read"]

TASKS_FILE = Path(__file__).parent / "tasks" / "longbench.toml"
BUCKETS = (("0-4k", 4000), ("4-8k", 8000))
LAST_BUCKET = "8k+"


@dataclass(frozen=True, slots=True)
class Task:
    """One task's data; see the head of the task file for what each field means."""

    name: str
    group: str
    language: str
    metric: str
    max_gen: int
    prompt: str
    question: str
    document: str
    examples: str = ""
    prompt_opencompass: str = ""
    input_form: str = ""
    stop: str | None = None
    abstained: str = ""
    chat: bool = True
    first_line: bool = False
    extended: bool = False

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise UsageError(f"task {self.name}: metric {self.metric!r} is none of {list(METRICS)}")


@cache
def task_file() -> Mapping[str, Any]:
    """The parsed task file."""
    return tomllib.loads(TASKS_FILE.read_text("utf-8"))


@cache
def tasks() -> Mapping[str, Task]:
    """All 21 tasks by name."""
    return {name: Task(name, **form) for name, form in task_file()["tasks"].items()}


@cache
def extended_tasks() -> Mapping[str, Task]:
    """The 13 tasks of LongBench-E, under their own names: qasper_e and so on."""
    return {f"{name}_e": task for name, task in tasks().items() if task.extended}


def protocols() -> Mapping[str, Mapping[str, Any]]:
    """The settings of each protocol."""
    return task_file()["protocols"]  # type: ignore[no-any-return]


def load(
    source: str,
    names: Sequence[str] = (),
    *,
    extended: bool = False,
    protocol: Protocol = "official",
    examples: Examples = "skip",
    limit: int | None = None,
) -> list[Sample]:
    """The samples of a source's tasks (all it has, unless named), at most `limit` of each.

    Raises UsageError for an unknown task, and for a named one that the source lacks.
    """
    known = extended_tasks() if extended else tasks()
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"task {unknown[0]!r}: choose from {', '.join(known)}")
    samples: list[Sample] = []
    for name in names or tasks_in(source, list(known)):
        rows = read_rows(source, name)
        if rows is None:
            raise UsageError(f"{source}: has no file {name}.jsonl")
        for number, row in enumerate(rows[:limit]):
            where = f"{source}, {name}, row {number + 1}"
            sample = make_sample(name, known[name], row, where, protocol, examples)
            samples.append(replace(sample, doc={**sample.doc, "row": number}))
    return unique(samples)


def make_sample(
    name: str,
    task: Task,
    row: Row,
    where: str = "row",
    protocol: Protocol = "official",
    examples: Examples = "skip",
) -> Sample:
    """A row as a sample. Raises UsageError naming a field that is missing or of another form."""
    _check(name, task, row, where)
    places, parted = _places(task, row)
    question = _filled(task.question, places) if parted else row["input"]
    text = _filled(task.document, places) if parted else row["context"]
    if parted and task.examples and examples == "read":
        text = f"{_filled(task.examples, places)}\n\n{text}"
    form = task.prompt
    if protocol == "opencompass" and task.prompt_opencompass:
        form = task.prompt_opencompass
    kept = ("_id", "input", "answers", "all_classes", "length", "dataset", "language")
    return Sample(
        id=f"{name}/{row_id(row)}",
        task=name,
        prompt=_filled(form, places),
        question=question,
        document=text,
        targets=tuple(map(str, row["answers"])),
        max_gen=task.max_gen,
        chat=task.chat or protocols()[protocol]["chat"] == "always",
        stop=task.stop,
        abstained=task.abstained,
        doc={**{key: row[key] for key in kept if key in row}, "parted": parted},
    )


def _check(name: str, task: Task, row: Row, where: str) -> None:
    """Refuse what could not be scored, before a model has worked on it."""
    kinds: dict[str, type] = {"input": str, "context": str, "answers": list}
    if name in extended_tasks():
        kinds["length"] = int
    if task.metric == "classification":
        kinds["all_classes"] = list
    for field, kind in kinds.items():
        if not isinstance(row.get(field), kind):
            raise UsageError(f"{where}: {field}={row.get(field)!r:.50} is no {kind.__name__}")
    if task.metric in ("retrieval", "retrieval_zh"):
        try:
            best(task.metric, "", [str(gold) for gold in row["answers"]], ())
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from None


def _places(task: Task, row: Row) -> tuple[dict[str, str], bool]:
    """What fills a form, and whether the input could be parted as the task says.

    Where it could not, the whole input is asked of the context, and the sample's `doc` says so.
    """
    places = {"input": row["input"], "context": row["context"]}
    lines = row["context"].rstrip("\n").split("\n")
    places["tail"] = "\n".join(lines[-task_file()["tail_lines"] :]) + "\n"
    if task.input_form:
        match = re.fullmatch(task.input_form, row["input"])
        if match is None:
            return places, False
        places.update(match.groupdict())
    return places, True


def _filled(form: str, places: Mapping[str, str]) -> str:
    """The form with its places filled; what fills them may hold braces of its own."""
    return re.sub(r"\{(\w+)\}", lambda match: places[match[1]], form)


def score(name: str, prediction: str, doc: Mapping[str, Any]) -> float:
    """The score of a prediction, 0 to 1, by the task's metric against the best gold answer."""
    task = extended_tasks().get(name) or tasks()[name]
    text = scored_text(name, prediction)
    return best(task.metric, text, list(map(str, doc["answers"])), doc.get("all_classes") or ())


def scored_text(name: str, prediction: str) -> str:
    """What is scored of a prediction: its first line where the task says so."""
    task = extended_tasks().get(name) or tasks()[name]
    return first_line(prediction) if task.first_line else prediction


def bucket(length: int) -> str:
    """LongBench-E's bucket of a row's `length`."""
    return next((label for label, end in BUCKETS if length < end), LAST_BUCKET)


def max_length(window: int, max_gen: int) -> int:
    """Most tokens of a prompt: the official figure, or what the output leaves of another window.

    At least half of the window: an output that does not fit beside it is folded while it is made.
    """
    official = task_file()["max_length"].get(str(window))
    return int(official) if official else max(window - max_gen, window // 2)
