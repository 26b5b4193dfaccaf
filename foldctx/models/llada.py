"""The LLaDA family as data: 8B-Base, 8B-Instruct and 1.5 share one config form.

Sources: the public configs of GSAI-ML/LLaDA-8B-*, arXiv 2502.09992. The public tokenizer files name
no mask token and Base names no end of turn, so the ids stand here and are checked by id.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from foldctx.errors import ModelError
from foldctx.models.dims import Dims
from foldctx.models.family import Chat, Family
from foldctx.models.fields import check_fields, given, sizes_of

if TYPE_CHECKING:
    from foldctx.models.network import Network

ARCHITECTURES = ("LLaDAModelLM",)
MODEL_TYPES = ("llada",)
WEIGHT_PREFIX = "model.transformer."

# The ids of the published vocabulary of 126,464 tokens; a config that names its own ids wins.
PUBLISHED_VOCAB = 126_464
PUBLISHED_IDS = {"mask_id": 126_336, "eos_id": 126_081, "eot_id": 126_348, "bos_id": 126_080}

# The published template file is faulty, so the family carries its own (GSAI-ML/LLaDA GUIDELINES).
_BOS = "<|startoftext|>"
CHAT = Chat(
    begin=_BOS,
    turn="<|start_header_id|>{role}<|end_header_id|>\n\n{content}<|eot_id|>",
    generation="<|start_header_id|>assistant<|end_header_id|>\n\n",
    tokens=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
)

# What the walk computes; a config that says otherwise describes another network.
_REQUIRED: Mapping[str, tuple[Any, ...]] = {
    "block_type": ("llama",),
    "layer_norm_type": ("rms",),
    "layer_norm_with_affine": (True,),
    "activation_type": ("silu",),
    "alibi": (False,),
    "rope": (True,),
    "attention_layer_norm": (False,),
    "bias_for_layer_norm": (False, None),
    "include_bias": (False,),
    "input_emb_norm": (False,),
    "scale_logits": (False,),
    "multi_query_attention": (None, False),
    "clip_qkv": (None,),
    "block_group_size": (1,),
}


def dims_from_config(config: Mapping[str, Any]) -> Dims:
    """Sizes of a LLaDA checkpoint from its config.json.

    Raises ModelError naming the field when one is missing or asks for what LLaDA does not have.
    """
    check_fields(config, _REQUIRED, "LLaDA")
    with sizes_of("LLaDA"):
        heads, width = int(config["n_heads"]), int(config["d_model"])
        vocab = int(config["vocab_size"])
        dims = Dims(
            width=width,
            layers=int(config["n_layers"]),
            heads=heads,
            kv_heads=int(given(config, "n_kv_heads", heads)),
            mlp=int(given(config, "mlp_hidden_size", config.get("mlp_ratio", 4) * width)),
            embeddings=int(given(config, "embedding_size", vocab)),
            norm_eps=float(config.get("rms_norm_eps", 1e-5)),
            rope_theta=float(config.get("rope_theta", 500_000.0)),
            qkv_bias=bool(config.get("include_qkv_bias", False)),
            tied=bool(config.get("weight_tying", False)),
        )
    if dims.embeddings < vocab:
        raise ModelError(
            f"config.json: embedding_size={dims.embeddings} is less than vocab_size={vocab}"
        )
    return dims


def size_fields(dims: Dims, window: int) -> dict[str, Any]:
    """The fields of config.json that `dims_from_config` reads these sizes from."""
    return {
        "weight_tying": dims.tied,
        "d_model": dims.width,
        "n_layers": dims.layers,
        "n_heads": dims.heads,
        "n_kv_heads": dims.kv_heads,
        "mlp_hidden_size": dims.mlp,
        "vocab_size": dims.embeddings,
        "embedding_size": dims.embeddings,
        "max_sequence_length": window,
    }


def network(dims: Dims) -> "Network":
    """The modules of a checkpoint."""
    from foldctx.models.architecture import Transformer

    return Transformer(dims)


FAMILY = Family(
    name="llada",
    summary="LLaDA: a Llama without the causal mask, trained to fill in masked tokens",
    architectures=ARCHITECTURES,
    model_types=MODEL_TYPES,
    checkpoints=("GSAI-ML/LLaDA-8B-Instruct", "GSAI-ML/LLaDA-1.5", "GSAI-ML/LLaDA-8B-Base"),
    links=("https://arxiv.org/abs/2502.09992", "https://github.com/ML-GSAI/LLaDA"),
    window=4096,
    vocabulary=PUBLISHED_VOCAB,
    ids=PUBLISHED_IDS,
    tokens={
        "mask_id": "<|mdm_mask|>",
        "eos_id": "<|endoftext|>",
        "eot_id": "<|eot_id|>",
        "bos_id": _BOS,
    },
    weight_prefix=WEIGHT_PREFIX,
    template="llada.toml",
    preset="elastic",
    chat=CHAT,
    dims=dims_from_config,
    network=network,
    window_field="max_sequence_length",
    rope_scales=True,
)
