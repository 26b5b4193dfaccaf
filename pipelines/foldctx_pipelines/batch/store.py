"""One shard of a run: what is recorded of it, in its sealed file, its errors and its journal."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import orjson

from foldctx.errors import TraceError, UsageError
from foldctx.records import dumps
from foldctx_pipelines.batch.files import Lock, blamed, replacing, sync_folder, write_all
from foldctx_pipelines.batch.folder import ShardFiles
from foldctx_pipelines.batch.journal import Entry, Journal, read_entry, read_journal
from foldctx_pipelines.batch.work import Record


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is known of a row without its record: how its last attempt went, and where it stands."""

    failed: bool
    attempt: int
    sealed: bool
    offset: int


class ShardStore:
    """A shard under its lock, of one process at a time.

    `rows` is what is recorded, by id, and `failures` how many of them failed; that is some hundred
    bytes a row, and no records.
    """

    def __init__(self, files: ShardFiles) -> None:
        """Raises UsageError when another process works on the shard."""
        self.files = files
        self._lock: Lock = files.lock
        if not self._lock.take():
            raise UsageError(
                f"shard {files.shard} of {files.folder} is being worked on by "
                f"{self._lock.holder()}; wait for it, or stop it"
            )
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        self.rows, end = index(self.files)
        self.failures = sum(row.failed for row in self.rows.values())
        self._journal = Journal(self.files.journal, end)

    def __enter__(self) -> Self:
        """Open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the journal and give the lock back."""
        self._journal.close()
        self._lock.release()

    def commit(self, records: Sequence[Record]) -> None:
        """Record the rows; on disk when this returns."""
        attempts = [self._attempts(str(record["id"])) + 1 for record in records]
        offsets = self._journal.append(list(zip(records, attempts, strict=True)))
        for record, attempt, offset in zip(records, attempts, offsets, strict=True):
            id, bad = str(record["id"]), "error" in record
            before = self.rows.get(id)
            self.failures += bad - (before is not None and before.failed)
            self.rows[id] = Recorded(bad, attempt, False, offset)

    def _attempts(self, id: str) -> int:
        known = self.rows.get(id)
        return 0 if known is None else known.attempt

    def seal(self, order: Iterable[str]) -> None:
        """Write the shard's records in the order given, its errors beside it, and end the journal.

        Recorded rows that the order lacks come last. Safe at any moment: the journal goes last, and
        until then it says the same. Nothing can be committed afterwards.
        """
        if any(not row.sealed for row in self.rows.values()) or not self.files.sealed.exists():
            self._rewrite(order)
        self._journal.close()
        with blamed(self.files.journal):
            self.files.journal.unlink()
            sync_folder(self.files.folder)

    def _rewrite(self, order: Iterable[str]) -> None:
        ids = dict.fromkeys((*order, *self.rows))
        known = [id for id in ids if id in self.rows]
        self._write(self.files.errors, [id for id in known if self.rows[id].failed])
        self._write(self.files.sealed, [id for id in known if not self.rows[id].failed])

    def _write(self, path: Path, ids: Sequence[str]) -> None:
        with replacing(path) as file:
            for id in ids:
                record = dict(self._record(id))
                if "error" in record:
                    record["attempt"] = self.rows[id].attempt
                write_all(file, dumps(record))

    def _record(self, id: str) -> Record:
        row = self.rows[id]
        if not row.sealed:
            return read_entry(self.files.journal, row.offset).record
        path = self.files.errors if row.failed else self.files.sealed
        with path.open("rb") as file:
            file.seek(row.offset)
            record: Record = orjson.loads(file.readline())
            return record


def index(files: ShardFiles) -> tuple[dict[str, Recorded], int]:
    """What is recorded of a shard, by id, and where its journal's last whole group ends."""
    with _held(files) as held:
        return _index(held)


def records_of(files: ShardFiles) -> Iterator[Record]:
    """Every record of a shard, done or failed, each row's last; reads while others write too."""
    with _held(files) as held:
        rows, _ = _index(held)
        for file in held.sealed:
            for entry in _read_sealed(file):
                known = rows.get(entry.id)
                if known == Recorded(entry.failed, entry.attempt, True, entry.offset):
                    yield entry.record
        for group in read_journal(held.journal):
            for entry in group.entries:
                known = rows.get(entry.id)
                if known == Recorded(entry.failed, entry.attempt, False, entry.offset):
                    yield entry.record


class _Held(NamedTuple):
    """The open files of a shard; one that is not there is empty."""

    journal: BinaryIO
    sealed: Sequence[BinaryIO]


@contextmanager
def _held(files: ShardFiles) -> Iterator[_Held]:
    """The files as they are now, so that a shard that is sealed meanwhile is still seen whole.

    The journal is opened first: should it go before the others are, these have its records.
    """
    with ExitStack() as stack:

        def opened(path: Path) -> BinaryIO:
            try:
                return stack.enter_context(path.open("rb"))
            except FileNotFoundError:
                return BytesIO()

        yield _Held(opened(files.journal), [opened(path) for path in (files.errors, files.sealed)])


def _index(held: _Held) -> tuple[dict[str, Recorded], int]:
    rows: dict[str, Recorded] = {}
    for file in held.sealed:
        for entry in _read_sealed(file):
            rows[entry.id] = Recorded(entry.failed, entry.attempt, True, entry.offset)
    end = 0
    for group in read_journal(held.journal):
        for entry in group.entries:
            rows[entry.id] = Recorded(entry.failed, entry.attempt, False, entry.offset)
        end = group.end
    return rows, end


def _read_sealed(file: BinaryIO) -> Iterator[Entry]:
    """The records of a sealed file, or of a file of errors, from its start.

    Raises TraceError naming the line that is damaged.
    """
    at = file.seek(0)
    for number, line in enumerate(file, start=1):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise TraceError(f"{file.name}, line {number}: no record ({error})") from None
        if not (isinstance(record, dict) and "id" in record):
            raise TraceError(f"{file.name}, line {number}: no record (it has no id)")
        yield Entry(record, record.get("attempt", 1), at)
        at += len(line)
