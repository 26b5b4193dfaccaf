"""Small checkpoints in the hub's form, written by the tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from foldctx.models.architecture import Transformer
from foldctx.models.llada import WEIGHT_PREFIX, dims_from_config

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


def write_tokenizer(path: Path, specials: Sequence[str] = SPECIALS, first: int = 0) -> None:
    """A byte-level tokenizer: special tokens from id `first`, then the 256 bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [f"<|unused_{i}|>" for i in range(first)] + [*specials, *alphabet]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in specials])
    tokenizer.save(str(path))


def random_network(config: Mapping[str, Any], seed: int = 0) -> Transformer:
    """Random weights large enough that every part of the walk changes the logits."""
    model = Transformer(dims_from_config(config)).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        weight.copy_(1 + 0.2 * noise if "norm" in name or "ln_f" in name else 0.2 * noise)
    return model


def stored_tensors(model: Transformer, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The network's tensors under the checkpoint's names."""
    return {WEIGHT_PREFIX + k: v.to(dtype).contiguous() for k, v in model.state_dict().items()}


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
    **fields: Any,
) -> Transformer:
    """A model folder whose config has `fields` besides CONFIG; returns the network it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {k: v for k, v in {**CONFIG, **fields}.items() if k not in without}
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder / "tokenizer.json", specials)
    model = random_network(config)
    save_weights(folder, stored_tensors(model, dtype), shards)
    return model
