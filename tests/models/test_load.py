"""Checkpoints in the hub's form load to the network that wrote them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from foldctx.errors import ModelError, UsageError
from foldctx.models import load_model
from foldctx.models.checkpoint import EMBEDDED_FOLDER
from foldctx.models.forward import Feed, forward
from tests.models.checkpoints import CONFIG, VOCAB, random_network, write_checkpoint


def feeds() -> list[Feed]:
    """Two rows of unequal length, one at positions that do not start at 0 and with a key bias."""
    bias = torch.zeros(9)
    bias[3] = -2.0
    return [
        Feed(torch.arange(5) + 40, torch.arange(5), torch.tensor([0, 4])),
        Feed(torch.arange(9) * 7, torch.arange(9) + 20, torch.arange(9), key_bias=bias),
    ]


def run_python(code: str, **environment: str) -> str:
    """Standard output of a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="as published"),
        pytest.param({"weight_tying": True}, id="tied"),
        pytest.param({"n_kv_heads": 2}, id="grouped"),
        pytest.param({"n_kv_heads": 1, "weight_tying": True}, id="one kv head, tied"),
        pytest.param({"n_kv_heads": None}, id="null kv heads"),
        pytest.param({"include_qkv_bias": True}, id="biased"),
        pytest.param({"embedding_size": VOCAB + 20}, id="more rows than tokens"),
        pytest.param({"mlp_hidden_size": None, "mlp_ratio": 3}, id="mlp by ratio"),
    ],
)
@pytest.mark.parametrize("shards", [1, 3])
def test_equal_logits(tmp_path: Path, fields: dict[str, Any], shards: int) -> None:
    written = write_checkpoint(tmp_path, shards=shards, **fields)
    loaded = load_model(tmp_path, device="cpu")
    for ours, theirs in zip(loaded.predict(feeds()), forward(written, feeds()), strict=True):
        assert torch.equal(ours, theirs)
    assert loaded.info.parameters == sum(p.numel() for p in written.parameters())


