"""Runs on Ray Data: the same folder and records, whoever dies."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foldctx.errors import ModelError
from foldctx.records import validate
from foldctx_pipelines.batch import (
    Committed,
    Row,
    RunOptions,
    Started,
    Summary,
    each,
    read_folder,
    records_of,
    run,
)
from foldctx_pipelines.batch.asks import Ask

ray = pytest.importorskip("ray", reason="foldctx[ray] is not installed")
pytestmark = pytest.mark.ray


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Two workers' worth of this machine."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL")
    yield
    ray.shutdown()


def loader_of(folder: Path) -> Any:
    """A reader that only counts: "deadly" texts end its process, "once" texts the first time."""

    class Counting:
        device = "cpu"

        def load(self) -> Any:
            with (folder / "loads").open("a") as file:
                file.write(f"{os.getpid()}\n")
            return each(self.make)

        def make(self, row: Row) -> dict[str, Any]:
            said = row.payload.text
            seen = folder / f"seen-{row.id}"
            if said == "deadly" or (said == "once" and not seen.exists()):
                seen.touch()
                os._exit(9)
            if said == "wrong":
                raise ValueError("a wrong text")
            time.sleep(0.02)
            with (folder / "made").open("a") as file:
                file.write(f"{row.id}\n")
            return {"id": row.id, "answer": said.upper(), "worker": os.getpid()}

    return Counting()


def rows_of(**special: str) -> list[Row]:
    return [
        Row(f"r{i}", Ask(f"doc {i}", "What?", special.get(f"r{i}", f"text {i}"))) for i in range(36)
    ]


def test_dead_workers_and_poisoned_rows_are_survived(tmp_path: Path) -> None:
    from foldctx_pipelines.batch.ray_engine import RayWork

    rows = rows_of(r7="deadly", r20="once", r33="wrong")
    work = RayWork(loader_of(tmp_path), 2, together=4)
    events = list(run(rows, tmp_path / "run", work, {}, options=RunOptions(commit_rows=4)))
    summary = events[-1]
    assert isinstance(summary, Summary)
    assert (summary.everything.done, summary.failed) == (34, 2)
    found = {r["id"]: r for r in records_of(read_folder(tmp_path / "run").every_shard()[0])}
    assert len(found) == 36 and found["r20"]["answer"] == "ONCE"
    assert found["r7"]["error"]["type"] == "WorkerError"
    assert found["r33"]["error"] == {"type": "ValueError", "message": "a wrong text"}
    validate(found["r7"])
    # A model for each actor of a pass, and one for each that was restarted; never one for a row.
    loads = (tmp_path / "loads").read_text().split()
    workers = {record["worker"] for record in found.values() if "worker" in record}
    assert len(workers) >= 2 and len(loads) == len(set(loads)) <= 10
    committed = [r["id"] for e in events if isinstance(e, Committed) for r in e.records]
    assert len(committed) == len(set(committed)) == 36


def test_a_driver_that_stops_goes_on_with_the_same_folder(tmp_path: Path) -> None:
    from foldctx_pipelines.batch.ray_engine import RayWork

    recorded: set[str] = set()
    started: set[str] = set()
    for event in run(
        rows_of(),
        tmp_path / "run",
        RayWork(loader_of(tmp_path), 2, together=4),
        {},
        options=RunOptions(commit_rows=4),
    ):
        started |= set(event.ids) if isinstance(event, Started) else set()
        if isinstance(event, Committed):
            recorded |= {str(record["id"]) for record in event.records}
            if len(recorded) >= 12:
                break
    (tmp_path / "made").unlink()
    list(run(rows_of(), tmp_path / "run", RayWork(loader_of(tmp_path), 2, together=4), {}))
    again = set((tmp_path / "made").read_text().split())
    assert not again & recorded and len(again | recorded) == 36


@pytest.mark.slow  # Ray tries a while
def test_workers_that_cannot_begin_end_the_run_with_the_reason(tmp_path: Path) -> None:
    from foldctx_pipelines.batch.ray_engine import RayWork, WorkerError

    class Lacking:
        device = "cpu"

        def load(self) -> Any:
            raise ModelError("model.safetensors: no such file here")

    work = RayWork(Lacking(), 1)
    with pytest.raises(WorkerError, match=r"cannot go on \(.*model.safetensors: no such file"):
        list(run(rows_of()[:2], tmp_path / "run", work, {}))
