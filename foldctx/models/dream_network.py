"""The modules of a Dream checkpoint (arXiv 2508.15487) under the checkpoint's own names.

Dream is a Qwen2 without the causal mask: biases on queries, keys and values, few heads of keys.
"""

from typing import cast

from torch import Tensor, nn

from foldctx.models.body_network import BodyNetwork
from foldctx.models.dims import Dims
from foldctx.models.network import GatedMLP, Layer, RMSNorm, split_heads


class Attention(nn.Module):
    """Projections of one layer."""

    def __init__(self, dims: Dims) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
        q_width, kv_width = dims.heads * dims.head_dim, dims.kv_heads * dims.head_dim
        self.q_proj = nn.Linear(dims.width, q_width, bias=dims.qkv_bias)
        self.k_proj = nn.Linear(dims.width, kv_width, bias=dims.qkv_bias)
        self.v_proj = nn.Linear(dims.width, kv_width, bias=dims.qkv_bias)
        self.o_proj = nn.Linear(q_width, dims.width, bias=False)


class DreamLayer(Layer):
    """One layer's weights."""

    def __init__(self, dims: Dims) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
        self.heads, self.kv_heads = dims.heads, dims.kv_heads
        self.input_layernorm = RMSNorm(dims.width, dims.norm_eps)
        self.self_attn = Attention(dims)
        self.post_attention_layernorm = RMSNorm(dims.width, dims.norm_eps)
        self.mlp = GatedMLP(dims.width, dims.mlp)

    def before_attention(self, x: Tensor) -> Tensor:
        """See `Layer`."""
        return cast(Tensor, self.input_layernorm(x))

    def queries(self, h: Tensor) -> Tensor:
        """See `Layer`."""
        return split_heads(self.self_attn.q_proj(h), self.heads)

    def keys(self, h: Tensor) -> Tensor:
        """See `Layer`."""
        return split_heads(self.self_attn.k_proj(h), self.kv_heads)

    def values(self, h: Tensor) -> Tensor:
        """See `Layer`."""
        return split_heads(self.self_attn.v_proj(h), self.kv_heads)

    def after_attention(self, mixed: Tensor) -> Tensor:
        """See `Layer`."""
        return cast(Tensor, self.self_attn.o_proj(mixed))

    def feed_forward(self, x: Tensor) -> Tensor:
        """See `Layer`."""
        return cast(Tensor, self.mlp(self.post_attention_layernorm(x)))


class _Body(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(dims.embeddings, dims.width)
        self.layers = nn.ModuleList(DreamLayer(dims) for _ in range(dims.layers))
        self.norm = RMSNorm(dims.width, dims.norm_eps)


class DreamNetwork(BodyNetwork):
    """Embedding, layers, final norm and head; the head is the embedding where weights are tied."""

    def __init__(self, dims: Dims) -> None:
        """Weights at torch's own initial values."""
        super().__init__(dims, _Body(dims))

    @property
    def embedding(self) -> nn.Embedding:
        """See `BodyNetwork`."""
        return cast(nn.Embedding, self.model.embed_tokens)
