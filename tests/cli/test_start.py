"""What the command costs before it does anything, and how it says what there is."""

import resource
import subprocess
import sys

import pytest

from tests.cli.conftest import Call, Run, environment


def test_importing_the_app_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import foldctx_cli.app, sys;"
        "print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, env=environment())
    assert done.stdout.strip() == b"[]"


def test_help_costs_less_than_half_a_cpu_second(quick: Run) -> None:
    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert b"answer" in quick("--help").stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    cost()  # the first run may compile
    assert min(cost() for _ in range(2)) < 0.5


@pytest.mark.parametrize(
    "command",
    [
        "answer",
        "generate",
        "plan",
        "chunk",
        "models list",
        "models show",
        "models verify",
        "bench decode",
        "bench read",
        "bench fidelity",
        "trace show",
        "trace check",
    ],
)
def test_every_command_has_help(call: Call, command: str) -> None:
    code, out, _ = call(*command.split(), "--help")
    assert code == 0
    assert f"Usage: foldctx {command}" in out


def test_no_arguments_show_the_help(call: Call) -> None:
    assert "Usage: foldctx" in call()[1]


def test_version(call: Call) -> None:
    assert call("--version")[1].startswith("foldctx ")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (
            ["anwser"],
            ["No such command 'anwser'", "answer, generate, plan, chunk, batch, eval, bench"],
        ),
        (["answer", "--strateggy", "fold"], ["--strateggy", "--strategy", "--skip-threshold"]),
        (["trace", "html"], ["there are show, check"]),
        (["plan", "-q", "x"], ["SOURCE", "foldctx plan --help"]),
        (["generate", "x", "--gen-length", "0"], ["--gen-length", "1"]),
    ],
)
def test_what_is_not_there_is_answered_by_what_there_is(
    call: Call, arguments: list[str], named: list[str]
) -> None:
    code, out, told = call(*arguments)
    assert (code, out) == (2, "")
    assert told.startswith("error: ") and told.count("\n") == 1
    assert all(part in told for part in named), told


def test_debug_shows_where_an_error_comes_from(quick: Run) -> None:
    done = quick("--debug", "models", "show", "nothing-here")
    assert b"Traceback" in done.stderr and b"UsageError" in done.stderr
