"""Reads the lines of a trace, and keeps what is wrong with each beside what is right."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from foldctx.schemas import Validator
from foldctx.trace.events import EVENTS, HEADER, VERSION


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a trace, and the line (from 1) where it shows."""

    line: int
    message: str

    def __str__(self) -> str:
        """Give the form that the command line prints."""
        return f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number from 1, its event, and whether it is the last.

    `event` is None when the line is not a JSON object; `torn` says that its end is missing.
    """

    number: int
    event: dict[str, Any] | None
    last: bool
    torn: bool

    @property
    def name(self) -> str:
        """The name of the event, empty where there is none."""
        name = self.event.get("event") if self.event else None
        return name if isinstance(name, str) else ""


def parse(lines: Iterable[bytes | str]) -> Iterator[Line]:
    """Read the lines of a trace; empty lines after the last one do not count."""
    held: list[tuple[int, bytes]] = []  # a line, and the empty ones below it
    for number, text in enumerate(lines, start=1):
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        if raw.strip():
            for earlier in held:
                yield _line(*earlier, last=False)
            held = []
        held.append((number, raw))
    if held and held[0][1].strip():
        yield _line(*held[0], last=True)


def _line(number: int, raw: bytes, *, last: bool) -> Line:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Line(number, None, last, torn=last and not raw.endswith(b"\n"))
    return Line(number, value if isinstance(value, dict) else None, last, torn=False)


class Forms:
    """Checks the form of single lines against the schema."""

    def __init__(self) -> None:
        """Read the schema."""
        self._validator = Validator("trace")

    def problems(self, line: Line) -> Iterator[Problem]:
        """Yield every way in which the line is not an event of this version."""
        if line.torn:
            yield Problem(line.number, "the line is cut off: the run was interrupted in writing it")
            return
        if line.event is None:
            yield Problem(line.number, "not a JSON object")
            return
        version = line.event.get("v")
        if version != VERSION:
            yield Problem(line.number, f"v={version!r}; this program reads version {VERSION}")
            return
        if line.name not in EVENTS:
            name = line.event.get("event")
            yield Problem(line.number, f"event={name!r} is none of {', '.join(EVENTS)}")
            return
        for message in self._validator.problems(line.event, line.name):
            yield Problem(line.number, f"{line.name}: {message}")


class Order:
    """Checks what ties lines to each other: run, sequence, time, first and last event."""

    def __init__(self) -> None:
        """Expect the first line."""
        self._seq = 0
        self._time = 0.0
        self._run: object = None
        self._end = 0
        self._first = True

    def problems(self, line: Line) -> Iterator[Problem]:
        """Yield what is wrong with the place of a line; one that cannot be read takes its place."""
        event = line.event
        if event is None or any(key not in event for key in HEADER):
            self._seq += 1
            return
        number = line.number
        for message in self._ends(line, event):
            yield Problem(number, message)
        if event["run"] != self._run:
            yield Problem(number, f"run={event['run']!r}, but the trace is of run {self._run!r}")
        if event["seq"] != self._seq:
            yield Problem(number, f"seq={event['seq']!r}; expected {self._seq}")
        if isinstance(event["seq"], int):
            self._seq = event["seq"] + 1
        if isinstance(event["t"], int | float):
            if event["t"] < self._time:
                yield Problem(number, f"t={event['t']} is before the line above ({self._time})")
            self._time = max(self._time, event["t"])

    def _ends(self, line: Line, event: dict[str, Any]) -> Iterator[str]:
        if self._first:
            self._first = False
            self._run = event["run"]
            if line.name != "run.start":
                yield f"the trace begins with {line.name!r}, not with run.start"
        elif line.name == "run.start":
            yield "a second run.start; a trace holds one run"
        if self._end:
            yield f"{line.name!r} after run.end in line {self._end}"
        if line.name == "run.end":
            self._end = line.number
