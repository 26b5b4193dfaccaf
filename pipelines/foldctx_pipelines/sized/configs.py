"""The config.json of checkpoints that can be made at their size. Needs no torch."""

import json
from collections.abc import Mapping
from typing import Any

from foldctx.errors import UsageError
from foldctx.models.checkpoint import EMBEDDED, locate
from foldctx.models.dims import Dims
from foldctx.models.llada import PUBLISHED_IDS, PUBLISHED_VOCAB, size_fields
from foldctx_pipelines.bench.shapes import SHAPES

LLADA_8B = "llada-8b"

# GSAI-ML/LLaDA-8B-Instruct's, field by field, but for `auto_map`: it names code to be downloaded.
_PUBLISHED: Mapping[str, Any] = {
    "activation_type": "silu",
    "alibi": False,
    "alibi_bias_max": 8.0,
    "architectures": ["LLaDAModelLM"],
    "attention_dropout": 0.0,
    "attention_layer_norm": False,
    "attention_layer_norm_with_affine": True,
    "bias_for_layer_norm": False,
    "block_group_size": 1,
    "block_type": "llama",
    "d_model": 4096,
    "embedding_dropout": 0.0,
    "embedding_size": PUBLISHED_VOCAB,
    "eos_token_id": PUBLISHED_IDS["eos_id"],
    "flash_attention": False,
    "include_bias": False,
    "include_qkv_bias": False,
    "init_cutoff_factor": None,
    "init_device": "meta",
    "init_fn": "mitchell",
    "init_std": 0.02,
    "input_emb_norm": False,
    "layer_norm_type": "rms",
    "layer_norm_with_affine": True,
    "mask_token_id": PUBLISHED_IDS["mask_id"],
    "max_sequence_length": 4096,
    "mlp_hidden_size": 12288,
    "mlp_ratio": 4,
    "model_type": "llada",
    "multi_query_attention": None,
    "n_heads": 32,
    "n_kv_heads": 32,
    "n_layers": 32,
    "pad_token_id": PUBLISHED_IDS["eos_id"],
    "precision": "amp_bf16",
    "residual_dropout": 0.0,
    "rms_norm_eps": 1e-05,
    "rope": True,
    "rope_full_precision": True,
    "rope_theta": 500000.0,
    "scale_logits": False,
    "transformers_version": "4.46.3",
    "use_cache": False,
    "vocab_size": PUBLISHED_VOCAB,
    "weight_tying": False,
}
_IDS = ("mask_token_id", "eos_token_id", "pad_token_id", "eot_token_id", "bos_token_id")

NAMES = (LLADA_8B, *(name for name in SHAPES if name != "8b"))


def config_of(name: str) -> dict[str, Any]:
    """The config.json of LLaDA-8B-Instruct, or of LLaDA's architecture at a size of `bench decode`.

    Raises UsageError for an unknown name.
    """
    if name not in NAMES:
        raise UsageError(f"shape {name!r}: choose from {', '.join(NAMES)}")
    return dict(_PUBLISHED) if name == LLADA_8B else sized_config(SHAPES[name])


def sized_config(dims: Dims, window: int = 4096) -> dict[str, Any]:
    """The published form at other sizes, with the ids of the embedded reader's vocabulary."""
    reader = json.loads((locate(EMBEDDED)[0] / "config.json").read_text("utf-8"))
    return {
        **_PUBLISHED,
        **{field: reader[field] for field in _IDS},
        **size_fields(dims, window),
    }
