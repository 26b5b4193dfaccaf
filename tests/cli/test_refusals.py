"""Bad options and bad files are refused before torch is imported, with nothing on stdout."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from foldctx.decoding.presets import PRESET_NAMES
from tests.cli.conftest import Call, Run


def refused(run: Run, code: int, *arguments: str | Path, **more: bytes | None) -> str:
    done = run(*arguments, **more)
    told = done.stderr.decode()
    assert (done.returncode, done.stdout) == (code, b""), told
    assert told.startswith("error: ") and told.count("\n") == 1, told
    return told


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["-q", ""], ["question 1 is empty"]),
        (["-q", "x", "--strategy", "guess"], ["guess", "fold, map, retrieve, truncate"]),
        (["-q", "x", "--preset", "guess"], ["guess", "exact, parallel, elastic"]),
        (["-q", "x", "--set", "guess=1"], ["guess", "block_length", "threshold"]),
        (["-q", "x", "--device", "gpu"], ["gpu", "auto, cpu, cuda"]),
        (["-q", "x", "--model", "llada9"], ["llada9", "embedded", "GSAI-ML/LLaDA-8B-Instruct"]),
    ],
)
def test_names_that_are_not_known(
    quick: Run, note: Path, arguments: list[str], named: list[str]
) -> None:
    told = refused(quick, 2, "answer", note, *arguments)
    assert all(part in told for part in named), told


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["-q", "x", "-q", " \n"], ["question 2 is empty"]),
        ([], ["-q"]),
        (["-q", "x", "--note-kind", "guess"], ["guess", "pointer, written"]),
        (["-q", "x", "--question-policy", "guess"], ["guess", "error, cut"]),
        (["-q", "x", "--set", "block_length=many"], ["block_length", "many", "int"]),
        (["-q", "x", "--set", "block_length"], ["block_length", "key=value"]),
        (["-q", "x", "--window", "0"], ["window=0"]),
        (["-q", "x", "--skip-threshold", "nan"], ["skip_threshold=nan"]),
        (["-q", "x", "--dtype", "int4"], ["int4", "auto, float32, bfloat16, float16"]),
        (["-q", "x", "--seed", "-1"], ["--seed"]),
        (["-q", "x", "--trace-level", "all"], ["all", "windows, steps"]),
        (["-q", "x", "--json", "--text"], ["--json", "--text"]),
        (["-q", "x", "--questions", "q.jsonl"], ["--questions"]),
    ],
)
def test_values_that_make_no_sense(
    call: Call, note: Path, arguments: list[str], named: list[str]
) -> None:
    code, out, told = call("answer", note, *arguments)
    assert (code, out) == (2, "")
    assert told.startswith("error: ") and all(part in told for part in named), told


def test_no_source(quick: Run) -> None:
    assert "SOURCE" in refused(quick, 2, "answer", "-q", "x")


def test_window_larger_than_the_model(quick: Run, model: Path, note: Path) -> None:
    told = refused(quick, 2, "answer", note, "-q", "x", "-m", model, "--window", "513")
    assert "window=513" in told and "512" in told


@pytest.mark.parametrize(
    "missing", ["config.json", "tokenizer.json", "model.safetensors", "ones.toml"]
)
def test_incomplete_model_folder(
    call: Call, quick: Run, model: Path, note: Path, tmp_path: Path, missing: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / missing).unlink()
    if missing == "model.safetensors":
        assert missing in refused(quick, 1, "answer", note, "-q", "x", "-m", folder)
    else:
        code, _, told = call("answer", note, "-q", "x", "-m", folder)
        assert code == 1 and missing in told


def test_output_in_no_folder(quick: Run, note: Path, tmp_path: Path) -> None:
    target = tmp_path / "none" / "out.jsonl"
    told = refused(quick, 1, "answer", note, "-q", "x", "-o", target)
    assert str(target.parent) in told


def test_output_that_is_a_folder(quick: Run, note: Path, tmp_path: Path) -> None:
    assert "folder" in refused(quick, 1, "answer", note, "-q", "x", "--trace", tmp_path)


@pytest.mark.parametrize("option", ["--output", "--trace"])
def test_output_never_overwrites_a_source(
    quick: Run, text_file: Callable[[str, bytes], Path], option: str
) -> None:
    source = text_file("a.txt", b"Some text.")
    refused(quick, 2, "answer", source, "-q", "x", option, source)
    assert source.read_bytes() == b"Some text."


def test_refused_run_leaves_the_old_output(quick: Run, note: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_bytes(b"of an earlier run\n")
    refused(quick, 2, "answer", note, "-q", "x", "-m", "llada9", "-o", target)
    assert target.read_bytes() == b"of an earlier run\n"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "no questions"),
        (b'{"source": "a.txt", "question": "x"}\n{"source": "a.txt"}\n', "line 2"),
        (b'{"source": "a.txt", "question"', "line 1"),
        (b"[1]\n", "line 1"),
        (b'{"source": "a.txt", "question": " "}\n', "question=' '"),
    ],
)
def test_files_of_questions(
    call: Call, text_file: Callable[[str, bytes], Path], content: bytes, named: str
) -> None:
    path = text_file("questions.jsonl", content)
    code, out, told = call("answer", "--questions", path)
    assert (code, out) == (2, "")
    assert str(path) in told and named in told


def test_file_of_questions_that_is_not_there(quick: Run, tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    assert str(path) in refused(quick, 2, "answer", "--questions", path)


def test_prompts(call: Call) -> None:
    assert "give a prompt" in call("generate")[2]
    assert "empty" in call("generate", " ")[2]
    assert "differ" in call("generate", "x", "--block-length", "8", "--set", "block_length=4")[2]


def test_prompt_that_is_not_text(quick: Run) -> None:
    assert "UTF-8" in refused(quick, 2, "generate", "-", stdin=b"\xff\xfe")


@pytest.mark.parametrize(
    "arguments",
    [["answer", "--questions", "-"], ["generate", "-"], ["trace", "check", "-"]],
)
def test_closed_standard_input(quick: Run, arguments: list[str]) -> None:
    assert "standard input is closed" in refused(quick, 2, *arguments, stdin=None)


def test_traces_that_cannot_be_read(quick: Run, tmp_path: Path) -> None:
    assert "no.jsonl" in refused(quick, 1, "trace", "show", tmp_path / "no.jsonl")
    assert str(tmp_path) in refused(quick, 1, "trace", "check", tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        *(["--preset", name] for name in PRESET_NAMES),
        ["--preset", "exact", "--set", "steps=5"],
        ["--preset", "exact", "--set", "steps=100000"],
        ["--preset", "prophet", "--set", "answer=40"],
        ["--gen-length", "400", "--set", "block_length=500"],
    ],
    ids=" ".join,
)
def test_plan_prices_what_answer_answers_and_nothing_else(
    call: Call, model: Path, note: Path, options: list[str]
) -> None:
    """A decoder that does not suit the model or the length is refused by both, in the same words."""
    given = (note, "-q", "Which hall?", "-m", model, *options)
    answered, planned = call("answer", *given), call("plan", *given)
    assert (planned[0], planned[2]) == (answered[0], answered[2])
    assert (planned[0] == 0) == bool(planned[1])
    refused = {"block", "block-edit", "block-terminal", "steps=100000", "answer=40"}
    assert (planned[0] == 2) == bool(refused & set(options))
