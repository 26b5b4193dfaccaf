"""The Dream family as data: Dream-v0-Base-7B and Dream-v0-Instruct-7B share one config form.

Sources: the public configs of Dream-org, arXiv 2508.15487. The config's position limit is that of
the Qwen2.5 that Dream began as; Dream itself was trained on 2048 tokens, prompt and text together.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from foldctx.models.dims import Dims
from foldctx.models.family import Chat, Family
from foldctx.models.fields import check_fields, given, sizes_of

if TYPE_CHECKING:
    from foldctx.models.network import Network

_REQUIRED: Mapping[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "rope_scaling": (None,),
    "use_sliding_window": (False,),
}


# Qwen's ChatML, with the system turn that Dream's own template puts first.
CHAT = Chat(
    begin="<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n",
    turn="<|im_start|>{role}\n{content}<|im_end|>\n",
    generation="<|im_start|>assistant\n",
    tokens=("<|im_start|>", "<|im_end|>"),
)


def dims_from_config(config: Mapping[str, Any]) -> Dims:
    """Sizes of a Dream checkpoint from its config.json.

    Raises ModelError naming the field when one is missing or asks for what Dream does not have.
    """
    check_fields(config, _REQUIRED, "Dream")
    with sizes_of("Dream"):
        heads = int(config["num_attention_heads"])
        return Dims(
            width=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(given(config, "num_key_value_heads", heads)),
            mlp=int(config["intermediate_size"]),
            embeddings=int(config["vocab_size"]),
            norm_eps=float(config.get("rms_norm_eps", 1e-6)),
            rope_theta=float(config.get("rope_theta", 1_000_000.0)),
            qkv_bias=True,
            tied=bool(config.get("tie_word_embeddings", False)),
        )


def network(dims: Dims) -> "Network":
    """The modules of a checkpoint."""
    from foldctx.models.dream_network import DreamNetwork

    return DreamNetwork(dims)


FAMILY = Family(
    name="dream",
    summary="Dream: a Qwen2 without the causal mask; its row at a position predicts the next token",
    architectures=("DreamModel",),
    model_types=("Dream",),
    checkpoints=("Dream-org/Dream-v0-Instruct-7B", "Dream-org/Dream-v0-Base-7B"),
    links=("https://arxiv.org/abs/2508.15487", "https://github.com/DreamLM/Dream"),
    window=2048,
    vocabulary=152_064,
    ids={"mask_id": 151_666, "eos_id": 151_643, "eot_id": 151_645, "bos_id": 151_665},
    tokens={
        "mask_id": "<|mask|>",
        "eos_id": "<|endoftext|>",
        "eot_id": "<|im_end|>",
        "bos_id": "<|beginoftext|>",
    },
    weight_prefix="",
    template="dream.toml",
    preset="elastic",
    chat=CHAT,
    dims=dims_from_config,
    network=network,
    window_field="max_position_embeddings",
    window_inherited=True,
    logit_shift=True,
)
