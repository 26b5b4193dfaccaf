"""The installed command, and a small model that says the same thing whatever it reads.

Every row of its embedding holds one common direction, and its head turns that direction into the
token "1". So it points at sentence 11 of each window and answers with ones: nothing is trained, and
the notes, the quote and the answer of a run are known beforehand.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

import foldctx
from foldctx_cli.app import main
from foldctx_pipelines.training.bpe import save_tokenizer, train_tokenizer

COMMAND = Path(sysconfig.get_path("scripts")) / "foldctx"
TEMPLATE = Path(foldctx.__file__).parent / "folding" / "templates" / "reader.toml"
ONES = "1" * 6
SENTENCE = f"The number of the hall is {ONES} today. "
WINDOW = 512

Completed = subprocess.CompletedProcess[bytes]
Run = Callable[..., Completed]
Call = Callable[..., tuple[int, str, str]]


def environment(**more: str) -> dict[str, str]:
    """No colours of the caller's terminal, no hub, one thread: the machine may be shared."""
    kept = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    return kept | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"} | more


def run_command(
    *arguments: str | Path, stdin: bytes | None = b"", python_path: Path | None = None
) -> Completed:
    """Run the installed command to its end; `stdin` None closes standard input."""
    command = [str(COMMAND), *map(str, arguments)]
    if stdin is None:
        command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    more = {} if python_path is None else {"PYTHONPATH": str(python_path)}
    return subprocess.run(
        command,
        check=False,
        input=stdin or b"",
        capture_output=True,
        env=environment(**more),
        timeout=300,
    )


def records(done: Completed) -> list[dict[str, Any]]:
    """The lines of standard output."""
    return [orjson.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="session")
def run() -> Run:
    if not COMMAND.exists():
        pytest.fail(f"{COMMAND} is not there; install the project first: pip install -e .")
    return run_command


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small model."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer([SENTENCE, "What is the number of the hall?"] * 4, 360)
    save_tokenizer(tokenizer, folder)
    vocabulary = tokenizer.get_vocab_size()
    config = {
        "architectures": ["LLaDAModelLM"],
        "model_type": "llada",
        "d_model": 32,
        "n_heads": 2,
        "n_kv_heads": 2,
        "n_layers": 2,
        "mlp_hidden_size": 48,
        "max_sequence_length": WINDOW,
        "vocab_size": vocabulary,
        "embedding_size": vocabulary,
        "weight_tying": False,
    }
    (folder / "config.json").write_text(json.dumps(config))
    # Units are numbered in plain digits, so that "11" of two slots names one; answers are six tokens.
    template = TEMPLATE.read_text("utf-8")
    for before, after in (
        (r"<\|s\{k\}\|>", "{k} "),
        (r"slots = \d+", "slots = 2"),
        (r"gen_length = \d+", f"gen_length = {len(ONES)}"),
    ):
        template, many = re.subn(before, after, template)
        assert many, f"{TEMPLATE} has no {before}"
    (folder / "ones.toml").write_text(template, "utf-8")
    calibration = {"template": "ones.toml", "skip_threshold": 0.9, "memory_tokens": 96}
    (folder / "foldctx.json").write_text(json.dumps(calibration))
    # The weights are written by a process of their own, so that this one needs no torch.
    said = tokenizer.token_to_id("1")
    subprocess.run([sys.executable, "-c", _WEIGHTS, folder, str(said)], check=True)
    return folder


_WEIGHTS = """
import json, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from foldctx.models.architecture import Transformer
from foldctx.models.llada import WEIGHT_PREFIX, dims_from_config

folder, said = Path(sys.argv[1]), int(sys.argv[2])
network = Transformer(dims_from_config(json.loads((folder / "config.json").read_text())))
generator = torch.Generator().manual_seed(0)
tensors = {}
for name, weight in network.state_dict().items():
    noise = 0.02 * torch.randn(weight.shape, generator=generator)
    tensors[WEIGHT_PREFIX + name] = 1 + noise if "norm" in name or "ln_f" in name else noise
tensors[WEIGHT_PREFIX + "wte.weight"] += 1
tensors[WEIGHT_PREFIX + "ff_out.weight"][said] += 1
save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
"""


@pytest.fixture(scope="session")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pages whose every window has a sentence 11, which holds the answer."""
    path = tmp_path_factory.mktemp("documents") / "hall.txt"
    path.write_text(SENTENCE * 30 + "\f" + SENTENCE * 30)
    return path


@pytest.fixture(scope="session")
def note(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sentence: there is no sentence 11, so no note and no answer."""
    path = tmp_path_factory.mktemp("documents") / "note.txt"
    path.write_text("The hall is closed today.")
    return path


@pytest.fixture
def text_file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def pdf(pages: Sequence[str], *, password: str = "", image: bool = False) -> bytes:
    """A PDF with these pages of text, or with drawings only."""
    from fpdf import FPDF
    from fpdf.enums import EncryptionMethod

    document = FPDF()
    document.set_font("Helvetica", size=12)
    for text in pages:
        document.add_page()
        if image:
            document.rect(20, 20, 100, 100, style="F")
        else:
            document.multi_cell(0, text=text)
    if password:
        method = EncryptionMethod.RC4
        document.set_encryption(password, user_password=password, encryption_method=method)
    return bytes(document.output())


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs the command inside the test, where the way in is not what is tested: ten times quicker."""

    def call_main(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call_main


@pytest.fixture(scope="session")
def quick(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs the command where importing torch or transformers is an error."""
    folder = tmp_path_factory.mktemp("poison")
    for name in ("torch", "transformers"):
        (folder / f"{name}.py").write_text(f"raise AssertionError('{name} was imported')\n")

    def run_quick(*arguments: str | Path, **more: Any) -> Completed:
        return run(*arguments, python_path=folder, **more)

    return run_quick
