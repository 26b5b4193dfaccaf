"""Runs that answer: records, text, evidence, exit codes, interruption."""

import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import orjson
import pytest

from foldctx.records import validate
from tests.cli.conftest import COMMAND, Run, environment, records

QUESTION = "What is the number of the hall?"


def test_records_of_several_questions_and_sources(
    run: Run, model: Path, hall: Path, note: Path, tmp_path: Path
) -> None:
    """The answer is in a quote of the first page; the note has none, which evidence is asked for."""
    rows = [(hall, QUESTION), (note, "Is it open?"), (hall, "Which hall?"), (hall, QUESTION)]
    lines = [orjson.dumps({"source": str(s), "question": q}) for s, q in rows]
    options = ["--questions", "-", "-m", model, "--require-evidence", "--set", "block_length=8"]
    target = tmp_path / "out.jsonl"
    done = run("answer", *options, "-o", target, stdin=b"\n".join(lines))
    assert (done.returncode, done.stdout, done.stderr) == (4, b"", b"")
    found = [orjson.loads(line) for line in target.read_bytes().splitlines()]
    for record in found:
        validate(record)
    assert [record["question"] for record in found] == [QUESTION, "Which hall?", "Is it open?"]
    assert [record["answer"] for record in found] == ["111111", "111111", None]
    quote = found[0]["evidence"][0]
    assert quote["support"] == "contains" and quote["page"] == 1
    assert hall.read_text()[quote["start"] : quote["end"]] == quote["quote"]
    assert "111111" in quote["quote"]
    assert found[0]["config"]["decoder"]["block_length"] == 8
    assert found[0]["usage"]["fed_max"] <= 512


def test_an_answer_of_any_length_is_in_the_record(run: Run, model: Path, hall: Path) -> None:
    """600 tokens do not fit in the window of 512; every one of them is in the output."""
    done = run(
        "answer", "-", "-q", QUESTION, "-m", model, "--gen-length", "600", stdin=hall.read_bytes()
    )
    (record,) = records(done)
    validate(record)
    assert done.returncode == 0
    assert record["generated"]["length"] == len(record["generated"]["tokens"]) == 600
    assert record["answer"] == "1" * 600
    assert record["usage"]["fed_max"] <= 512 and record["usage"]["position_max"] < 512


def test_window_smaller_than_the_template(run: Run, model: Path, note: Path) -> None:
    done = run("answer", note, "-q", QUESTION, "-m", model, "--window", "40")
    assert done.returncode == 1
    assert records(done)[0]["error"]["type"] == "WindowError"
    assert b"error: a window of 40 tokens" in done.stderr


def test_question_over_its_budget(run: Run, model: Path, note: Path) -> None:
    done = run("answer", note, "-q", "x", "-q", "why " * 400, "-m", model)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"question 2 has" in done.stderr and b"--question-policy cut" in done.stderr


def test_ctrl_c_leaves_whole_lines(run: Run, model: Path, hall: Path, tmp_path: Path) -> None:
    sources = []
    for number in range(300):
        sources.append(tmp_path / f"{number}.txt")
        sources[-1].write_text(hall.read_text())
    trace = tmp_path / "trace.jsonl"
    command = [COMMAND, "answer", *sources, "-q", QUESTION, "-m", model, "--trace", trace]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"interrupted" in told and b"Traceback" not in told
    lines = (first + rest).splitlines(keepends=True)
    assert len(lines) < len(sources) and all(line.endswith(b"\n") for line in lines)
    for line in lines:
        validate(orjson.loads(line))
    assert trace.read_bytes().endswith(b"\n")
    checked = records(run("trace", "check", trace))[0]
    assert not checked["complete"]
    assert [p["message"][:10] for p in checked["problems"]] == ["no run.end"]


def run_on_terminals(*arguments: str | Path) -> tuple[int, bytes, bytes]:
    """Run the command with a terminal each as standard output and standard error."""
    ends = [pty.openpty(), pty.openpty()]
    process = subprocess.Popen(
        [COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=ends[0][1],
        stderr=ends[1][1],
        env=environment(TERM="xterm", NO_COLOR="1"),
    )
    for _, inner in ends:
        os.close(inner)
    seen = [b"", b""]
    open_ends = {outer: number for number, (outer, _) in enumerate(ends)}
    while open_ends:
        for outer in list(open_ends):
            try:
                seen[open_ends[outer]] += os.read(outer, 65536)
            except OSError:  # Linux tells the end of a terminal by an error
                del open_ends[outer]
                os.close(outer)
    return process.wait(timeout=60), seen[0], seen[1]


def test_people_read_text_and_a_progress_bar(model: Path, hall: Path) -> None:
    code, out, err = run_on_terminals(
        "answer", hall, "-q", QUESTION, "-m", model, "--require-evidence"
    )
    assert code == 0, err
    text = out.decode()
    assert QUESTION in text and "111111" in text and "page 1" in text
    assert "foldctx.answer/1" not in text
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", text + err.decode())  # NO_COLOR
    assert "hall.txt" in err.decode()  # the bar


def test_a_reader_that_goes_away_ends_the_run_quietly(model: Path, hall: Path) -> None:
    command = [COMMAND, "chunk", "--tokens", "40", "-m", model, *[hall] * 3]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), told) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("form", ["chunk --json", "chunk --text", "--help"])
def test_a_full_disk_is_an_error(model: Path, hall: Path, form: str) -> None:
    arguments = [*form.split(), hall, "-m", model] if "chunk" in form else [form]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, *arguments],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: ") and done.stderr.count(b"\n") == 1
    assert b"No space left on device" in done.stderr
