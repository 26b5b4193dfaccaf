"""What the command costs before it does anything, and how it says what there is."""

import resource
import subprocess
import sys

import pytest

from tests.cli.conftest import Run, environment


def test_importing_the_app_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import foldctx_cli.app, sys;"
        "print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment())
    assert done.stdout.strip() == b"[]"


def test_help_costs_less_than_half_a_cpu_second(quick: Run) -> None:
    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert b"answer" in quick("--help").stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    cost()  # the first run may compile
    assert min(cost() for _ in range(3)) < 0.5


@pytest.mark.parametrize(
    "command",
    [
        "answer",
        "generate",
        "plan",
        "chunk",
        "models list",
        "models show",
        "trace show",
        "trace check",
    ],
)
def test_every_command_has_help(quick: Run, command: str) -> None:
    done = quick(*command.split(), "--help")
    assert done.returncode == 0
    assert f"Usage: foldctx {command}".encode() in done.stdout


def test_no_arguments_show_the_help(quick: Run) -> None:
    assert b"Usage: foldctx" in quick().stdout


def test_version(quick: Run) -> None:
    assert quick("--version").stdout.startswith(b"foldctx ")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["anwser"], ["No such command 'anwser'", "answer, generate, plan, chunk, models, trace"]),
        (["answer", "--strateggy", "fold"], ["--strateggy", "--strategy", "--skip-threshold"]),
        (["trace", "html"], ["there are show, check"]),
        (["plan", "-q", "x"], ["SOURCE", "foldctx plan --help"]),
        (["generate", "x", "--gen-length", "0"], ["--gen-length", "0"]),
    ],
)
def test_what_is_not_there_is_answered_by_what_there_is(
    quick: Run, arguments: list[str], named: list[str]
) -> None:
    done = quick(*arguments)
    told = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b"")
    assert told.startswith("error: ") and told.count("\n") == 1
    assert all(part in told for part in named), told


def test_debug_shows_where_an_error_comes_from(quick: Run) -> None:
    done = quick("--debug", "models", "show", "nothing-here")
    assert b"Traceback" in done.stderr and b"UsageError" in done.stderr