def test_stored_in_16_bits_computed_in_32(tmp_path: Path) -> None:
    written = write_checkpoint(tmp_path, dtype=torch.bfloat16)
    rounded = written.bfloat16().float()
    loaded = load_model(tmp_path, device="cpu")
    assert loaded.dtype == torch.float32
    for ours, theirs in zip(loaded.predict(feeds()), forward(rounded, feeds()), strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_computes_in_the_type_asked_for(tmp_path: Path, dtype: str) -> None:
    wide = write_checkpoint(tmp_path)
    loaded = load_model(tmp_path, device="cpu", dtype=dtype)
    kind = getattr(torch, dtype)
    assert {p.dtype for p in loaded.transformer.parameters()} == {loaded.dtype} == {kind}
    reference = forward(wide, feeds())[1]
    error = (loaded.predict(feeds())[1].float() - reference).abs().max() / reference.abs().max()
    assert error < {"float32": 1e-6, "bfloat16": 0.1, "float16": 0.01}[dtype]


def test_info_and_device(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    model = load_model(str(tmp_path), device="cpu", window=48)
    info = model.info
    assert (info.family, info.window, info.vocab_size) == ("llada", 48, VOCAB)
    assert (info.layers, info.width, info.heads, info.revision) == (2, 32, 4, None)
    assert info.name == str(tmp_path)
    assert model.device == torch.device("cpu")
    assert not any(p.requires_grad for p in model.transformer.parameters())
    assert model.tokenizer.decode(model.tokenizer.encode_text("a <|eot_id|>")) == "a <|eot_id|>"


@pytest.mark.parametrize("window", [0, 1, 65, -3])
def test_window_is_lowered_only(tmp_path: Path, window: int) -> None:
    write_checkpoint(tmp_path)
    with pytest.raises(UsageError, match=f"window={window}.*from 2 to 64"):
        load_model(tmp_path, window=window)
    assert load_model(tmp_path, device="cpu", window=64).info.window == 64


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    with pytest.raises(UsageError, match="device='cuda:99'.*CUDA devices"):
        load_model(tmp_path, device="cuda:99")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda(tmp_path: Path) -> None:
    written = write_checkpoint(tmp_path)
    model = load_model(tmp_path, device="cuda", dtype="float32")
    reference = forward(written, feeds())
    for ours, theirs in zip(model.predict(feeds()), reference, strict=True):
        assert ours.device.type == "cuda"
        assert (ours.cpu() - theirs).abs().max() < 1e-3
    assert load_model(tmp_path).dtype == torch.bfloat16


READER_SIZED = {
    "d_model": 256,
    "n_layers": 6,
    "mlp_hidden_size": 768,
    "vocab_size": 4096,
    "embedding_size": 4096,
    "weight_tying": True,
}


def test_loading_is_light(tmp_path: Path) -> None:
    """Beyond `import torch`, under a CPU second (about 0.1) and no heavy library."""
    write_checkpoint(tmp_path, dtype=torch.bfloat16, **READER_SIZED)
    code = (
        "import json, sys, time\nimport torch\nbegun = time.process_time()\n"
        "from foldctx.models import load_model\n"
        f"load_model({str(tmp_path)!r}, device='cpu')\n"
        "print(json.dumps([time.process_time() - begun, sorted(sys.modules)]))"
    )
    seconds, modules = json.loads(run_python(code))
    assert seconds < 1
    heavy = {"transformers", "accelerate", "huggingface_hub", "torch._dynamo", "sympy"}
    assert not heavy & set(modules)


def test_importing_needs_no_torch() -> None:
    code = "import sys, foldctx.models.load; print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"


MEASURE = """
import re, torch, foldctx.models.load
from foldctx.models.load import load_model
import foldctx.models.build, foldctx.models.packing
def kib(field):
    status = open('/proc/self/status').read()
    return int(re.search(field + r':\\s+(\\d+)', status)[1])
torch.ones(9).bfloat16().float()
open('/proc/self/clear_refs', 'w').write('5')
before = kib('VmRSS')
model = load_model({folder!r}, device='cpu', dtype={dtype!r}, packed={packed})
size = sum(p.numel() * p.element_size() for p in model.transformer.parameters()) / 1024
print((kib('VmHWM') - before) / size)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("stored", "dtype", "packed", "least", "most"),
    [
        pytest.param(torch.bfloat16, "float32", False, 0.9, 1.4, id="widened"),
        pytest.param(torch.float32, "float32", True, 0.9, 1.4, id="laid out"),
        pytest.param(torch.float32, "bfloat16", False, 0.9, 1.6, id="narrowed"),
        pytest.param(torch.bfloat16, "bfloat16", True, 0, 0.3, id="left in the file"),
    ],
)
def test_memory_stays_near_the_size_of_the_model(
    tmp_path: Path, stored: torch.dtype, dtype: str, packed: bool, least: float, most: float
) -> None:
    """A network initialised and then loaded, or laid out beside its file, would take twice its size.

    What may be added is one tensor on its way, twice, and some megabytes of code.
    """
    write_checkpoint(tmp_path, dtype=stored, d_model=512, mlp_hidden_size=2048, n_layers=6)
    code = MEASURE.format(folder=str(tmp_path), dtype=dtype, packed=packed)
    assert least < float(run_python(code)) < most


def test_the_embedded_reader() -> None:
    """It loads by name where the installation has it, and says what to do where it has not."""
    if EMBEDDED_FOLDER.is_dir():
        model = load_model("embedded", device="cpu")
        assert model.info.name == "embedded"
        assert model.prompts_source.is_file()
    else:
        with pytest.raises(ModelError, match="embedded reader.*reinstall"):
            load_model("embedded")


def test_the_embedded_readers_name_is_not_a_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("foldctx.models.checkpoint.EMBEDDED_FOLDER", tmp_path / "weights")
    with pytest.raises(ModelError, match=re.escape(str(tmp_path / "weights"))):
        load_model("embedded")
    written = write_checkpoint(tmp_path / "weights")
    model = load_model("embedded", device="cpu")
    assert torch.equal(model.predict(feeds())[0], forward(written, feeds())[0])


def test_weights_of_another_seed_differ() -> None:
    """The equalities above would hold between any two networks if the weights did not matter."""
    one, other = (forward(random_network(CONFIG, seed), feeds())[0] for seed in (0, 1))
    assert (one - other).abs().max() > 0.1
