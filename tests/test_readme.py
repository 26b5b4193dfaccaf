"""What the README says about commands is executed, and its library example too."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
NEEDS_HUB_OR_MAKE = ("GSAI-ML", "--model foldctx", "pip install", "make ")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    lines = [line.strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if not any(mark in line for mark in NEEDS_HUB_OR_MAKE)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the samples, where commands may leave files."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "samples").symlink_to(ROOT / "samples")
    return folder


def run(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    bin_folder = Path(sys.executable).parent
    path = f"{bin_folder}:/usr/bin:/bin"
    return subprocess.run(
        ["sh", "-c", line],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": path, "HOME": "/"},
    )


def test_there_are_commands() -> None:
    assert len(commands()) > 12


@pytest.mark.parametrize("line", commands())
def test_command_runs(line: str, checkout: Path) -> None:
    done = run(line, checkout)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert done.stdout or " -o " in line or " --output " in line


def test_library_example_runs(checkout: Path) -> None:
    code = "\n".join(blocks("python"))
    done = run(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}", checkout)
    assert done.returncode == 0, done.stderr
    assert "32" in done.stdout.splitlines()[-1]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
