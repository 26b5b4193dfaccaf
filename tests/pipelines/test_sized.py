"""Checkpoints of a named size: the published form, made in shards, read and held against float32."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from foldctx.errors import OutputError, UsageError
from foldctx.models import load_model, read_checkpoint
from foldctx.models.dims import Dims
from foldctx.models.forward import Feed
from foldctx.models.llada import FAMILY, dims_from_config
from foldctx_pipelines.first_layers import rows_after
from foldctx_pipelines.sized import make
from foldctx_pipelines.sized.check import TOLERANCES, check_checkpoint, first_layers
from foldctx_pipelines.sized.configs import NAMES, config_of, sized_config
from foldctx_pipelines.sized.make import make_checkpoint, tokenizer_with_ids

SMALL = Dims(width=64, layers=3, heads=4, kv_heads=4, mlp=160, embeddings=8192)
GOLDEN = Path(__file__).parents[1] / "golden" / "llada_tiny" / "config.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint in several shards."""
    folder = tmp_path_factory.mktemp("sized") / "model"
    files = list(make_checkpoint(folder, sized_config(SMALL, 512), shard_bytes=400_000))
    assert len(files) > 2
    return folder


def test_llada_8b_has_the_published_sizes_and_fields() -> None:
    config = config_of("llada-8b")
    dims = dims_from_config(config)
    assert (dims.width, dims.layers, dims.heads, dims.kv_heads, dims.mlp) == (
        4096,
        32,
        32,
        32,
        12288,
    )
    assert (dims.embeddings, dims.rope_theta, dims.tied) == (126464, 500000.0, False)
    assert (config["mask_token_id"], config["eos_token_id"]) == (126336, 126081)
    assert config["max_sequence_length"] == 4096
    # The recorded tiny model was made with the published code: the same fields, at other sizes.
    recorded = json.loads(GOLDEN.read_text("utf-8"))
    assert set(config) == set(recorded)
    changed = {key for key in config if config[key] != recorded[key]}
    assert changed == {
        "d_model",
        "n_heads",
        "n_kv_heads",
        "n_layers",
        "mlp_hidden_size",
        "max_sequence_length",
        "vocab_size",
        "embedding_size",
        "mask_token_id",
        "eos_token_id",
        "pad_token_id",
    }


def test_llada_8b_has_the_published_names_and_parameters() -> None:
    shapes = make._shapes(FAMILY, config_of("llada-8b"))
    start = "model.transformer."
    layer = {name for name in shapes if name.startswith(f"{start}blocks.31.")}
    assert layer == {
        f"{start}blocks.31.{kind}.weight"
        for kind in [
            "q_proj",
            "k_proj",
            "v_proj",
            "attn_out",
            "ff_proj",
            "up_proj",
            "ff_out",
            "attn_norm",
            "ff_norm",
        ]
    }
    rest = {name for name in shapes if ".blocks." not in name}
    assert rest == {f"{start}{kind}.weight" for kind in ("wte", "ln_f", "ff_out")}
    assert len(shapes) == 32 * 9 + 3
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 8_015_581_184


def test_the_published_ids_are_those_of_the_tokenizer() -> None:
    form = tokenizer_with_ids(FAMILY, config_of("llada-8b"))
    ids = {token["content"]: token["id"] for token in form["added_tokens"]}
    vocabulary = form["model"]["vocab"]
    for content, id in {
        "<|mdm_mask|>": 126336,
        "<|endoftext|>": 126081,
        "<|eot_id|>": 126348,
    }.items():
        assert ids[content] == vocabulary[content] == id
    assert len(set(vocabulary.values())) == len(vocabulary)


def test_it_loads_as_any_other(folder: Path) -> None:
    checkpoint = read_checkpoint(folder)
    assert (checkpoint.info.layers, checkpoint.info.width, checkpoint.info.window) == (3, 64, 512)
    assert {stored.dtype for stored in checkpoint.weights.tensors.values()} == {"BF16"}
    model = load_model(folder, device="cpu", dtype="bfloat16")
    assert model.tokenizer.decode(model.tokenizer.encode_text("The lease of 1994")) == (
        "The lease of 1994"
    )
    index = json.loads((folder / "model.safetensors.index.json").read_text("utf-8"))
    assert index["metadata"]["total_size"] == 2 * checkpoint.info.parameters
    weight = model.transformer.layers[0].q_proj.weight
    assert abs(float(weight.float().std()) * 8 - 1) < 0.05


