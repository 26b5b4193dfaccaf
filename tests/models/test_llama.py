"""The second reference: transformers' Llama with LLaDA's names mapped and every position visible."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from foldctx.models import load_model
from foldctx.models.forward import Feed
from foldctx.models.llada import WEIGHT_PREFIX
from tests.models.checkpoints import VOCAB, stored_tensors, write_checkpoint

BLOCK = {
    "attn_norm": "input_layernorm",
    "q_proj": "self_attn.q_proj",
    "k_proj": "self_attn.k_proj",
    "v_proj": "self_attn.v_proj",
    "attn_out": "self_attn.o_proj",
    "ff_norm": "post_attention_layernorm",
    "ff_proj": "mlp.gate_proj",
    "up_proj": "mlp.up_proj",
    "ff_out": "mlp.down_proj",
}
TOP = {"wte": "model.embed_tokens", "ln_f": "model.norm", "ff_out": "lm_head"}


def llama_name(name: str) -> str:
    parts = name.removeprefix(WEIGHT_PREFIX).split(".")
    if parts[0] != "blocks":
        return f"{TOP[parts[0]]}.{parts[1]}"
    return f"model.layers.{parts[1]}.{BLOCK[parts[2]]}.{parts[3]}"


def llama(fields: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=fields["d_model"],
        intermediate_size=fields["mlp_hidden_size"],
        num_hidden_layers=fields["n_layers"],
        num_attention_heads=fields["n_heads"],
        num_key_value_heads=fields["n_kv_heads"],
        rms_norm_eps=fields["rms_norm_eps"],
        rope_theta=fields["rope_theta"],
        tie_word_embeddings=fields["weight_tying"],
        attention_bias=False,
    )
    theirs = LlamaForCausalLM(config).eval()
    mapped = {llama_name(name): tensor for name, tensor in tensors.items()}
    result = theirs.load_state_dict(mapped, strict=False)
    assert not result.unexpected_keys
    assert set(result.missing_keys) <= ({"lm_head.weight"} if fields["weight_tying"] else set())
    theirs.tie_weights()
    return theirs


def draw(seed: int) -> dict[str, Any]:
    """A configuration from a seed."""
    rng = random.Random(seed)
    heads = rng.choice([2, 4, 6])
    return {
        "n_heads": heads,
        "n_kv_heads": rng.choice([k for k in (1, 2, 3, 6) if heads % k == 0]),
        "d_model": heads * rng.choice([4, 8, 10]),
        "mlp_hidden_size": rng.choice([24, 40, 64]),
        "n_layers": rng.choice([1, 2, 3]),
        "rope_theta": rng.choice([500.0, 10_000.0, 500_000.0]),
        "rms_norm_eps": rng.choice([1e-5, 1e-2]),
        "weight_tying": rng.random() < 0.5,
    }


@pytest.mark.parametrize("seed", range(8))
def test_equal_to_llama_without_the_causal_mask(tmp_path: Path, seed: int) -> None:
    fields = draw(seed)
    written = write_checkpoint(tmp_path, **fields)
    theirs = llama(fields, stored_tensors(written))
    length = 17
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(VOCAB, (1, length), generator=generator)
    gaps = torch.randint(1, 4, (length,), generator=generator)
    positions = gaps.cumsum(0)  # with holes, as after a fold
    visible = torch.zeros(1, 1, length, length)
    with torch.inference_mode():
        reference = theirs(
            ids, attention_mask=visible, position_ids=positions[None], use_cache=False
        ).logits[0]
        causal = theirs(ids, position_ids=positions[None], use_cache=False).logits[0]
    feed = Feed(ids[0], positions, torch.arange(length))
    (ours,) = load_model(tmp_path, device="cpu").predict([feed])
    assert (ours - reference).abs().max() < 1e-4
    assert (ours - causal).abs().max() > 1e-2
