"""RULER's task file: templates and sizes."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TASKS_FILE = Path(__file__).parents[1] / "tasks" / "ruler.toml"


@dataclass(frozen=True, slots=True)
class Kind:
    """What the tasks of one kind share; see the head of the task file."""

    max_gen: int
    metric: str
    before: str
    after: str
    question: str
    answer_prefix: str


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its kind and that kind's sizes; fields of other kinds keep their defaults."""

    name: str
    kind: str
    haystack: str = ""
    keys: str = ""
    values: str = ""
    key_count: int = 1
    value_count: int = 1
    query_count: int = 1
    chains: int = 1
    hops: int = 4
    common: int = 10
    source: str = ""


@cache
def _file() -> Mapping[str, Any]:
    return tomllib.loads(TASKS_FILE.read_text("utf-8"))


@cache
def tasks() -> Mapping[str, Task]:
    """All thirteen tasks by name."""
    return {name: Task(name, **form) for name, form in _file()["tasks"].items()}


@cache
def kinds() -> Mapping[str, Kind]:
    """The kinds by name."""
    return {name: Kind(**form) for name, form in _file()["kinds"].items()}
