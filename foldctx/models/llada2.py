"""The LLaDA2 family as data: 2.0 and 2.1, mini and flash share one config form.

Sources: the public configs of inclusionAI/LLaDA2.*, arXiv 2512.15745. The config names no mask and
no end of sequence, so the ids of the published vocabulary stand here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from foldctx.errors import ModelError
from foldctx.models.dims import Dims, Experts
from foldctx.models.family import Chat, Family
from foldctx.models.fields import check_fields, given, sizes_of

if TYPE_CHECKING:
    from foldctx.models.network import Network

_REQUIRED: Mapping[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "norm_head": (False,),
    "norm_softmax": (False,),
    "rope_scaling": (None,),
    "router_dtype": ("fp32", "float32", None),
    "score_function": ("sigmoid",),
    "use_bias": (False,),
    "use_qk_norm": (True,),
    "use_rmsnorm": (True,),
    "use_sliding_window": (False,),
}


CHAT = Chat(
    begin="<role>SYSTEM</role>detailed thinking off<|role_end|>",
    turn="<role>{role}</role>{content}<|role_end|>",
    generation="<role>ASSISTANT</role>",
    tokens=("<role>", "</role>", "<|role_end|>"),
    roles={"system": "SYSTEM", "user": "HUMAN", "assistant": "ASSISTANT"},
)


def dims_from_config(config: Mapping[str, Any]) -> Dims:
    """Sizes of a LLaDA2 checkpoint from its config.json.

    Raises ModelError naming the field when one is missing or asks for what LLaDA2 does not have.
    """
    check_fields(config, _REQUIRED, "LLaDA2")
    with sizes_of("LLaDA2"):
        heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
        head_width = int(given(config, "head_dim", width // max(heads, 1)))
        rotary = int(head_width * float(given(config, "partial_rotary_factor", 1.0)))
        stated = int(given(config, "rotary_dim", rotary))
        dims = Dims(
            width=width,
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(given(config, "num_key_value_heads", heads)),
            mlp=int(config["intermediate_size"]),
            embeddings=int(config["vocab_size"]),
            norm_eps=float(config.get("rms_norm_eps", 1e-6)),
            rope_theta=float(config.get("rope_theta", 600_000.0)),
            qkv_bias=bool(config.get("use_qkv_bias", False)),
            tied=bool(config.get("tie_word_embeddings", False)),
            head_width=head_width,
            rotary_width=rotary,
            experts=_experts(config),
        )
    if stated != rotary:
        raise ModelError(
            f"config.json: rotary_dim={stated} contradicts partial_rotary_factor of "
            f"head_dim={head_width}, which is {rotary}"
        )
    return dims


def _experts(config: Mapping[str, Any]) -> Experts:
    return Experts(
        count=int(config["num_experts"]),
        per_token=int(config["num_experts_per_tok"]),
        width=int(config["moe_intermediate_size"]),
        groups=int(given(config, "n_group", 1)),
        groups_kept=int(given(config, "topk_group", 1)),
        shared=int(given(config, "num_shared_experts", 0)),
        scale=float(given(config, "routed_scaling_factor", 1.0)),
        normalised=bool(given(config, "norm_topk_prob", True)),
        biased=bool(given(config, "moe_router_enable_expert_bias", True)),
        dense_layers=int(given(config, "first_k_dense_replace", 0)),
    )


def network(dims: Dims) -> "Network":
    """The modules of a checkpoint."""
    from foldctx.models.llada2_network import LLaDA2Network

    return LLaDA2Network(dims)


FAMILY = Family(
    name="llada2",
    summary="LLaDA2: mixture of experts; text grows block by block, and blocks see no later one",
    architectures=("LLaDA2MoeModelLM",),
    model_types=("llada2_moe",),
    checkpoints=(
        "inclusionAI/LLaDA2.0-mini",
        "inclusionAI/LLaDA2.1-mini",
        "inclusionAI/LLaDA2.0-flash",
        "inclusionAI/LLaDA2.1-flash",
    ),
    links=("https://arxiv.org/abs/2512.15745", "https://github.com/inclusionAI/LLaDA2.X"),
    window=32_768,
    vocabulary=157_184,
    ids={"mask_id": 156_895, "eos_id": 156_892, "bos_id": 156_891},
    tokens={
        "mask_id": "<|mask|>",
        "eos_id": "<|endoftext|>",
        "eot_id": "<|role_end|>",
        "bos_id": "<|startoftext|>",
    },
    weight_prefix="",
    template="llada2.toml",
    preset="block",
    chat=CHAT,
    dims=dims_from_config,
    network=network,
    window_field="max_position_embeddings",
    block_causal=True,
)
