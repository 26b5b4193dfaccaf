"""Sources that cannot be read: an error record, a line on stderr, and the other sources go on."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from foldctx.records import validate
from tests.cli.conftest import Completed, Run, pdf, records

PDF = pdf(["The hall is closed."])


def unreadable(path: Path) -> None:
    """A file that even root cannot read; other users get one without permission."""
    if os.geteuid() == 0:
        path.symlink_to("/proc/self/mem")
    else:
        path.write_bytes(b"text")
        path.chmod(0)


SOURCES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("none.txt", lambda path: None, "no such file"),
    "folder": ("folder.txt", lambda path: path.mkdir(), "folder"),
    "unreadable": ("secret.txt", unreadable, ""),
    "empty": ("empty.txt", lambda path: path.write_bytes(b""), "empty"),
    "blank": ("blank.md", lambda path: path.write_bytes(b" \n\n"), "no text"),
    "binary": ("binary.txt", lambda path: path.write_bytes(bytes(range(256))), "NUL"),
    "latin-1": ("latin.txt", lambda path: path.write_bytes("é".encode("latin-1")), "UTF-8"),
    "unknown kind": ("table.xlsx", lambda path: path.write_bytes(b"PK"), ".docx"),
    "encrypted": (
        "locked.pdf",
        lambda path: path.write_bytes(pdf(["x"], password="p")),
        "password",
    ),
    "truncated": ("cut.pdf", lambda path: path.write_bytes(PDF[: len(PDF) // 3]), ""),
    "images only": (
        "scan.pdf",
        lambda path: path.write_bytes(pdf(["", ""], image=True)),
        "text",
    ),
    "no pages": (
        "none.pdf",
        lambda path: path.write_bytes(
            PDF.replace(b"/Count 1", b"/Count 0").replace(b"/Kids [3 0 R]", b"/Kids [     ]")
        ),
        "",
    ),
}


def make(folder: Path, kind: str) -> Path:
    name, write, _ = SOURCES[kind]
    write(folder / name)
    return folder / name


def assert_errors(done: Completed, sources: list[Path]) -> None:
    found = [record for record in records(done) if "error" in record]
    assert [record["source"] for record in found] == [str(source) for source in sources]
    for record in found:
        validate(record)
        message = record["error"]["message"]
        assert str(record["source"]) in message
        assert f"error: {message}\n".encode() in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("kind", SOURCES)
def test_a_single_bad_source(quick: Run, tmp_path: Path, kind: str) -> None:
    source = make(tmp_path, kind)
    done = quick("answer", source, "-q", "What?")
    assert done.returncode == 1, done.stderr
    assert_errors(done, [source])
    assert SOURCES[kind][2] in records(done)[0]["error"]["message"]


def test_bad_sources_do_not_stop_the_others(
    run: Run, model: Path, hall: Path, tmp_path: Path
) -> None:
    bad = [make(tmp_path, kind) for kind in SOURCES]
    middle = len(bad) // 2
    sources = [*bad[:middle], hall, *bad[middle:]]
    trace = tmp_path / "trace.jsonl"
    done = run("answer", *sources, "-q", "What is it?", "-m", model, "--trace", trace)
    assert done.returncode == 3, done.stderr
    assert_errors(done, bad)
    answered = records(done)[middle]
    validate(answered)
    assert (answered["source"], answered["answer"]) == (str(hall), "111111")
    checked = run("trace", "check", trace)
    assert checked.returncode == 0, checked.stdout


def test_chunk_reports_bad_sources_and_cuts_the_others(
    quick: Run, model: Path, note: Path, tmp_path: Path
) -> None:
    bad = make(tmp_path, "missing")
    done = quick("chunk", bad, note, "-m", model)
    assert done.returncode == 3
    assert_errors(done, [bad])
    assert records(done)[1]["text"] == note.read_text()


@pytest.mark.parametrize("command", [["answer", "-q", "x"], ["chunk"]])
def test_closed_standard_input_as_the_source(quick: Run, model: Path, command: list[str]) -> None:
    done = quick(*command, "-", "-m", model, stdin=None)
    assert done.returncode == 1
    assert records(done)[0]["source"] == "-"
    assert b"error: standard input: is closed" in done.stderr


def test_plan_of_a_bad_source(quick: Run, model: Path, tmp_path: Path) -> None:
    done = quick("plan", make(tmp_path, "missing"), "-q", "x", "-m", model)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no such file" in done.stderr
