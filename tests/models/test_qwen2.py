"""The second reference of Dream: transformers' Qwen2 with every position visible."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from foldctx.errors import ModelError
from foldctx.models import load_model
from foldctx.models.forward import Feed
from foldctx.models.shift import aligned
from tests.models.checkpoints import DREAM, VOCAB, stored_tensors, write_checkpoint


def draw(seed: int) -> dict[str, Any]:
    """A configuration from a seed."""
    rng = random.Random(seed)
    heads = rng.choice([2, 4, 6])
    return {
        "num_attention_heads": heads,
        "num_key_value_heads": rng.choice([k for k in (1, 2, 3, 6) if heads % k == 0]),
        "hidden_size": heads * rng.choice([4, 8, 10]),
        "intermediate_size": rng.choice([24, 40, 64]),
        "num_hidden_layers": rng.choice([1, 2, 3]),
        "rope_theta": rng.choice([500.0, 10_000.0, 1_000_000.0]),
        "rms_norm_eps": rng.choice([1e-6, 1e-2]),
        "tie_word_embeddings": rng.random() < 0.5,
    }


def qwen2(fields: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    theirs = Qwen2ForCausalLM(Qwen2Config(vocab_size=VOCAB, **fields)).eval()
    result = theirs.load_state_dict(tensors, strict=False)
    assert not result.unexpected_keys
    tied = fields["tie_word_embeddings"]
    assert set(result.missing_keys) <= ({"lm_head.weight"} if tied else set())
    theirs.tie_weights()
    return theirs


@pytest.mark.parametrize("seed", range(8))
def test_equal_to_qwen2_without_the_causal_mask(tmp_path: Path, seed: int) -> None:
    """Rows are shifted as Dream shifts them: a position's logits come from the row before it."""
    fields = draw(seed)
    written = write_checkpoint(tmp_path, base=DREAM, shards=1 + seed % 3, **fields)
    theirs = qwen2(fields, stored_tensors(written))
    length = 17
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(VOCAB, (1, length), generator=generator)
    visible = torch.zeros(1, 1, length, length)
    with torch.inference_mode():
        raw = theirs(ids, attention_mask=visible, use_cache=False).logits[0]
    reference = torch.cat([raw[:1], raw[:-1]])
    model = load_model(tmp_path, device="cpu")
    assert (model.info.family, model.info.logit_shift) == ("dream", True)
    positions = torch.arange(length)
    (ours,) = model.predict([Feed(ids[0], positions, positions)])
    assert (ours - reference).abs().max() < 1e-4
    wanted = torch.tensor([3, 4, 16])
    (some,) = model.predict([Feed(ids[0], positions, wanted)])
    assert (some - reference[wanted]).abs().max() < 1e-4
    assert (some - raw[wanted]).abs().max() > 1e-2


def test_positions_with_holes(tmp_path: Path) -> None:
    """Positions are data here too: after a fold the walk turns by what it is given."""
    fields = draw(3)
    written = write_checkpoint(tmp_path, base=DREAM, **fields)
    theirs = qwen2(fields, stored_tensors(written))
    ids = torch.arange(11) * 7
    positions = torch.tensor([0, 1, 2, 5, 6, 7, 8, 20, 21, 22, 40])
    with torch.inference_mode():
        raw = theirs(
            ids[None],
            attention_mask=torch.zeros(1, 1, 11, 11),
            position_ids=positions[None],
            use_cache=False,
        ).logits[0]
    wanted = torch.tensor([4, 5, 8])
    (ours,) = load_model(tmp_path, device="cpu").predict([Feed(ids, positions, wanted)])
    assert (ours - raw[wanted - 1]).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("first", "wanted", "missing"), [(0, 7, 19), (3, 0, 2), (1, 0, 0)], ids=["hole", "cut", "one"]
)
def test_a_row_that_is_not_fed_is_refused(first: int, wanted: int, missing: int) -> None:
    positions = torch.tensor([0, 1, 2, 5, 6, 7, 8, 20]) if first == 0 else torch.arange(8) + first
    feed = Feed(torch.arange(8), positions, torch.tensor([wanted]))
    with pytest.raises(ModelError, match=f"row at {missing}, which is not fed"):
        aligned(feed)


def test_the_first_position_keeps_its_own_row() -> None:
    feed = Feed(torch.arange(4), torch.arange(4), torch.tensor([0, 1, 3]))
    assert aligned(feed).logit_rows.tolist() == [0, 0, 2]


def test_window_is_dreams_own_and_not_qwens(tmp_path: Path) -> None:
    """The published config states the 131072 positions of Qwen2.5; Dream was trained on 2048."""
    write_checkpoint(tmp_path, base=DREAM, max_position_embeddings=131_072)
    assert load_model(tmp_path, device="cpu").info.window == 2048
    assert load_model(tmp_path, device="cpu", window=4096).info.window == 4096


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "a missing size": ({}, ("hidden_size",), r"no field 'hidden_size'; it is not a Dream config"),
    "sliding": ({"use_sliding_window": True}, (), r"use_sliding_window=True is not Dream's"),
    "scaled": ({"rope_scaling": {"type": "yarn"}}, (), r"rope_scaling=.* is not Dream's"),
    "no window": ({}, ("max_position_embeddings",), r"max_position_embeddings=None; it must say"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(tmp_path: Path, name: str) -> None:
    fields, without, message = REFUSED[name]
    write_checkpoint(tmp_path, base=DREAM)
    config = {k: v for k, v in {**DREAM, **fields}.items() if k not in without}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path, device="cpu")


def test_weights_of_another_shape(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, base=DREAM)
    config = {**DREAM, "num_key_value_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"8 tensors of another shape: .*k_proj"):
        load_model(tmp_path, device="cpu")
