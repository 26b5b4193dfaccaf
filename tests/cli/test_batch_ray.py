"""`foldctx batch --engine ray` on a cluster of two workers that it starts itself."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.conftest import Call
from tests.cli.test_batch import QUESTION, begin, long_corpus, sealed, wait_for_rows

psutil = pytest.importorskip("psutil")
pytest.importorskip("ray", reason="foldctx[ray] is not installed")
pytestmark = pytest.mark.ray

ROWS = 60
PATIENCE = 240  # seconds; a cluster and two models begin in a tenth of it


def workers_of(driver: int) -> Iterator[int]:
    """The actors among the descendants of a driver that we have started."""
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if any("MapWorker" in part for part in process.cmdline()):
                yield process.pid
        except psutil.Error:
            continue


def kill_worker(process: "subprocess.Popen[bytes]", chance: random.Random) -> bool:
    """Kill one of the actors; False when the run was over before it had one."""
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        if workers := list(workers_of(process.pid)):
            psutil.Process(chance.choice(workers)).kill()
            return True
        time.sleep(0.05)
    assert process.poll() is not None, "no worker began"
    return False


def kill_driver(process: "subprocess.Popen[bytes]") -> None:
    """Kill the command; its workers must not outlive it."""
    holders = [psutil.Process(pid) for pid in workers_of(process.pid)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(holders, timeout=60)
    left = [holder for holder in alive if holder.status() != psutil.STATUS_ZOMBIE]
    assert not left, "workers outlived their driver"


def recorded(run_folder: Path, call: Call) -> dict[str, Any]:
    """What stands in the journal of a run that was killed."""
    status = orjson.loads(call("batch", "status", run_folder)[1])["shards"][0]
    lines = (run_folder / "journal-00001-of-00001.jsonl").read_bytes().splitlines()
    entries = [orjson.loads(x) for x in lines if x.startswith(b'{"attempt"') and x[-1:] == b"}"]
    return {entry["record"]["id"]: entry["record"] for entry in entries[: status["done"]]}


def run_with_kills(
    given: Sequence[Any], folder: Path, call: Call, kills: Sequence[str], chance: random.Random
) -> tuple[dict[str, Any], int] | None:
    """What was recorded before drivers died, and how many rows the last one made.

    None when the run was over before all kills: Ray hands results on in lumps, as it has time.
    """
    known: dict[str, Any] = {}
    killed = 0
    moments = sorted(chance.choices(range(ROWS // 2), k=len(kills)))
    process = begin(*given)
    try:
        for kill, moment in zip(kills, moments, strict=True):
            wait_for_rows(folder, moment, process)
            time.sleep(chance.random() / 5)
            if kill == "worker":
                killed += kill_worker(process, chance)
            elif process.poll() is None:
                kill_driver(process)
                killed += 1
                known |= recorded(folder, call)
                process = begin(*given)
        out, told = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 0, told.decode()
    return (known, orjson.loads(out)["made"]) if killed == len(kills) else None


def kill_and_resume(
    model: Path, folder: Path, call: Call, kills: Sequence[str], *, sentences: int, seed: int
) -> None:
    """Kill workers and drivers at random moments; then let the run end, and compare with local.

    After a driver the run is begun again, after a worker it goes on. A machine that is quicker
    than the kills gets longer documents.
    """
    chance = random.Random(seed)
    for length in (sentences, 3 * sentences, 9 * sentences):
        ray = folder / f"ray {length}"
        corpus = long_corpus(folder, ROWS, length)
        given = [corpus, "-q", QUESTION, "-m", model, "--rows", "1"]
        on_ray = [*given, "-o", ray, "--engine", "ray", "--workers", "2"]
        if (outcome := run_with_kills(on_ray, ray, call, kills, chance)) is not None:
            break
    else:
        pytest.fail("each run was over before all kills")
    known, made = outcome
    assert made == ROWS - len(known)
    found = {record["id"]: record for record in sealed(ray)}
    assert list(found) == [str(i) for i in range(ROWS)]
    assert all(found[id] == record for id, record in known.items())
    code, _, _ = call("batch", *given, "-o", folder / "local", "--quiet")
    assert code == 0
    hashes = {record["id"]: record["canonical_sha256"] for record in sealed(folder / "local")}
    assert {id: record["canonical_sha256"] for id, record in found.items()} == hashes


def test_workers_and_the_driver_are_killed(model: Path, tmp_path: Path, call: Call) -> None:
    kills = ["worker", "driver", "worker"]
    kill_and_resume(model, tmp_path, call, kills, sentences=2500, seed=0)


@pytest.mark.slow
def test_twenty_kills_of_workers_and_drivers(model: Path, tmp_path: Path, call: Call) -> None:
    kills = ["worker", "driver"] * 10
    kill_and_resume(model, tmp_path, call, kills, sentences=2500, seed=1)
