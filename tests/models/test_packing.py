"""Weights laid out for the CPU: the same numbers but for rounding, and a copy that is plain."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from foldctx.models.architecture import Dims, Transformer
from foldctx.models.forward import Feed, forward
from foldctx.models.llada2_network import LLaDA2Network
from foldctx.models.load import load_model
from foldctx.models.packing import PackedLinear, can_pack, pack, rows_for
from tests.models.checkpoints import write_checkpoint

pytestmark = pytest.mark.skipif(not can_pack(), reason="this torch was built without oneDNN")


def network(*, bias: bool = False, tied: bool = False) -> Transformer:
    torch.manual_seed(0)
    dims = Dims(
        width=64, layers=2, heads=4, kv_heads=2, mlp=96, embeddings=80, qkv_bias=bias, tied=tied
    )
    return Transformer(dims).eval()


def feeds() -> list[Feed]:
    generator = torch.Generator().manual_seed(1)
    return [
        Feed(torch.randint(0, 80, (n,), generator=generator), torch.arange(n), torch.arange(m))
        for n, m in ((1, 1), (17, 4), (40, 40))
    ]


@pytest.mark.parametrize(("bias", "tied"), [(False, False), (True, True)])
def test_a_packed_network_says_the_same(bias: bool, tied: bool) -> None:
    plain, packed = network(bias=bias, tied=tied), network(bias=bias, tied=tied)
    pack(packed)
    assert sum(isinstance(m, PackedLinear) for m in packed.modules()) == 14 + (not tied)
    assert not any(type(m) is nn.Linear for m in packed.modules())
    assert sum(p.numel() for p in packed.parameters()) == sum(p.numel() for p in plain.parameters())
    for ours, theirs in zip(forward(packed, feeds()), forward(plain, feeds()), strict=True):
        assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


class Counts(TorchDispatchMode):
    """The row counts that oneDNN is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.mkldnn._linear_pointwise.default:
            self.seen.add(len(args[0]))
        return func(*args, **(kwargs or {}))


def test_few_row_counts_are_computed_with() -> None:
    """oneDNN keeps what it made for each count: without this, a gigabyte over some hundred texts."""
    plain = nn.Linear(64, 48, bias=False).requires_grad_(False)
    packed = PackedLinear(plain)
    with Counts() as counts:
        for rows in (*range(1, 300), 511, 512, 513, 1100):
            x = torch.randn(rows, 64)
            found = packed(x)
            assert found.shape == (rows, 48)
            assert torch.allclose(found, plain(x), atol=1e-5)
    assert len(counts.seen) < 30
    assert len({rows_for(rows) for rows in range(1, 32 * 512)}) < 70
    for rows in range(1, 32 * 512):
        assert rows <= rows_for(rows) <= max(rows + 15, rows * 9 / 8)


def test_a_copy_is_plain_and_has_the_very_weights() -> None:
    plain, packed = network(bias=True), network(bias=True)
    pack(packed)
    again = copy.deepcopy(packed)
    for (name, ours), (_, theirs) in zip(
        again.named_parameters(), plain.named_parameters(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    for ours, theirs in zip(forward(again, feeds()), forward(plain, feeds()), strict=True):
        assert torch.equal(ours, theirs)


def test_other_types_and_layers_read_in_parts_stay_as_they_are() -> None:
    wide = network().double()
    pack(wide)
    assert not any(isinstance(m, PackedLinear) for m in wide.modules())
    assert LLaDA2Network.read_in_parts == ("query_key_value",)


def test_loading_packs_when_asked(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    plain, packed = (load_model(tmp_path, device="cpu", packed=p) for p in (False, True))
    assert not any(isinstance(m, PackedLinear) for m in plain.transformer.modules())
    assert any(isinstance(m, PackedLinear) for m in packed.transformer.modules())
