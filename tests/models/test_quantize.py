"""int8 weights by torchao: which layers have them, how far they lie, and what is refused."""

import builtins
import copy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from foldctx.errors import UsageError
from foldctx.models import load_model
from foldctx.models.packing import PackedLinear, can_pack
from tests.models.checkpoints import LLADA2, write_checkpoint
from tests.models.test_load import feeds


def quantised(module: nn.Module) -> list[str]:
    return [n for n, w in module.named_parameters() if type(w) is not nn.Parameter]


def test_an_unknown_form(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="quantize='int3': choose from int8"):
        load_model(tmp_path, quantize="int3")


def test_without_torchao(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path)
    real = builtins.__import__

    def absent(name: str, *args: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "torchao":
            raise ModuleNotFoundError("No module named 'torchao'", name="torchao")
        return real(name, *args, **more)

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchao"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError, match=r"pip install 'foldctx\[quantize\]'"):
        load_model(tmp_path, device="cpu", quantize="int8")


class TestWithTorchao:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("torchao", reason="foldctx[quantize] is not installed")

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    @pytest.mark.parametrize("packed", [False, True])
    def test_near_the_plain_weights(self, tmp_path: Path, dtype: str, packed: bool) -> None:
        write_checkpoint(tmp_path, include_qkv_bias=True)
        plain = load_model(tmp_path, device="cpu", dtype=dtype)
        small = load_model(tmp_path, device="cpu", dtype=dtype, quantize="int8", packed=packed)
        assert (small.quantize, plain.quantize, small.dtype) == ("int8", None, plain.dtype)
        kinds = ("q_proj", "k_proj", "v_proj", "attn_out", "ff_proj", "up_proj", "ff_out")
        wanted = {f"blocks.{layer}.{kind}.weight" for layer in (0, 1) for kind in kinds}
        assert set(quantised(small.transformer)) == wanted
        for ours, theirs in zip(small.predict(feeds()), plain.predict(feeds()), strict=True):
            error = (ours - theirs).abs().max() / theirs.abs().max()
            assert 0 < error < 0.05  # 127 steps for the largest weight of an output

    def test_a_weight_is_rounded_to_steps_of_its_row(self, tmp_path: Path) -> None:
        written = write_checkpoint(tmp_path)
        small = load_model(tmp_path, device="cpu", quantize="int8").transformer
        weight = written.blocks[0].q_proj.weight
        found = small.blocks[0].q_proj(torch.eye(weight.shape[1])).T  # column by column
        step = weight.abs().amax(1, keepdim=True) / 127
        assert ((found - weight).abs() <= 0.51 * step).all()
        assert torch.equal(small.wte.weight, written.wte.weight)

    @pytest.mark.skipif(not can_pack(), reason="this torch was built without oneDNN")
    def test_what_is_left_in_float32_is_laid_out_for_the_cpu(self, tmp_path: Path) -> None:
        write_checkpoint(tmp_path)
        small = load_model(tmp_path, device="cpu", quantize="int8", packed=True).transformer
        packed = [n for n, m in small.named_modules() if isinstance(m, PackedLinear)]
        assert packed == ["ff_out"]

    def test_rows_do_not_depend_on_those_beside_them(self, tmp_path: Path) -> None:
        write_checkpoint(tmp_path)
        small = load_model(tmp_path, device="cpu", quantize="int8")
        together = small.predict(feeds())
        for feed, ours in zip(feeds(), together, strict=True):
            (alone,) = small.predict([feed])
            assert torch.equal(ours, alone)

    def test_a_copy_says_the_same(self, tmp_path: Path) -> None:
        write_checkpoint(tmp_path)
        small = load_model(tmp_path, device="cpu", quantize="int8")
        again = replace(small, transformer=copy.deepcopy(small.transformer))
        for ours, theirs in zip(again.predict(feeds()), small.predict(feeds()), strict=True):
            assert torch.equal(ours, theirs)

    def test_experts_are_refused(self, tmp_path: Path) -> None:
        write_checkpoint(tmp_path, base=LLADA2, mask_token_id=0, eos_token_id=1)
        with pytest.raises(UsageError, match="stacked experts"):
            load_model(tmp_path, device="cpu", quantize="int8")
