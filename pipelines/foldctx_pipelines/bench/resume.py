"""A run folder of rows: what is there is not computed again, and nothing else may be mixed in."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from foldctx.errors import OutputError, UsageError


class RunFolder:
    """`settings.json`, and `rows.jsonl` to which rows are added as they come.

    Raises UsageError for a folder made with other settings, OutputError where nothing can be
    written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._rows, path = folder / "rows.jsonl", folder / "settings.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                _check(path, settings)
            else:
                path.write_bytes(orjson.dumps(settings, option=orjson.OPT_INDENT_2))
            self._keep_whole_lines()
            self._file = self._rows.open("ab", buffering=0)
        except OSError as error:
            raise OutputError(f"{folder}: {error.strerror}; give another folder") from error

    def _keep_whole_lines(self) -> None:
        """Cut off the line that a kill left in pieces."""
        if self._rows.exists():
            whole = self._rows.read_bytes().rfind(b"\n") + 1
            os.truncate(self._rows, whole)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows so far."""
        for line in self._rows.read_bytes().splitlines():
            yield orjson.loads(line)

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one row, past Python's buffers."""
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def __enter__(self) -> Self:
        """Open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()


def _check(path: Path, settings: Mapping[str, Any]) -> None:
    try:
        there = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{path}: {error}; give an empty folder") from None
    for name, value in settings.items():
        if there.get(name) != value:
            raise UsageError(
                f"{path}: made with {name}={there.get(name)!r}, now it is {value!r}; give another "
                "folder, or the same settings"
            )
