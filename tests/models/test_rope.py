"""Raising the window by a larger rotary base."""

from pathlib import Path

import pytest
import torch

from foldctx.errors import UsageError
from foldctx.models import load_model, read_checkpoint
from foldctx.models.forward import Feed
from foldctx.models.rope import ntk_scale
from tests.models.checkpoints import DREAM, LLADA2, write_checkpoint


@pytest.mark.parametrize(
    ("theta", "trained", "target", "published"),
    [
        (500_000.0, 4096, 8192, 4),
        (500_000.0, 4096, 16_384, 14),
        (500_000.0, 4096, 24_576, 31),
        (500_000.0, 4096, 32_768, 55),
        (500_000.0, 8192, 16_384, 4),
        (500_000.0, 8192, 32_768, 13),
    ],
)
def test_the_published_scales(theta: float, trained: int, target: int, published: int) -> None:
    """LongLLaDA's configs: LLaDA-8B, trained on 4096 tokens, and Llama-3-8B, on 8192."""
    assert ntk_scale(head_dim=128, theta=theta, trained=trained, target=target) == published


def test_loaded_with_a_larger_base_and_window(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    plain, scaled = load_model(tmp_path, device="cpu"), load_model(tmp_path, rope_scale_to=200)
    scale = ntk_scale(head_dim=8, theta=500_000.0, trained=64, target=200)
    assert (plain.info.window, plain.info.rope_scale) == (64, 1)
    assert (scaled.info.window, scaled.info.rope_scale) == (200, scale)
    assert scale > 1
    assert scaled.transformer.dims.rope_theta == 500_000.0 * scale
    feed = Feed(torch.arange(9), torch.arange(9), torch.arange(9))
    apart = (plain.predict([feed])[0] - scaled.predict([feed])[0]).abs().max()
    assert apart > 1e-4


def test_the_raised_window_can_be_lowered(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    assert read_checkpoint(tmp_path, rope_scale_to=200, window=150).info.window == 150
    with pytest.raises(UsageError, match=r"window=201: this model takes from 2 to 200"):
        read_checkpoint(tmp_path, rope_scale_to=200, window=201)


@pytest.mark.parametrize("target", [64, 10, 0, -1])
def test_not_longer_than_trained(tmp_path: Path, target: int) -> None:
    write_checkpoint(tmp_path)
    with pytest.raises(UsageError, match=f"rope_scale_to={target}: the model takes 64 tokens"):
        read_checkpoint(tmp_path, rope_scale_to=target)


@pytest.mark.parametrize("base", [DREAM, LLADA2], ids=["dream", "llada2"])
def test_families_of_which_nothing_is_known(tmp_path: Path, base: dict[str, object]) -> None:
    write_checkpoint(tmp_path, base=base, mask_token_id=0, eos_token_id=1)
    with pytest.raises(UsageError, match=r"nothing is known of .* works for llada$"):
        read_checkpoint(tmp_path, rope_scale_to=9999)
