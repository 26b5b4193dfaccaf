"""A corpus from the command line: run folders, exit codes, resuming, status."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from foldctx.records import validate
from tests.cli.conftest import COMMAND, SENTENCE, Call, Run, environment, records

QUESTION = "What is the number of the hall?"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six documents that hold the answer, one that does not, and a file that is no document."""
    folder = tmp_path_factory.mktemp("corpus")
    for i in range(6):
        (folder / f"hall {i}.txt").write_text(SENTENCE * (12 + i))
    (folder / "note.md").write_text("The hall is closed today.")
    (folder / "table.csv").write_text("a,b")
    return folder


def sealed(run_folder: Path, name: str = "shard-00001-of-00001.jsonl") -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (run_folder / name).read_bytes().splitlines()]


def test_a_folder_is_read_once_and_its_state_can_be_asked_for(
    call: Call, model: Path, corpus: Path, tmp_path: Path
) -> None:
    given = ["batch", corpus, "-q", QUESTION, "-m", model, "-o", tmp_path / "run"]
    code, out, told = call(*given)
    assert (code, told) == (0, f"warning: {corpus}: files left out: 1 with .csv\n")
    summary = orjson.loads(out)
    assert (summary["rows"], summary["done"], summary["abstained"], summary["made"]) == (7, 7, 1, 7)
    found = sealed(tmp_path / "run")
    for record in found:
        validate(record)
    names = [Path(record["source"]).name for record in found]
    assert names == sorted(names) and len(names) == 7
    assert [record["answer"] for record in found] == ["111111"] * 6 + [None]
    assert (tmp_path / "run" / "errors.jsonl").read_bytes() == b""
    code, out, told = call("batch", "status", tmp_path / "run")
    (shard,) = orjson.loads(out)["shards"]
    assert (code, shard["state"], shard["total"], shard["done"]) == (0, "done", 7, 7)
    code, out, told = call(*given, "--rows", 1)
    assert (code, orjson.loads(out)["made"]) == (0, 0)
    assert "going on: 7 rows are recorded\n" in told
    code, out, told = call(*given, "--strategy", "map", "--quiet")
    assert (code, out) == (2, "") and told.startswith("error: ")
    assert "config.strategy was 'fold' and is 'map'" in told
    code, out, _ = call("batch", "status", tmp_path / "run", "--text")
    assert code == 0 and "7 done, 0 failed, 1 abstained" in out


def test_failed_rows_and_their_exit_codes(
    call: Call, model: Path, hall: Path, tmp_path: Path
) -> None:
    """A bad document is a failed row; later it is there, and is tried again."""
    late, listed = tmp_path / "late.txt", tmp_path / "in.jsonl"
    rows = [{"id": "late", "source": str(late)}, {"id": "hall", "source": str(hall)}]
    listed.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    given = ["batch", listed, "-q", QUESTION, "-m", model, "-o", tmp_path / "run"]
    code, out, told = call(*given)
    assert code == 3 and f"error: {late}: no such file" in told
    (error,) = sealed(tmp_path / "run", "errors.jsonl")
    assert (error["id"], error["attempt"], error["error"]["type"]) == ("late", 1, "DocumentError")
    assert call(*given)[0] == 3
    late.write_text(SENTENCE * 12)
    code, out, _ = call(*given, "--retry-failed")
    assert (code, orjson.loads(out)["made"]) == (0, 1)
    assert [record["id"] for record in sealed(tmp_path / "run")] == ["late", "hall"]
    only = ["batch", tmp_path / "*.gone", "-q", QUESTION, "-m", model, "-o", tmp_path / "other"]
    (tmp_path / "bad.gone").write_bytes(b"\0")
    assert call(*only)[0] == 1
    assert call(*only, "--retry-failed", "--max-errors", 0)[0] == 1
    listed.write_bytes(orjson.dumps({"id": "wordy", "text": "A.", "question": "why " * 200}))
    code, _, told = call("batch", listed, "-m", model, "-o", tmp_path / "third")
    assert code == 1 and "error: wordy: question 1 has " in told, "whose question is not told"


def test_a_corpus_in_shards(call: Call, model: Path, corpus: Path, tmp_path: Path) -> None:
    made = []
    for part in ("1/2", "2/2"):
        given = [corpus, "-q", QUESTION, "-m", model, "-o", tmp_path, "--shard", part]
        code, out, _ = call("batch", *given, "--quiet")
        assert code == 0
        made.append(orjson.loads(out)["made"])
    assert sum(made) == 7
    found = [record for i in (1, 2) for record in sealed(tmp_path, f"shard-0000{i}-of-00002.jsonl")]
    assert len({record["id"] for record in found}) == 7


def test_chunks_and_answers_flow_through(
    run: Run, model: Path, corpus: Path, tmp_path: Path
) -> None:
    hall = corpus / "hall 0.txt"
    chunks = run("chunk", hall, "--tokens", "60", "-m", model)
    many = len(records(chunks))
    done = run("batch", "-", "-q", QUESTION, "-m", model, "-o", tmp_path / "a", stdin=chunks.stdout)
    assert done.returncode == 0 and records(done)[0]["rows"] == many > 1
    assert {record["source"] for record in sealed(tmp_path / "a")} == {str(hall)}
    answers = run("answer", hall, "-q", QUESTION, "-m", model)
    done = run("batch", "-", "-m", model, "-o", tmp_path / "b", stdin=answers.stdout)
    assert done.returncode == 0
    (one,), (again,) = records(answers), sealed(tmp_path / "b")
    assert one["canonical_sha256"] == again["canonical_sha256"]


