"""The journal of a shard: an append-only file of groups of records, each group synced as one.

A group is a line per record and a closing line with the lines' checksum. What follows the last
group that is whole was being written when the run died: it is cut off, and its rows are made again.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from foldctx.errors import TraceError
from foldctx.records import dumps
from foldctx_pipelines.batch.files import blamed, sync_folder, write_all
from foldctx_pipelines.batch.work import Record


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it stands in a file: which attempt it was, and where its line is."""

    record: Record
    attempt: int
    offset: int

    @property
    def id(self) -> str:
        """The row's id."""
        return str(self.record["id"])

    @property
    def failed(self) -> bool:
        """Whether it is the record of a failure."""
        return "error" in self.record


@dataclass(frozen=True, slots=True)
class _Group:
    entries: list[Entry]
    end: int


def read_journal(file: BinaryIO) -> Iterator[_Group]:
    """The whole groups of a journal, in order, from the start of an open one.

    Raises TraceError when a damaged group is followed by a whole one: then it was not a crash.
    """
    broken: int | None = None
    pending: list[tuple[int, bytes]] = []
    checksum, at = 0, file.seek(0)
    for line in file:
        form = _parse(line)
        if form is not None and "commit" in form:
            whole = form.get("rows") == len(pending) and form.get("crc32") == checksum
            if whole and broken is not None:
                raise TraceError(
                    f"{file.name}: damaged at byte {broken}, before records that are whole; restore "
                    "it from a copy, or remove it to make all its rows again"
                )
            if whole:
                yield _Group([_entry(text, place) for place, text in pending], at + len(line))
            elif broken is None:
                broken = pending[0][0] if pending else at
            pending, checksum = [], 0
        else:
            pending.append((at, line))
            checksum = zlib.crc32(line, checksum)
        at += len(line)


def _parse(line: bytes) -> dict[str, Any] | None:
    if not (line.startswith(b'{"commit":') and line.endswith(b"\n")):
        return None
    try:
        form = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return form if isinstance(form, dict) else None


def _entry(line: bytes, offset: int) -> Entry:
    form = orjson.loads(line)
    return Entry(form["record"], form["attempt"], offset)


def read_entry(path: Path, offset: int) -> Entry:
    """The entry whose line begins at a byte of a journal."""
    with path.open("rb") as file:
        file.seek(offset)
        return _entry(file.readline(), offset)


class Journal:
    """A journal being written."""

    def __init__(self, path: Path, end: int) -> None:
        """Open it for writing from byte `end`, the end of its last whole group."""
        self.path, self._end, self._groups = path, end, 0
        new = not path.exists()
        with blamed(path):
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            os.ftruncate(self._file, end)
            os.lseek(self._file, end, os.SEEK_SET)
            if new:
                sync_folder(path.parent)

    def append(self, entries: Sequence[tuple[Record, int]]) -> list[int]:
        """Add a group of records and their attempts, on disk when this returns; their offsets.

        Raises OutputError when that is not possible; the journal then ends where it ended before.
        """
        lines = [dumps({"attempt": attempt, "record": record}) for record, attempt in entries]
        offsets, at = [], self._end
        for line in lines:
            offsets.append(at)
            at += len(line)
        data = b"".join(lines)
        closing = dumps({"commit": self._groups, "rows": len(lines), "crc32": zlib.crc32(data)})
        with blamed(self.path):
            try:
                write_all(self._file, data + closing)
                os.fsync(self._file)
            except BaseException:
                os.ftruncate(self._file, self._end)
                os.lseek(self._file, self._end, os.SEEK_SET)
                raise
        self._groups += 1
        self._end = at + len(closing)
        return offsets

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
