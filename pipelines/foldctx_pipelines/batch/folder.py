"""The folder of a run: its manifest, and which files belong to which shard."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from foldctx.errors import OutputError, TraceError, UsageError
from foldctx.schemas import Validator
from foldctx_pipelines.batch.files import Lock, blamed, replacing, write_all
from foldctx_pipelines.batch.fingerprint import Fingerprint, differences
from foldctx_pipelines.batch.rows import Shard

RUN_SCHEMA = "foldctx.run/1"
PROGRESS_SCHEMA = "foldctx.progress/1"
_MANIFEST = "manifest.json"
_PATIENCE = 30.0  # seconds; shards that begin together take turns at the manifest


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """Where a shard's things are; `errors` is plain errors.jsonl in a run of one shard."""

    folder: Path
    shard: Shard

    @property
    def lock(self) -> Lock:
        """The kernel lock of whoever works on the shard."""
        return Lock(self.folder / f"shard-{self.shard.name}.lock")

    @property
    def journal(self) -> Path:
        """What is being recorded."""
        return self.folder / f"journal-{self.shard.name}.jsonl"

    @property
    def sealed(self) -> Path:
        """The records of rows that succeeded, once the shard was worked through."""
        return self.folder / f"shard-{self.shard.name}.jsonl"

    @property
    def errors(self) -> Path:
        """The records of rows that failed, with their attempts."""
        name = "errors" if self.shard.count == 1 else f"errors-{self.shard.name}"
        return self.folder / f"{name}.jsonl"

    @property
    def progress(self) -> Path:
        """How far whoever works on the shard is."""
        return self.folder / f"progress-{self.shard.name}.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run whose manifest has been read."""

    path: Path
    kind: str
    shards: int
    fingerprint: Fingerprint
    created: str

    def files(self, shard: Shard) -> ShardFiles:
        """The files of a shard."""
        return ShardFiles(self.path, shard)

    def every_shard(self) -> Sequence[ShardFiles]:
        """The files of all shards."""
        return [self.files(Shard(i, self.shards)) for i in range(1, self.shards + 1)]


def open_folder(path: Path, kind: str, shards: int, fingerprint: Fingerprint) -> RunFolder:
    """Begin a run in a folder, or go on with the one that is there.

    Raises UsageError when that one is of another kind or has other shards, or when its records were
    made with something else (it says what), and OutputError for a folder that cannot be used.
    """
    _check_place(path)
    with blamed(path):
        path.mkdir(parents=True, exist_ok=True)
    with Lock(path / "manifest.lock") as lock:
        if not lock.take(_PATIENCE):
            raise OutputError(f"{path}: {lock.holder()} has held its manifest's lock too long")
        if not (path / _MANIFEST).exists():
            _write_manifest(path, kind, shards, fingerprint)
    run = read_folder(path)
    if run.kind != kind:
        raise UsageError(f"{path}: holds a run of {run.kind}, not of {kind}; give another folder")
    if run.shards != shards:
        raise UsageError(
            f"{path}: was begun with {run.shards} shard{'s' * (run.shards > 1)}, not {shards}; go on "
            f"with --shard I/{run.shards}, or give another folder"
        )
    # As it reads back from JSON: a tuple and a list are the same there.
    now: Fingerprint = orjson.loads(orjson.dumps(fingerprint))
    if changed := differences(run.fingerprint, now):
        raise UsageError(
            f"{path}: its records were made otherwise: {'; '.join(changed)}. Go on as it was begun, "
            "or give another folder"
        )
    return run


def read_folder(path: Path) -> RunFolder:
    """Read a run's manifest. Raises UsageError without one, TraceError for a damaged one."""
    try:
        data = (path / _MANIFEST).read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: holds no run (there is no {_MANIFEST})") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        form: dict[str, Any] = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise TraceError(f"{path / _MANIFEST}: not JSON ({error})") from None
    if problems := list(Validator("run").problems(form, "manifest")):
        raise TraceError(f"{path / _MANIFEST}: {'; '.join(problems)}")
    return RunFolder(path, form["kind"], form["shards"], form["fingerprint"], form["created"])


def _check_place(path: Path) -> None:
    """A folder with other things in it is somebody's; nothing is written among them."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file; give the folder of the run")
    if path.is_dir() and not (path / _MANIFEST).exists():
        foreign = [n for n in os.listdir(path) if n not in ("manifest.lock", f"{_MANIFEST}.tmp")]
        if foreign:
            raise UsageError(
                f"{path}: is not empty and holds no run; give a new folder, or an empty one"
            )


def _write_manifest(path: Path, kind: str, shards: int, fingerprint: Fingerprint) -> None:
    form = {
        "schema": RUN_SCHEMA,
        "kind": kind,
        "shards": shards,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": fingerprint,
    }
    with replacing(path / _MANIFEST) as file:
        write_all(file, orjson.dumps(form, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
