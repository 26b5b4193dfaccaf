"""`foldctx batch --engine ray` on a cluster of two workers that it starts itself."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Call
from tests.cli.test_batch import QUESTION, begin, long_corpus, sealed, wait_for_rows

psutil = pytest.importorskip("psutil")
pytest.importorskip("ray", reason="foldctx[ray] is not installed")
pytestmark = pytest.mark.ray


def workers_of(driver: int) -> Iterator[int]:
    """The actors among the descendants of a driver that we have started."""
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if any("MapWorker" in part for part in process.cmdline()):
                yield process.pid
        except psutil.Error:
            continue


def kill_and_resume(model: Path, folder: Path, call: Call, kills: int, seed: int) -> None:
    """Kill workers, then the driver, at random moments; then let it end, and compare with local."""
    chance = random.Random(seed)
    given = [long_corpus(folder, 60, 90), "-q", QUESTION, "-m", model, "--rows", "2"]
    on_ray = [*given, "-o", folder / "ray", "--engine", "ray", "--workers", "2"]
    known: dict[str, object] = {}
    killed = 0
    for _ in range(kills):
        process = begin(*on_ray)
        at = len(known)
        wait_for_rows(folder / "ray", at + chance.randrange(1, 6), process)
        workers = [] if process.poll() is not None else list(workers_of(process.pid))
        if workers:
            psutil.Process(chance.choice(workers)).kill()
            wait_for_rows(folder / "ray", at + 8, process)
        if process.poll() is not None:  # it was over before it could be killed
            assert process.returncode == 0, process.communicate()[1].decode()
            known = {record["id"]: record for record in sealed(folder / "ray")}
            break
        holders = [psutil.Process(pid) for pid in workers_of(process.pid)]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        _, alive = psutil.wait_procs(holders, timeout=60)
        assert not alive, "workers outlived their driver"
        killed += 1
        lines = (folder / "ray" / "journal-00001-of-00001.jsonl").read_bytes().splitlines()
        status = orjson.loads(call("batch", "status", folder / "ray")[1])["shards"][0]
        entries = [orjson.loads(x) for x in lines if x.startswith(b'{"attempt"') and x[-1:] == b"}"]
        known |= {e["record"]["id"]: e["record"] for e in entries[: status["done"]]}
        time.sleep(0.1)
    assert killed
    process = begin(*on_ray)
    out, told = process.communicate()
    assert process.returncode == 0, told.decode()
    assert orjson.loads(out)["made"] == 60 - len(known)
    found = {record["id"]: record for record in sealed(folder / "ray")}
    assert list(found) == [str(i) for i in range(60)]
    assert all(found[id] == record for id, record in known.items())
    code, _, _ = call("batch", *given, "-o", folder / "local", "--quiet")
    assert code == 0
    hashes = {record["id"]: record["canonical_sha256"] for record in sealed(folder / "local")}
    assert {id: record["canonical_sha256"] for id, record in found.items()} == hashes


@pytest.mark.slow
def test_workers_and_driver_are_killed(model: Path, tmp_path: Path, call: Call) -> None:
    kill_and_resume(model, tmp_path, call, kills=1, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_twenty_kills_of_workers_and_drivers(
    model: Path, tmp_path: Path, call: Call, seed: int
) -> None:
    kill_and_resume(model, tmp_path, call, kills=3, seed=1 + seed)