def test_the_same_seed_makes_the_same_weights(tmp_path: Path) -> None:
    config = sized_config(SMALL, 512)
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        list(make_checkpoint(tmp_path / name, config, seed=seed))
    one, two, other = (
        read_checkpoint(tmp_path / n).weights.sha256() for n in ("one", "two", "other")
    )
    assert one == two != other


def test_what_is_cut_short_is_no_checkpoint(tmp_path: Path) -> None:
    shards = make_checkpoint(tmp_path / "model", sized_config(SMALL), shard_bytes=400_000)
    next(shards)
    shards.close()
    assert not (tmp_path / "model" / "model.safetensors.index.json").exists()
    with pytest.raises(UsageError, match="is not empty; name a new folder"):
        next(make_checkpoint(tmp_path / "model", sized_config(SMALL)))


def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = make.shutil.disk_usage(tmp_path)._replace(free=10**6)
    monkeypatch.setattr(make.shutil, "disk_usage", lambda path: free)
    with pytest.raises(OutputError, match="the weights take 14.9 GiB"):
        next(make_checkpoint(tmp_path / "model", config_of("llada-8b")))
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_the_check_passes(folder: Path, dtype: str) -> None:
    report = check_checkpoint(str(folder), dtype=dtype, tokens=64)
    assert report.ok and len(report.errors) == 2
    # Rounding to 16 bits is seen: the reference is not the model itself.
    assert dtype == "float32" or min(report.errors) > 1e-4
    assert report.errors[0] <= report.tolerance == TOLERANCES[dtype]


def test_the_check_fails_for_layers_that_compute_something_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second layer's MLP is a tenth smaller in what is loaded than in what it is held against."""
    from foldctx_pipelines.sized import check

    real = check.load_checkpoint

    def bent(checkpoint: Any, **options: Any) -> Any:
        model = real(checkpoint, **options)
        if options["dtype"] == "bfloat16":
            layer = model.transformer.layers[1]
            layer.ff_out.weight = torch.nn.Parameter(0.9 * layer.ff_out.weight, requires_grad=False)
        return model

    monkeypatch.setattr(check, "load_checkpoint", bent)
    report = check_checkpoint(str(folder), tokens=64)
    assert not report.ok
    assert report.errors[0] <= report.tolerance < report.errors[1]


def test_the_first_layers_alone_are_read(folder: Path) -> None:
    checkpoint = read_checkpoint(folder)
    short = first_layers(checkpoint, 2)
    assert len(short.weights.tensors) == 2 * 9 + 3
    from foldctx.models.load import load_checkpoint

    whole, cut = (load_checkpoint(c, device="cpu") for c in (checkpoint, short))
    feed = Feed(torch.arange(20) * 100, torch.arange(20), torch.arange(20))
    for depth in (0, 1, 2):
        ours, theirs = (rows_after(m.transformer, [feed], depth)[0] for m in (cut, whole))
        assert torch.equal(ours, theirs)
    assert not torch.equal(ours, rows_after(whole.transformer, [feed], 3)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 4}, "layers=4: the model has 3"),
        ({"tokens": 513}, "tokens=513: the window has 512"),
        ({"dtype": "float8"}, "dtype='float8': choose from"),
    ],
)
def test_the_check_refuses(folder: Path, options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_checkpoint(str(folder), **options)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "foldctx_pipelines.sized", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )


def test_the_command(tmp_path: Path) -> None:
    made = command("make", tmp_path / "model", "--shape", "30m")
    assert made.returncode == 0, made.stderr
    assert made.stdout.split() == [str(tmp_path / "model" / "model-00001-of-00001.safetensors")]
    checked = command("check", tmp_path / "model", "--tokens", 32)
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["ok"] is True
    refused = command("make", tmp_path / "other", "--shape", "9b")
    assert refused.returncode == 2
    assert refused.stderr.strip() == f"error: shape '9b': choose from {', '.join(NAMES)}"