def begin(*arguments: str | Path) -> "subprocess.Popen[bytes]":
    command = [str(COMMAND), "batch", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, **pipes)  # type: ignore[call-overload, no-any-return]


def long_corpus(folder: Path, count: int, sentences: int = 2500) -> Path:
    path = folder / "long.jsonl"
    rows = [{"id": str(i), "text": SENTENCE * (sentences + i % 7)} for i in range(count)]
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return path


def wait_for_rows(run_folder: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    """Until so many rows are recorded, or the run is over."""
    journal = run_folder / "journal-00001-of-00001.jsonl"
    until = time.monotonic() + 240
    while time.monotonic() < until and process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b'"attempt"') >= count:
            return
        time.sleep(0.005)


def killed_and_resumed(model: Path, folder: Path, kills: list[int], count: int) -> None:
    given = [long_corpus(folder, count), "-q", QUESTION, "-m", model, "--rows", "1"]
    given += ["-o", folder / "run"]
    known: dict[str, bytes] = {}
    for target in kills:
        process = begin(*given)
        wait_for_rows(folder / "run", target, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        status = subprocess.run(
            [str(COMMAND), "batch", "status", str(folder / "run")], capture_output=True, check=True
        )
        (shard,) = orjson.loads(status.stdout)["shards"]
        lines = (folder / "run" / "journal-00001-of-00001.jsonl").read_bytes().splitlines()
        entries = [
            orjson.loads(line)
            for line in lines
            if line.startswith(b'{"attempt"') and line.endswith(b"}")
        ]
        known |= {e["record"]["id"]: e["record"] for e in entries[: shard["done"]]}
    process = begin(*given)
    out, told = process.communicate()
    assert process.returncode == 0, told.decode()
    found = sealed(folder / "run")
    assert [record["id"] for record in found] == [str(i) for i in range(count)]
    assert orjson.loads(out)["made"] == count - len(known)
    for record in found:  # to the second: what was recorded is not what was made again
        assert known.get(record["id"], record) == record


def test_a_killed_run_goes_on(model: Path, tmp_path: Path) -> None:
    killed_and_resumed(model, tmp_path, [5], 24)


@pytest.mark.slow
def test_a_run_of_sixty_rows_killed_twenty_times(model: Path, tmp_path: Path) -> None:
    killed_and_resumed(model, tmp_path, list(range(2, 60, 3)), 60)


def test_an_interrupted_run_goes_on(model: Path, tmp_path: Path) -> None:
    given = [long_corpus(tmp_path, 60), "-q", QUESTION, "-m", model, "--rows", "1"]
    given += ["-o", tmp_path / "run"]
    process = begin(*given)
    wait_for_rows(tmp_path / "run", 2, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 130 and b"Traceback" not in told
    done = begin(*given, "--limit", "5")
    out, told = done.communicate()
    assert done.returncode == 0 and b"rows are recorded" in told
    assert orjson.loads(out)["rows"] >= 5


def test_progress_on_a_terminal(model: Path, corpus: Path, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    given = ["batch", str(corpus), "-q", QUESTION, "-m", str(model), "-o", str(tmp_path / "run")]
    process = subprocess.Popen(
        [str(COMMAND), *given],
        env=environment(TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stderr=theirs,
        stdout=subprocess.PIPE,
    )
    os.close(theirs)
    shown = ""
    with suppress(OSError):  # the terminal is gone when the process is
        while part := os.read(ours, 100_000):
            shown += part.decode(errors="replace")
    os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0 and orjson.loads(out)["done"] == 7
    assert "/7 rows" in shown and "windows" in shown and "% skipped" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.jsonl", "-q", "?", "-o", "run"], "there is nothing of this name"),
        ([".", "-q", "?", "-o", "run", "--shard", "3"], "shard '3': give it as I/N"),
        ([".", "-q", "?", "-o", "run", "--engine", "spark"], "choose from local, ray"),
        ([".", "-q", " ", "-o", "run"], "question 1 is empty"),
        ([".", "-q", "?", "-o", "run", "--sample", "2"], "sample=2.0"),
        ([".", "-q", "?", "-o", "run", "--strategy", "guess"], "strategy='guess'"),
        ([".", "-q", "?"], "--output"),
        (["status", "nowhere"], "nowhere: holds no run"),
        ([], "INPUT"),
    ],
)
def test_what_cannot_be_used_is_told_without_a_model(
    quick: Run, arguments: list[str], message: str
) -> None:
    done = quick("batch", *arguments)
    assert done.returncode == 2, done.stderr.decode()
    assert message in done.stderr.decode() and b"Traceback" not in done.stderr


def test_help_names_input_and_status(quick: Run) -> None:
    done = quick("batch", "--help")
    told = done.stdout.decode()
    assert done.returncode == 0 and "INPUT" in told and "foldctx batch status RUN" in told
