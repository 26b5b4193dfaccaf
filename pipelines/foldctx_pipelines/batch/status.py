"""How far a run is, read from its folder while others may be writing to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from foldctx_pipelines.batch.folder import PROGRESS_SCHEMA, RunFolder, ShardFiles
from foldctx_pipelines.batch.store import records_of
from foldctx_pipelines.batch.tally import Tally


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard: `state` is running, stopped, done, or waiting when nobody has begun it.

    `total` is None where it is not known. `rate` is rows a second of whoever worked on it last, and
    `eta` the seconds that the rest will take at that rate, while it is running.
    """

    shard: str
    state: str
    total: int | None
    tally: Tally
    in_flight: int
    rate: float | None
    eta: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "shard": self.shard,
            "state": self.state,
            "total": self.total,
            **self.tally.to_dict(),
            "in_flight": self.in_flight,
            "rows_per_second": None if self.rate is None else round(self.rate, 3),
            "eta_seconds": None if self.eta is None else round(self.eta, 1),
        }


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run and its shards."""

    run: RunFolder
    shards: tuple[ShardStatus, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "run": str(self.run.path),
            "kind": self.run.kind,
            "created": self.run.created,
            "shards": [shard.to_dict() for shard in self.shards],
        }


def run_status(run: RunFolder) -> RunStatus:
    """Look at every shard. Raises TraceError for a damaged file."""
    return RunStatus(run, tuple(_shard_status(files) for files in run.every_shard()))


def _shard_status(files: ShardFiles) -> ShardStatus:
    tally, told = Tally(), _told(files)
    tally.add(records_of(files))
    running = files.lock.held()
    state = str(told.get("state", _state_of_files(files, tally)))
    if running or state == "running":  # whoever said so may have been killed since
        state = "running" if running else "stopped"
    made, seconds = told.get("made", {}), told.get("seconds", 0)
    rows = made.get("done", 0) + made.get("failed", 0)
    rate = rows / seconds if rows and seconds else None
    total = told.get("total")
    eta = None
    if state == "running" and rate and total is not None:
        eta = max(0, total - tally.done - tally.failed) / rate
    return ShardStatus(
        str(files.shard), state, total, tally, int(told.get("in_flight", 0)), rate, eta
    )


def _state_of_files(files: ShardFiles, tally: Tally) -> str:
    """What the records alone say, where nobody tells of them."""
    if files.sealed.exists() and not files.journal.exists():
        return "done"
    return "stopped" if tally.done or tally.failed else "waiting"


def _told(files: ShardFiles) -> Mapping[str, Any]:
    """What the shard's worker told last; nothing where it cannot be read."""
    try:
        told = orjson.loads(files.progress.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    known = isinstance(told, dict) and told.get("schema") == PROGRESS_SCHEMA
    return told if known else {}
