"""Checks a trace: every line's form, every total, and that the whole text was read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from foldctx.trace.contents import Contents
from foldctx.trace.reader import Forms, Order, Problem, parse
from foldctx.trace.recount import Recount

__all__ = ["CheckReport", "Problem", "check"]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    `events` counts the lines, `complete` says that the run came to its `run.end`, `totals` are
    those counted from the events, and `read_whole` names the documents whose every character was
    read for every question, whatever the strategy.
    """

    events: int
    complete: bool
    problems: tuple[Problem, ...]
    totals: Mapping[str, Any]
    read_whole: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when the run is complete and nothing is wrong."""
        return self.complete and not self.problems


def check(lines: Iterable[bytes | str]) -> CheckReport:
    """Check the lines of one trace and report everything that is wrong, in order of the lines.

    Damage is reported, not raised. Counts go by the lines whose form is right.
    """
    forms, order, contents, recount = Forms(), Order(), Contents(), Recount()
    problems: list[Problem] = []
    number = 0
    complete = False
    for line in parse(lines):
        number = line.number
        wrong = list(forms.problems(line))
        problems += wrong
        if line.torn:
            continue
        problems += order.problems(line)
        complete = complete or line.name == "run.end"
        if wrong or line.event is None:
            continue
        problems += contents.problems(number, line.event)
        if line.name == "run.end":
            problems += [Problem(number, text) for text in recount.differences(line.event)]
            problems += contents.final(number)
        recount.add(line.event)
    if not complete:
        text = "no run.end: the run was interrupted, or is still running"
        problems.append(Problem(number, text if number else "the trace is empty"))
    problems.sort(key=lambda problem: problem.line)
    return CheckReport(number, complete, tuple(problems), recount.totals(), contents.read_whole())
