"""Writes a trace, one whole line an event, so that an interrupted run leaves whole lines."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from foldctx.errors import OutputError, TraceError
from foldctx.records import dumps
from foldctx.trace.events import FIELDS, VERSION


class TraceWriter:
    """Writes the events of one run to a path or a binary stream; None writes nowhere.

    A path is opened when the context is entered and closed when it is left; a stream is the
    caller's to close. `clock` gives seconds; `t` counts from the writer's creation.
    """

    def __init__(
        self,
        target: Path | str | BinaryIO | None,
        run_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock; nothing is opened yet. Raises TraceError for an empty `run_id`."""
        if not run_id:
            raise TraceError("run_id is empty; every line of a trace names its run")
        self._path = Path(target) if isinstance(target, str | Path) else None
        self._stream = None if isinstance(target, str | Path) else target
        self._silent = target is None
        self._run = run_id
        self._clock = clock
        self._began = clock()
        self._seq = 0
        self._ended = False

    @property
    def run_id(self) -> str:
        """The id that every line carries."""
        return self._run

    def __enter__(self) -> Self:
        """Open the path. Raises OutputError when it cannot be written."""
        if self._path is not None:
            try:
                self._stream = self._path.open("wb")
            except OSError as error:
                raise OutputError(self._blame(error)) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the path; a stream stays open."""
        if self._path is not None and self._stream is not None:
            stream, self._stream = self._stream, None
            try:
                stream.close()
            except OSError as failure:
                if error is None:  # else the first failure is the one to tell
                    raise OutputError(self._blame(failure)) from failure

    def emit(self, event: str, **fields: object) -> None:
        """Write one event with the fields that `foldctx.trace.events` gives for its name.

        `run.end` gets its `seconds` here. Raises TraceError for an unknown event, a missing or an
        unknown field, and after `run.end`; OutputError when the line cannot be written.
        """
        self._refuse(event, fields)
        now = round(max(0.0, self._clock() - self._began), 6)
        line: dict[str, object] = {"v": VERSION, "run": self._run, "seq": self._seq}
        line |= {"t": now, "event": event} | fields
        if event == "run.end":
            line["seconds"] = now
            self._ended = True
        self._seq += 1
        if self._silent:
            return
        if self._stream is None:
            raise TraceError(f"the trace {self._path} is not open; use the writer in a with block")
        try:
            self._stream.write(dumps(line))
            self._stream.flush()
        except OSError as error:
            raise OutputError(self._blame(error)) from error

    def _refuse(self, event: str, fields: dict[str, object]) -> None:
        """Stop a form that no reader knows where it is made, not where it is read."""
        if event not in FIELDS:
            raise TraceError(f"no event {event!r}; there are: {', '.join(FIELDS)}")
        if self._ended:
            raise TraceError(f"event {event!r} after run.end; a trace ends there")
        missing = sorted(FIELDS[event] - fields.keys())
        unknown = sorted(fields.keys() - FIELDS[event])
        if missing or unknown:
            parts = [f"lacks {', '.join(missing)}"] if missing else []
            parts += [f"has no field {', '.join(unknown)}"] if unknown else []
            raise TraceError(f"event {event!r} {' and '.join(parts)}")

    def _blame(self, error: OSError) -> str:
        name = str(self._path) if self._path else getattr(self._stream, "name", "stream")
        return (
            f"cannot write the trace {name}: {error.strerror or error}; "
            "choose another path for the trace, or run without one"
        )
