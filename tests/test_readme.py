"""What the README says about commands is executed, and its library example too."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
# A hub, a build, a cluster, or another package.
NEEDS_MORE = ("GSAI-ML", "--model foldctx", "pip install", "make ", "SLURM", "ray ")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    """The commands of each block: a block's later ones may need what its first ones left."""
    found = [
        [
            line.strip()
            for line in block.splitlines()
            if line.strip() and not any(mark in line for mark in NEEDS_MORE)
        ]
        for block in blocks("sh")
    ]
    return [block for block in found if block]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the samples, where commands may leave files."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "samples").symlink_to(ROOT / "samples")
    write_benchmark_data(folder)
    return folder


def write_benchmark_data(folder: Path) -> None:
    """What the benchmark commands name: tiny files in the form of the originals."""
    row = {"input": "Where is it?", "context": "The key is in the hall. " * 9, "length": 50}
    row |= {"answers": ["in the hall"], "all_classes": None, "_id": "1", "language": "en"}
    story = "1 Mary went to the hallway.\n2 Where is Mary?\thallway\t1\n"
    book = " ".join(f"On day {i} the boats lay still in the rain for hours." for i in range(300))
    for name in ("LongBench", "babi", "runs"):
        (folder / name).mkdir()
    for task in ("hotpotqa", "gov_report"):
        (folder / "LongBench" / f"{task}.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "babi" / "qa1_single-supporting-fact_test.txt").write_text(story)
    (folder / "book.txt").write_text(book)
    (folder / "prompts.jsonl").write_text('{"prompt": "Write about rain.", "length": 40}\n')


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
    assert sum(map(len, commands())) > 12


@pytest.mark.parametrize("block", commands(), ids=lambda block: block[0].replace(" ", "_"))
def test_commands_run(block: list[str], checkout: Path) -> None:
    lacking = [line for line in block if "jq " in line and shutil.which("jq") is None]
    for line in (line for line in block if line not in lacking):
        done = run(line, checkout)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stdout or " -o " in line or " --output " in line
    if lacking:
        pytest.skip(f"jq is not installed: {lacking}")


def test_library_example_runs(checkout: Path) -> None:
    code = "\n".join(blocks("python"))
    done = run(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}", checkout)
    assert done.returncode == 0, done.stderr
    assert "32" in done.stdout.splitlines()[-1]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
