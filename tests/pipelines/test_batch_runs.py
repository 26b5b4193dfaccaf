"""The runner on work that costs nothing: each row once, whatever happens."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from foldctx.errors import FoldctxError, OutputError, TraceError, UsageError
from foldctx.records import ERROR_SCHEMA, validate
from foldctx.schemas import Validator
from foldctx_pipelines.batch import (
    Committed,
    Finished,
    Opened,
    Row,
    RunOptions,
    Shard,
    Started,
    Summary,
    each,
    read_folder,
    records_of,
    run,
)
from foldctx_pipelines.batch.rows import blocks, by_key, in_sample
from foldctx_pipelines.batch.status import run_status

PRINT = {"model": {"weights": "ab"}, "config": {"strategy": "fold", "rates": (1, 2)}}
NUMBERS = [Row(f"r{i}", i) for i in range(12)]


class Counting:
    """Work that counts what it makes; the numbers in `bad` fail."""

    def __init__(self, *bad: int) -> None:
        self.bad, self.made = set(bad), list[int]()

    def __call__(self, given: Iterable[Sequence[Row]]) -> Iterator[object]:
        return each(self.make)(given)

    def make(self, row: Row) -> dict[str, Any]:
        self.made.append(row.payload)
        if row.payload in self.bad:
            raise ValueError(f"{row.payload} is bad")
        return {"id": row.id, "answer": str(row.payload), "usage": {"windows": 2, "skipped": 1}}


def go(folder: Path, work: Any, rows: Sequence[Row] = NUMBERS, **options: Any) -> Summary:
    events = list(run(rows, folder, work, PRINT, options=RunOptions(**options)))
    assert isinstance(events[-1], Summary)
    return events[-1]


def lines(folder: Path, name: str = "shard-00001-of-00001.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def journal(folder: Path) -> Path:
    return folder / "journal-00001-of-00001.jsonl"


def test_a_run_ends_with_a_sealed_shard_in_the_order_of_the_input(tmp_path: Path) -> None:
    def backwards(given: Iterable[Sequence[Row]]) -> Iterator[object]:
        for block in given:
            for row in reversed(block):
                yield Started((row.id,))
                yield Finished(({"id": row.id, "answer": None},))

    summary = go(tmp_path / "run", backwards)
    assert [line["id"] for line in lines(tmp_path / "run")] == [row.id for row in NUMBERS]
    assert not journal(tmp_path / "run").exists()
    assert (summary.everything.done, summary.everything.abstained, summary.failed) == (12, 12, 0)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    assert list(Validator("run").problems(manifest, "manifest")) == []
    progress = json.loads((tmp_path / "run" / "progress-00001-of-00001.json").read_bytes())
    assert list(Validator("run").problems(progress, "progress")) == []


def test_a_second_run_makes_nothing_and_a_longer_input_only_what_is_new(tmp_path: Path) -> None:
    go(tmp_path, Counting(), NUMBERS[:7])
    before = (tmp_path / "shard-00001-of-00001.jsonl").read_bytes()
    again = Counting()
    assert go(tmp_path, again, NUMBERS[:7]).to_dict()["made"] == 0 and again.made == []
    assert (tmp_path / "shard-00001-of-00001.jsonl").read_bytes() == before
    more = Counting()
    go(tmp_path, more)
    assert more.made == list(range(7, 12)) and len(lines(tmp_path)) == 12


def test_a_row_that_comes_twice_is_made_once(tmp_path: Path) -> None:
    work = Counting()
    go(tmp_path, work, [*NUMBERS, *NUMBERS, NUMBERS[0]])
    assert work.made == list(range(12)) and len(lines(tmp_path)) == 12


def test_failures_are_error_records_with_their_attempts(tmp_path: Path) -> None:
    summary = go(tmp_path, Counting(3, 5))
    assert (summary.everything.done, summary.failed) == (10, 2)
    errors = lines(tmp_path, "errors.jsonl")
    assert [(e["id"], e["attempt"], e["error"]["type"]) for e in errors] == [
        ("r3", 1, "ValueError"),
        ("r5", 1, "ValueError"),
    ]
    for error in errors:
        validate(error)
        assert error["schema"] == ERROR_SCHEMA
    left_alone = Counting(3)
    assert go(tmp_path, left_alone).failed == 2 and left_alone.made == []
    retried = Counting(3)
    assert go(tmp_path, retried, retry_failed=True).failed == 1 and retried.made == [3, 5]
    assert [(e["id"], e["attempt"]) for e in lines(tmp_path, "errors.jsonl")] == [("r3", 2)]
    assert go(tmp_path, Counting(), retry_failed=True).failed == 0
    assert lines(tmp_path, "errors.jsonl") == []
    assert [line["id"] for line in lines(tmp_path)] == [row.id for row in NUMBERS]


def test_too_many_errors_end_the_run_and_it_can_go_on(tmp_path: Path) -> None:
    work = Counting(1, 2, 4, 6)
    with pytest.raises(FoldctxError, match="3 rows failed, more than --max-errors 2"):
        go(tmp_path, work, max_errors=2, commit_rows=1)
    assert work.made == [0, 1, 2, 3, 4]
    rest = Counting()
    assert go(tmp_path, rest).failed == 3 and rest.made == list(range(5, 12))


def test_too_many_errors_do_not_wait_for_a_group_to_fill(tmp_path: Path) -> None:
    work = Counting(1, 2, 4, 6)
    with pytest.raises(FoldctxError, match="3 rows failed, more than --max-errors 2"):
        go(tmp_path, work, max_errors=2)
    assert work.made == [0, 1, 2, 3, 4]


def test_what_was_finished_is_committed_when_the_run_is_interrupted(tmp_path: Path) -> None:
    def make(row: Row) -> dict[str, Any]:
        if row.payload == 8:
            raise KeyboardInterrupt
        return {"id": row.id}

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, each(make))
    shard = run_status(read_folder(tmp_path)).shards[0]
    assert (shard.state, shard.tally.done, shard.in_flight) == ("stopped", 8, 1)
    rest = Counting()
    go(tmp_path, rest)
    assert rest.made == [8, 9, 10, 11]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_journal_loses_only_its_last_group(tmp_path: Path, cut: int) -> None:
    stop_after(tmp_path, 9, commit_rows=3)
    path = journal(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    rest = Counting()
    go(tmp_path, rest)
    assert rest.made == list(range(6, 12))
    assert [line["id"] for line in lines(tmp_path)] == [row.id for row in NUMBERS]


def test_what_a_dying_disk_left_behind_the_last_group_is_cut_off(tmp_path: Path) -> None:
    stop_after(tmp_path, 6, commit_rows=3)
    with journal(tmp_path).open("ab") as file:
        file.write(b'{"attempt":1,"record":{"id":"r6"}}\n' + b"\0" * 512 + b"\n")
    rest = Counting()
    go(tmp_path, rest)
    assert rest.made == list(range(6, 12))


def test_damage_in_the_middle_is_no_crash_and_is_told(tmp_path: Path) -> None:
    stop_after(tmp_path, 9, commit_rows=3)
    data = bytearray(journal(tmp_path).read_bytes())
    data[20] ^= 1
    journal(tmp_path).write_bytes(data)
    with pytest.raises(TraceError, match="damaged at byte 0, before records that are whole"):
        go(tmp_path, Counting())


@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b"7\n", b'{"id": \n'])
def test_a_sealed_line_that_is_no_record_is_named(tmp_path: Path, line: bytes) -> None:
    go(tmp_path, Counting())
    with (tmp_path / "shard-00001-of-00001.jsonl").open("ab") as file:
        file.write(line)
    with pytest.raises(TraceError, match="shard-00001-of-00001.jsonl, line 13: no record"):
        run_status(read_folder(tmp_path))


@pytest.mark.parametrize("told", [None, b"", b"[1]", b'{"state": "done", "made": 3}'])
def test_the_state_is_known_without_word_of_the_progress(
    tmp_path: Path, told: bytes | None
) -> None:
    def state(count: int) -> str:
        (progress,) = tmp_path.glob("progress-*.json")
        progress.unlink()
        if told is not None:
            progress.write_bytes(told)
        shard = run_status(read_folder(tmp_path)).shards[0]
        assert shard.tally.done == count
        return shard.state

    stop_after(tmp_path, 3, commit_rows=3)
    assert state(3) == "stopped"
    go(tmp_path, Counting())
    assert state(12) == "done"


@pytest.mark.parametrize("seen", [0, 1, 3])
def test_who_reads_a_shard_that_is_sealed_meanwhile_sees_it_whole(
    tmp_path: Path, seen: int
) -> None:
    """Scores and states are read while runs go on: a row must not vanish between two files."""
    go(tmp_path, Counting(1), NUMBERS[:3])
    stop_after(tmp_path, 6, commit_rows=3, retry_failed=True)
    reading = records_of(read_folder(tmp_path).files(Shard()))
    first = [next(reading)["id"] for _ in range(seen)]
    go(tmp_path, Counting())
    assert not journal(tmp_path).exists()
    rest = [record["id"] for record in reading]
    before = 8 if seen else 12
    assert sorted(first + rest) == sorted(row.id for row in NUMBERS[:before])


def stop_after(folder: Path, count: int, **options: Any) -> None:
    """A run that dies when so many rows are committed, as by SIGKILL: nothing is done after."""
    done = 0
    for event in run(NUMBERS, folder, Counting(), PRINT, options=RunOptions(**options)):
        done += len(event.records) if isinstance(event, Committed) else 0
        if done == count:
            return


@pytest.mark.parametrize("moment", ["errors", "shard", "journal"])
def test_a_run_that_dies_while_sealing_has_every_row_once(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name, call in (("replace", os.replace), ("unlink", Path.unlink)):

        def dying(*args: Any, call: Any = call) -> Any:
            seal = any(part in str(args[-1]) for part in ("errors", "shard-", "journal"))
            if seal and f"{moment}" in Path(str(args[-1])).name:
                calls.append(moment)
                raise SystemExit
            return call(*args)

        monkeypatch.setattr(os if name == "replace" else Path, name, dying)
    with pytest.raises(SystemExit):
        go(tmp_path, Counting(4))
    assert calls
    monkeypatch.undo()
    rest = Counting()
    assert go(tmp_path, rest).failed == 1 and rest.made == []
    assert len(lines(tmp_path)) == 11 and len(lines(tmp_path, "errors.jsonl")) == 1


def test_a_changed_fingerprint_is_refused_and_named(tmp_path: Path) -> None:
    go(tmp_path, Counting())
    changed = {"model": {"weights": "cd"}, "config": {"strategy": "map", "rates": [1, 2], "new": 1}}
    with pytest.raises(UsageError) as told:
        list(run(NUMBERS, tmp_path, Counting(), changed))
    message = str(told.value)
    assert "model.weights was 'ab' and is 'cd'" in message
    assert "config.strategy was 'fold' and is 'map'" in message
    assert "config.new was None and is 1" in message and "rates" not in message


@pytest.mark.parametrize(
    ("kind", "shard", "message"),
    [
        ("eval", "1/1", "holds a run of batch, not of eval"),
        ("batch", "1/4", "was begun with 1 shard, not 4"),
    ],
)
def test_another_run_in_the_folder_is_refused(
    tmp_path: Path, kind: str, shard: str, message: str
) -> None:
    go(tmp_path, Counting())
    options = RunOptions(Shard.parse(shard))
    with pytest.raises(UsageError, match=message):
        list(run(NUMBERS, tmp_path, Counting(), PRINT, kind=kind, options=options))


def test_nothing_is_written_among_the_things_of_others(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is not empty and holds no run"):
        go(tmp_path, Counting())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="is a file"):
        go(tmp_path / "thesis.tex", Counting())


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "a/b", "1/0", "-1/4"])
def test_a_shard_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match="shard"):
        Shard.parse(text)


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"sample": 0.0}, {"sample": 1.5}, {"max_errors": -1}]
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        RunOptions(**options)


def test_shards_share_a_folder_and_part_the_rows(tmp_path: Path) -> None:
    rows = [Row(f"id {i}:{k}", i, root=f"id {i}") for i in range(90) for k in (1, 2)]
    made: list[str] = []
    for index in (2, 3, 1):
        work = Counting()
        go(tmp_path, work, rows, shard=Shard(index, 3))
        found = lines(tmp_path, f"shard-0000{index}-of-00003.jsonl")
        assert len(found) == len(work.made) > 30
        made += [line["id"] for line in found]
    assert sorted(made) == sorted(row.id for row in rows)
    status = run_status(read_folder(tmp_path)).to_dict()
    assert [s["state"] for s in status["shards"]] == ["done"] * 3
    roots = [{row.root for row in rows if Shard(i, 3).has(row)} for i in (1, 2, 3)]
    assert not roots[0] & roots[1] and not roots[1] & roots[2] and not roots[0] & roots[2]


def test_limit_takes_the_first_and_a_sample_depends_on_ids_alone(tmp_path: Path) -> None:
    work = Counting()
    go(tmp_path / "limit", work, limit=5)
    assert work.made == [0, 1, 2, 3, 4]
    rows = [Row(f"id {i}", i) for i in range(2000)]
    few = [row for row in rows if in_sample(row, 0.1)]
    assert 140 < len(few) < 260
    assert set(few) < {row for row in rows if in_sample(row, 0.2)}
    assert list(RunOptions(sample=0.1, limit=9).select(reversed(rows))) == few[::-1][:9]


def test_neighbours_of_one_key_are_never_parted() -> None:
    rows = [Row(str(i), i, key="a" if 250 <= i < 300 else "") for i in range(600)]
    cut = list(blocks(rows))
    assert [row for block in cut for row in block] == rows
    assert [len(block) for block in cut] == [300, 256, 44]
    assert [len(group) for group in by_key(rows[248:302])] == [1, 1, 50, 1, 1]


def test_a_large_text_ends_a_block() -> None:
    rows = [Row(str(i), None, size=20 * 2**20) for i in range(6)]
    assert [len(block) for block in blocks(rows)] == [2, 2, 2]


def test_a_second_run_on_the_same_shard_is_refused(tmp_path: Path) -> None:
    events = run(NUMBERS, tmp_path, Counting(), PRINT)
    assert isinstance(next(events), Opened)
    with pytest.raises(UsageError, match=f"1/1 of .* worked on by process {os.getpid()} on"):
        go(tmp_path, Counting())
    assert run_status(read_folder(tmp_path)).shards[0].state == "running"
    assert isinstance(list(events)[-1], Summary)
    assert run_status(read_folder(tmp_path)).shards[0].state == "done"


_CHILD = """
import sys, time
from pathlib import Path
from foldctx_pipelines.batch import Row, RunOptions, Summary, each, run

