"""Small checkpoints in the hub's form, written by the tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from foldctx.models.families import family_of
from foldctx.models.network import Network

SPECIALS = ("<|mdm_mask|>", "<|endoftext|>", "<|eot_id|>", "<|startoftext|>")
VOCAB = 300

CONFIG: Mapping[str, Any] = {
    "architectures": ["LLaDAModelLM"],
    "model_type": "llada",
    "activation_type": "silu",
    "alibi": False,
    "block_type": "llama",
    "block_group_size": 1,
    "d_model": 32,
    "embedding_size": VOCAB,
    "include_bias": False,
    "include_qkv_bias": False,
    "layer_norm_type": "rms",
    "max_sequence_length": 64,
    "mlp_hidden_size": 48,
    "n_heads": 4,
    "n_kv_heads": 4,
    "n_layers": 2,
    "rms_norm_eps": 1e-5,
    "rope": True,
    "rope_theta": 500000.0,
    "vocab_size": VOCAB,
    "weight_tying": False,
}

DREAM: Mapping[str, Any] = {
    "architectures": ["DreamModel"],
    "model_type": "Dream",
    "hidden_act": "silu",
    "hidden_size": 32,
    "intermediate_size": 48,
    "mask_token_id": 0,
    "eos_token_id": 1,
    "max_position_embeddings": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_scaling": None,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "vocab_size": VOCAB,
}

LLADA2: Mapping[str, Any] = {
    "architectures": ["LLaDA2MoeModelLM"],
    "model_type": "llada2_moe",
    "first_k_dense_replace": 1,
    "head_dim": 8,
    "hidden_act": "silu",
    "hidden_size": 32,
    "intermediate_size": 48,
    "max_position_embeddings": 128,
    "moe_intermediate_size": 16,
    "moe_router_enable_expert_bias": True,
    "n_group": 4,
    "norm_head": False,
    "norm_topk_prob": True,
    "num_attention_heads": 6,
    "num_experts": 16,
    "num_experts_per_tok": 3,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "num_shared_experts": 1,
    "pad_token_id": 1,
    "partial_rotary_factor": 0.5,
    "rms_norm_eps": 1e-6,
    "rope_scaling": None,
    "rope_theta": 600000,
    "rotary_dim": 4,
    "routed_scaling_factor": 2.5,
    "router_dtype": "fp32",
    "score_function": "sigmoid",
    "tie_word_embeddings": False,
    "topk_group": 2,
    "use_bias": False,
    "use_qk_norm": True,
    "use_qkv_bias": False,
    "vocab_size": VOCAB,
}


def write_tokenizer(path: Path, specials: Sequence[str] = SPECIALS, first: int = 0) -> None:
    """A byte-level tokenizer: special tokens from id `first`, then the 256 bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [f"<|unused_{i}|>" for i in range(first)] + [*specials, *alphabet]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in specials])
    tokenizer.save(str(path))


def random_network(config: Mapping[str, Any], seed: int = 0) -> Network:
    """Random weights large enough that every part of the walk changes the logits."""
    family = family_of(config, "the test")
    model = family.network(family.dims(config)).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        scales = "norm" in name or "ln_f" in name
        weight.copy_(1 + 0.2 * noise if scales else 0.2 * noise)
    return model


def stored_tensors(model: Network, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The network's tensors under the checkpoint's names."""
    prefix = "model.transformer." if hasattr(model, "blocks") else ""
    return {prefix + k: v.to(dtype).contiguous() for k, v in model.state_dict().items()}


def save_weights(folder: Path, tensors: Mapping[str, Tensor], shards: int = 1) -> None:
    """model.safetensors, or shards and their index."""
    if shards == 1:
        save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(tensors)
    weight_map = {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in names[i::shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(part, file))
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_checkpoint(
    folder: Path,
    *,
    shards: int = 1,
    dtype: torch.dtype = torch.float32,
    specials: Sequence[str] = SPECIALS,
    without: Sequence[str] = (),
    base: Mapping[str, Any] = CONFIG,
    **fields: Any,
) -> Network:
    """A model folder whose config has `fields` besides `base`; returns the network it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {k: v for k, v in {**base, **fields}.items() if k not in without}
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder / "tokenizer.json", specials)
    model = random_network(config)
    save_weights(folder, stored_tensors(model, dtype), shards)
    return model
