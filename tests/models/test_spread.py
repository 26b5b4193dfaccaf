"""A model over several devices and the disk says what it says on one, and refuses other maps."""

import gc
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from foldctx.decoding import Request, Segment, decode_one, preset
from foldctx.errors import UsageError
from foldctx.models import Model, load_model
from foldctx.models.forward import Feed
from tests.models.checkpoints import CONFIG, DREAM, LLADA2, write_checkpoint

IDS = {"mask_token_id": 0, "eos_token_id": 1}
FAMILIES: Mapping[str, tuple[Mapping[str, Any], dict[str, str]]] = {
    "llada": (CONFIG, {"": "cpu", "blocks.1": "disk", "ff_out": "disk"}),
    "dream": (DREAM, {"": "cpu", "model.layers": "disk", "lm_head": "disk"}),
    "llada2": ({**LLADA2, **IDS}, {"": "disk", "model.layers.0": "cpu"}),
}


def feeds() -> list[Feed]:
    """Two rows; every wanted position follows a fed one, as shifted families need it."""
    bias = torch.zeros(12)
    bias[3] = -2.0
    return [
        Feed(torch.arange(12) * 9, torch.arange(12), torch.arange(1, 12), key_bias=bias),
        Feed(torch.arange(5) + 40, torch.arange(5) + 20, torch.tensor([2, 4])),
    ]


def on_disk(model: Model) -> int:
    return sum(weight.is_meta for weight in model.transformer.parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_split_over_cpu_and_disk_says_the_same(tmp_path: Path, family: str, dtype: str) -> None:
    base, devices = FAMILIES[family]
    write_checkpoint(tmp_path / "model", shards=3, base=base)
    whole = load_model(tmp_path / "model", device="cpu", dtype=dtype)
    split = load_model(
        tmp_path / "model", dtype=dtype, device_map=devices, offload_folder=tmp_path / "offload"
    )
    assert split.spread in (("cpu", "disk"), ("disk", "cpu"))
    held = on_disk(split)
    assert held > len(list(split.transformer.parameters())) / 3
    for _ in range(2):  # what was read for one forward is let go after it
        for ours, theirs in zip(split.predict(feeds()), whole.predict(feeds()), strict=True):
            assert ours.dtype == whole.dtype
            assert (ours - theirs).abs().max() <= 1e-6 * theirs.abs().max()
        assert on_disk(split) == held


@pytest.mark.parametrize("name", ["exact", "elastic", "dllm-cache", "sparse"])
def test_a_split_decodes_the_same_tokens(tmp_path: Path, name: str) -> None:
    write_checkpoint(tmp_path, shards=2)
    models = [
        load_model(tmp_path, device="cpu"),
        load_model(tmp_path, device_map={"": "disk", "blocks.0": "cpu", "wte": "cpu"}),
    ]
    request = Request("0", (Segment("question", tuple(range(50, 62))),), 16, seed=1)
    whole, split = (decode_one(m, request, preset(name, block_length=8)) for m in models)
    assert whole.tokens == split.tokens and len(split.tokens) == 16
    assert whole.confidences == split.confidences


def test_a_map_by_room_puts_on_disk_what_does_not_fit(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, n_layers=6)
    whole = load_model(tmp_path, device="cpu")
    limits = {"cpu": "150KB"}  # a layer has 35 KB, the embedding and the head 38 each
    split = load_model(tmp_path, device_map="auto", max_memory=limits)
    placed = split.transformer.hf_device_map
    assert placed["wte"] == placed["blocks.0"] == "cpu"
    assert placed["blocks.5"] == placed["ff_out"] == "disk"
    for ours, theirs in zip(split.predict(feeds()), whole.predict(feeds()), strict=True):
        assert torch.equal(ours, theirs)
    roomy = load_model(tmp_path, device_map="auto", max_memory={"cpu": "1GiB"})
    assert roomy.spread == ("cpu",) and not on_disk(roomy)


def test_a_map_in_a_file(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model")
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"": "cpu", "blocks": "disk"}))
    split = load_model(tmp_path / "model", device_map=str(file))
    assert on_disk(split) == 2 * 9
    file.write_text("[]")
    with pytest.raises(UsageError, match="a device map is a JSON object"):
        load_model(tmp_path / "model", device_map=str(file))
    with pytest.raises(UsageError, match=r"device_map='balanced': give auto or a JSON file"):
        load_model(tmp_path / "model", device_map="balanced")


def test_a_tied_embedding_stays_where_the_head_is_computed(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, weight_tying=True)
    whole = load_model(tmp_path, device="cpu")
    split = load_model(tmp_path, device_map={"": "disk", "wte": "cpu"})
    for ours, theirs in zip(split.predict(feeds()), whole.predict(feeds()), strict=True):
        assert torch.equal(ours, theirs)
    with pytest.raises(UsageError, match="wte.weight on disk, but it is the head as well"):
        load_model(tmp_path, device_map={"": "disk"})


def test_what_is_written_for_experts_goes_with_the_model(tmp_path: Path) -> None:
    base, devices = FAMILIES["llada2"]
    write_checkpoint(tmp_path / "model", base=base)
    with pytest.raises(UsageError, match="model.layers.1.mlp.experts on disk.*offload_folder"):
        load_model(tmp_path / "model", device_map=devices)
    offload = tmp_path / "offload"
    split = load_model(tmp_path / "model", device_map=devices, offload_folder=offload)
    written = list(offload.glob("*/*"))
    assert len(written) == 2 and {file.suffix for file in written} == {".safetensors"}
    del split
    gc.collect()
    assert not list(offload.iterdir())


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "unknown device": (
        {"device_map": {"": "gpu"}},
        "the whole model' on 'gpu'; choose from cpu, disk",
    ),
    "absent device": ({"device_map": {"": "cuda:99"}}, "device='cuda:99'.*CUDA devices"),
    "absent device limited": (
        {"device_map": "auto", "max_memory": {"cuda:99": "1GiB"}},
        "device='cuda:99'.*CUDA devices",
    ),
    "unknown module": ({"device_map": {"": "cpu", "layers.0": "disk"}}, "'layers.0'.*wte, blocks"),
    "module left out": ({"device_map": {"blocks": "cpu"}}, "holds wte.weight; add 'wte'"),
    "divided layer": (
        {"device_map": {"": "cpu", "blocks.0.q_proj": "disk"}},
        "divides the layer blocks.0 over cpu, disk",
    ),
    "with a device": ({"device_map": "auto", "device": "cpu"}, "exclude each other"),
    "with int8": ({"device_map": "auto", "quantize": "int8"}, "exclude each other"),
    "limits alone": ({"max_memory": {"cpu": "1GiB"}}, "max_memory has no meaning without"),
    "folder alone": ({"offload_folder": "x"}, "offload_folder has no meaning without"),
    "limits of a map": (
        {"device_map": {"": "cpu"}, "max_memory": {"cpu": "1GiB"}},
        "for device_map='auto' alone",
    ),
    "limit of disk": (
        {"device_map": "auto", "max_memory": {"disk": "1GiB"}},
        "takes cpu and cuda:N",
    ),
    "no size": ({"device_map": "auto", "max_memory": {"cpu": "much"}}, "a size such as 8GiB"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    options, message = REFUSED[case]
    write_checkpoint(tmp_path)
    with pytest.raises(UsageError, match=message):
        load_model(tmp_path, **options)
