"""The runner: rows through work into a run folder, each recorded exactly once.

It knows nothing of documents or models: `foldctx batch` and `foldctx eval` give it their work.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from foldctx.errors import FoldctxError, OutputError, UsageError
from foldctx_pipelines.batch.files import Notice
from foldctx_pipelines.batch.fingerprint import Fingerprint
from foldctx_pipelines.batch.folder import PROGRESS_SCHEMA, open_folder
from foldctx_pipelines.batch.rows import Row, Shard, blocks, in_sample
from foldctx_pipelines.batch.store import ShardStore, records_of
from foldctx_pipelines.batch.tally import Tally
from foldctx_pipelines.batch.work import Finished, Record, Started, Work


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Which rows of the input are worked on, and when to give up.

    `limit` takes the first rows of the shard's sample, `sample` a share of all rows decided by
    their ids. Rows that failed before are left alone unless `retry_failed`. More than `max_errors`
    failures end the run. A group of records is committed at `commit_rows` of them or after
    `commit_seconds`. Raises UsageError for values that make no sense.
    """

    shard: Shard = field(default_factory=Shard)
    limit: int | None = None
    sample: float | None = None
    retry_failed: bool = False
    max_errors: int | None = None
    commit_rows: int = 64
    commit_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit={self.limit}; it must be at least 1")
        if self.sample is not None and not 0 < self.sample <= 1:
            raise UsageError(f"sample={self.sample}; give a share above 0 and at most 1")
        if self.max_errors is not None and self.max_errors < 0:
            raise UsageError(f"max_errors={self.max_errors}; it must not be negative")

    def meant(self, row: Row) -> bool:
        """Whether a row is in the shard, and in the sample of it."""
        return self.shard.has(row) and (self.sample is None or in_sample(row, self.sample))

    def select(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows that are worked on."""
        return islice(filter(self.meant, rows), self.limit)


@dataclass(frozen=True, slots=True)
class Opened:
    """The run is about to begin, or to go on.

    Of its `total` rows (None: not known yet) `recorded` are done and `failed` failed before;
    `in_flight` were being made when the run was stopped, and are made again.
    """

    total: int | None
    recorded: int
    failed: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Committed:
    """Records that are on disk now."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A run that came to its end: all recorded rows, and what this invocation made of them."""

    folder: Path
    shard: Shard
    everything: Tally
    made: Tally
    seconds: float

    @property
    def failed(self) -> int:
        """Rows that stand as failures."""
        return self.everything.failed

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        made = self.made.done + self.made.failed
        return {
            "run": str(self.folder),
            "shard": str(self.shard),
            "rows": self.everything.done + self.everything.failed,
            **self.everything.to_dict(),
            "made": made,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(made / self.seconds, 3) if self.seconds else None,
        }


def run(
    rows: Iterable[Row],
    folder: Path,
    work: Work,
    fingerprint: Fingerprint,
    *,
    kind: str = "batch",
    options: RunOptions | None = None,
    total: int | None = None,
) -> Iterator[object]:
    """Make the record of every row, once, in a run folder; resumes what is there.

    Yields Opened, Committed for each group on disk, whatever else the work tells, and a Summary.
    `fingerprint` states all that decides a record; another one than the folder's is refused.
    `total` is the number of rows, for who watches. Safe to kill at any moment: the next run makes
    what is not recorded. Raises UsageError, OutputError and what the work raises; what was finished
    by then is committed.
    """
    how = options or RunOptions()
    opened = open_folder(folder, kind, how.shard.count, fingerprint)
    with ShardStore(opened.files(how.shard)) as store:
        notice = Notice(store.files.progress)
        try:
            yield from _Runner(store, how, total, notice).go(rows, work)
        finally:
            notice.close()


class _Runner:
    def __init__(
        self, store: ShardStore, how: RunOptions, total: int | None, notice: Notice
    ) -> None:
        self.store, self.how, self.total, self.notice = store, how, total, notice
        self.made = Tally()
        self.order: dict[str, None] = {}
        self.flying: dict[str, None] = {}
        self.pending: list[Record] = []
        self.began = self.committed = time.monotonic()

    def go(self, rows: Iterable[Row], work: Work) -> Iterator[object]:
        failures = self.store.failures
        in_flight = _in_flight(self.store.files.progress)
        yield Opened(self.total, len(self.store.rows) - failures, failures, in_flight)
        self._tell("running")
        try:
            for event in work(self._blocks(rows)):
                if isinstance(event, Started):
                    self.flying |= dict.fromkeys(event.ids)
                    self._tell("running")
                elif isinstance(event, Finished):
                    self.pending += event.records
                else:
                    yield event
                if self._due():
                    yield self._commit()
                    self._stop_at_errors()
        except OutputError:
            self._tell("stopped")  # the disk is the trouble: what is pending cannot go there
            raise
        except BaseException:
            if self.pending:
                self._commit()
            self._tell("stopped")
            raise
        if self.pending:
            yield self._commit()
            self._stop_at_errors()
        left = sum(id not in self.store.rows for id in self.order)
        assert not left, f"the work left {left} rows without a record"
        self.store.seal(self.order)
        self._tell("done")
        everything = Tally()
        everything.add(records_of(self.store.files))
        seconds = time.monotonic() - self.began
        yield Summary(self.store.files.folder, self.how.shard, everything, self.made, seconds)

    def _blocks(self, rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
        """The rows that are still to be made; an id that comes again is the row it was before."""
        for block in blocks(self.how.select(rows)):
            wanted = []
            for row in block:
                if row.id not in self.order and self._wanted(row):
                    wanted.append(row)
                self.order[row.id] = None
            if wanted:
                yield wanted

    def _wanted(self, row: Row) -> bool:
        known = self.store.rows.get(row.id)
        return known is None or (known.failed and self.how.retry_failed)

    def _due(self) -> bool:
        waited = time.monotonic() - self.committed
        return (
            len(self.pending) >= self.how.commit_rows
            or (bool(self.pending) and waited >= self.how.commit_seconds)
            or self._too_many(sum("error" in record for record in self.pending))
        )

    def _commit(self) -> Committed:
        """Taken out first: should this be interrupted, they are on disk already or made again."""
        records, self.pending = tuple(self.pending), []
        self.store.commit(records)
        self.committed = time.monotonic()
        self.made.add(records)
        for record in records:
            self.flying.pop(str(record["id"]), None)
        self._tell("running")
        return Committed(records)

    def _too_many(self, more: int = 0) -> bool:
        most = self.how.max_errors
        return most is not None and self.made.failed + more > most

    def _stop_at_errors(self) -> None:
        if self._too_many():
            raise FoldctxError(
                f"{self.made.failed} rows failed, more than --max-errors {self.how.max_errors}; see "
                f"{self.store.files.folder} with foldctx batch status, then run again"
            )

    def _tell(self, state: str) -> None:
        failed = self.store.failures
        form = {
            "schema": PROGRESS_SCHEMA,
            "state": state,
            "process": os.getpid(),
            "total": self.total,
            "recorded": len(self.store.rows) - failed,
            "failed": failed,
            "in_flight": len(self.flying),
            "made": self.made.to_dict(),
            "seconds": round(time.monotonic() - self.began, 3),
            "updated": time.time(),
        }
        self.notice.tell(orjson.dumps(form))


def _in_flight(path: Path) -> int:
    """How many rows were being made when the shard's progress was last told."""
    try:
        return int(orjson.loads(path.read_bytes())["in_flight"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return 0  # progress is for people; a run goes on without it
