"""The modules of a LLaDA2 checkpoint (arXiv 2512.15745) under the checkpoint's own names.

One projection makes queries, keys and values; queries and keys are normalised per head, and only
the first part of a head is turned by its position. MLPs are mixtures of experts after the first
layers. Blocks are hidden from earlier ones by the feed, not here.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from foldctx.models.body_network import BodyNetwork
from foldctx.models.dims import Dims
from foldctx.models.experts import SparseMLP
from foldctx.models.network import GatedMLP, Layer, RMSNorm, split_heads


class Attention(nn.Module):
    """Projections and norms of one layer."""

    def __init__(self, dims: Dims) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
        heads = dims.heads + 2 * dims.kv_heads
        self.query_key_value = nn.Linear(dims.width, heads * dims.head_dim, bias=dims.qkv_bias)
        self.query_layernorm = RMSNorm(dims.head_dim, dims.norm_eps)
        self.key_layernorm = RMSNorm(dims.head_dim, dims.norm_eps)
        self.dense = nn.Linear(dims.heads * dims.head_dim, dims.width, bias=False)


class LLaDA2Layer(Layer):
    """One layer's weights."""

    def __init__(self, dims: Dims, number: int) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
        self.dims = dims
        self.input_layernorm = RMSNorm(dims.width, dims.norm_eps)
        self.attention = Attention(dims)
        self.post_attention_layernorm = RMSNorm(dims.width, dims.norm_eps)
        mixed = dims.experts is not None and number >= dims.experts.dense_layers
        self.mlp: nn.Module = GatedMLP(dims.width, dims.mlp)
        if mixed and dims.experts is not None:
            self.mlp = SparseMLP(dims.width, dims.experts)

    def _projected(self, h: Tensor, first: int, heads: int) -> Tensor:
        """(heads, n, head_dim): the joint projection's heads from `first` on."""
        start, end = first * self.dims.head_dim, (first + heads) * self.dims.head_dim
        joint = self.attention.query_key_value
        bias = None if joint.bias is None else joint.bias[start:end]
        return split_heads(functional.linear(h, joint.weight[start:end], bias), heads)

    def before_attention(self, x: Tensor) -> Tensor:
        """See `Layer`."""
        return cast(Tensor, self.input_layernorm(x))

    def queries(self, h: Tensor) -> Tensor:
        """See `Layer`."""
        q = self._projected(h, 0, self.dims.heads)
        return cast(Tensor, self.attention.query_layernorm(q))

    def keys(self, h: Tensor) -> Tensor:
        """See `Layer`."""
        k = self._projected(h, self.dims.heads, self.dims.kv_heads)
        return cast(Tensor, self.attention.key_layernorm(k))

    def values(self, h: Tensor) -> Tensor:
        """See `Layer`."""
        return self._projected(h, self.dims.heads + self.dims.kv_heads, self.dims.kv_heads)

    def after_attention(self, mixed: Tensor) -> Tensor:
        """See `Layer`."""
        return cast(Tensor, self.attention.dense(mixed))

    def feed_forward(self, x: Tensor) -> Tensor:
        """See `Layer`."""
        return cast(Tensor, self.mlp(self.post_attention_layernorm(x)))


class _Body(nn.Module):
    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(dims.embeddings, dims.width)
        self.layers = nn.ModuleList(LLaDA2Layer(dims, number) for number in range(dims.layers))
        self.norm = RMSNorm(dims.width, dims.norm_eps)


class LLaDA2Network(BodyNetwork):
    """Embedding, layers, final norm and head; the head is the embedding where weights are tied."""

    precise = ("gate.expert_bias",)
    read_in_parts = ("query_key_value",)

    def __init__(self, dims: Dims) -> None:
        """Weights at torch's own initial values."""
        super().__init__(dims, _Body(dims))

    @property
    def embedding(self) -> nn.Embedding:
        """See `BodyNetwork`."""
        return cast(nn.Embedding, self.model.word_embeddings)