folder, log, pause = Path(sys.argv[1]), open(sys.argv[2], "ab", 0), float(sys.argv[3])

def make(row):
    log.write(b"%d\\n" % row.payload)
    time.sleep(pause)
    return {"id": row.id, "answer": "x" * int(sys.argv[4])}

rows = [Row(f"r{i}", i) for i in range(60)]
options = RunOptions(commit_rows=4, commit_seconds=0.02)
list(run(rows, folder, each(make), {"a": 1}, options=options))
"""


def child(
    folder: Path, log: Path, *, pause: float = 0.004, size: int = 10
) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(str(Path(__file__).parents[2] / part) for part in ("", "pipelines"))
    command = [sys.executable, "-c", _CHILD, str(folder), str(log), str(pause), str(size)]
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


def killed_and_resumed(folder: Path, log: Path, kills: int, seed: int) -> None:
    """Kill runs at random moments, then let one end; count what was made."""
    chance = random.Random(seed)
    known: set[str] = set()
    flying = landed = 0
    for _ in range(kills):
        at = log.stat().st_size if log.exists() else 0
        process = child(folder, log)
        target = at + chance.randrange(1, 60)
        while process.poll() is None and (log.stat().st_size if log.exists() else 0) < target:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        landed += process.wait() == -signal.SIGKILL
        process.communicate()
        shard = run_status(read_folder(folder)).shards[0]
        flying += shard.in_flight
        made = {f"r{n}" for n in log.read_bytes()[at:].split()}
        assert not made & known, "a recorded row was made again"
        known = {record["id"] for record in recorded(folder)}
    process = child(folder, log)
    _, told = process.communicate()
    assert process.returncode == 0, told.decode()
    ids = [line["id"] for line in lines(folder)]
    assert ids == [f"r{i}" for i in range(60)]
    computed = log.read_bytes().split()
    assert 60 <= len(computed) <= 60 + flying
    assert landed


def recorded(folder: Path) -> Iterator[Any]:
    from foldctx_pipelines.batch import records_of

    yield from records_of(read_folder(folder).every_shard()[0])


def test_a_run_that_is_killed_has_every_row_once(tmp_path: Path) -> None:
    killed_and_resumed(tmp_path / "run", tmp_path / "log", kills=3, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_twenty_runs_that_are_killed_have_every_row_once(tmp_path: Path, seed: int) -> None:
    killed_and_resumed(tmp_path / "run", tmp_path / "log", kills=4, seed=100 + seed)


def test_death_gives_the_lock_back_and_another_process_is_refused(tmp_path: Path) -> None:
    folder, log = tmp_path / "run", tmp_path / "log"
    first = child(folder, log, pause=5)
    while not log.exists() or not log.stat().st_size:
        assert first.poll() is None
        time.sleep(0.01)
    second = child(folder, log)
    _, told = second.communicate()
    assert f"is being worked on by process {first.pid}" in told.decode()
    first.kill()
    first.communicate()
    third = child(folder, log, pause=0)
    assert third.wait() == 0
    third.communicate()
    assert len(lines(folder)) == 60


def test_a_full_disk_is_told_and_the_run_goes_on_later(tmp_path: Path) -> None:
    """A limit on the size of files is a full disk to whoever writes: part of a group fits."""
    folder, log = tmp_path / "run", tmp_path / "log"
    limited = _CHILD.replace(
        "rows =",
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000)); rows =",
    )
    path = os.pathsep.join(str(Path(__file__).parents[2] / part) for part in ("", "pipelines"))
    done = subprocess.run(
        [sys.executable, "-c", limited, str(folder), str(log), "0", "1000"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    told = done.stderr.decode().splitlines()[-1]
    assert "OutputError: cannot write" in told and "File too large" in told
    assert "what is recorded stays" in told
    kept = {record["id"] for record in recorded(folder)}
    assert 20 <= len(kept) < 30
    before = log.stat().st_size
    process = child(folder, log, pause=0, size=1000)
    assert process.wait() == 0
    process.communicate()
    again = {f"r{n}" for n in log.read_bytes()[before:].split()}
    assert not again & kept and len(lines(folder)) == 60


def test_a_write_that_fails_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(tmp_path, 6, commit_rows=3)
    before = journal(tmp_path).read_bytes()
    write = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) > 60:
            write(file, bytes(data[:40]))
            raise OSError(28, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match="No space left on device; free some space and run"):
        go(tmp_path, Counting(), commit_rows=3)
    assert journal(tmp_path).read_bytes() == before


def test_memory_does_not_grow_with_the_texts(tmp_path: Path) -> None:
    """2,000 rows of 20 KB are 40 MB, and 2,000 records of 2 KB are 4 MB; neither is held."""

    def rows() -> Iterator[Row]:
        for i in range(2000):
            yield Row(f"r{i}", f"{i}" + "x" * 20000, size=20000)

    def make(row: Row) -> dict[str, Any]:
        return {"id": row.id, "answer": row.payload[:2000]}

    tracemalloc.start()
    for _ in run(rows(), tmp_path, each(make), {}):
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 * 2**20
    assert len(lines(tmp_path)) == 2000
