"""The modules of a LLaDA checkpoint under the checkpoint's own parameter names.

LLaDA (arXiv 2502.09992) is a Llama without the causal mask, so there is nothing here but linear
layers, norms and an embedding.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from foldctx.models.dims import Dims
from foldctx.models.network import Layer, Network, RMSNorm, split_heads

__all__ = ["Block", "Dims", "RMSNorm", "Transformer"]


class Block(Layer):
    """One layer's weights: attention and gated MLP."""

    def __init__(self, dims: Dims) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
        self.heads, self.kv_heads = dims.heads, dims.kv_heads
        kv_width = dims.kv_heads * dims.head_dim
        self.attn_norm = RMSNorm(dims.width, dims.norm_eps)
        self.q_proj = nn.Linear(dims.width, dims.width, bias=dims.qkv_bias)
        self.k_proj = nn.Linear(dims.width, kv_width, bias=dims.qkv_bias)
        self.v_proj = nn.Linear(dims.width, kv_width, bias=dims.qkv_bias)
        self.attn_out = nn.Linear(dims.width, dims.width, bias=False)
        self.ff_norm = RMSNorm(dims.width, dims.norm_eps)
        self.ff_proj = nn.Linear(dims.width, dims.mlp, bias=False)
        self.up_proj = nn.Linear(dims.width, dims.mlp, bias=False)
        self.ff_out = nn.Linear(dims.mlp, dims.width, bias=False)

    def before_attention(self, x: Tensor) -> Tensor:
        """See `Layer`."""
        return cast(Tensor, self.attn_norm(x))

    def queries(self, h: Tensor) -> Tensor:
        """See `Layer`."""
        return split_heads(self.q_proj(h), self.heads)

    def keys(self, h: Tensor) -> Tensor:
        """See `Layer`."""
        return split_heads(self.k_proj(h), self.kv_heads)

    def values(self, h: Tensor) -> Tensor:
        """See `Layer`."""
        return split_heads(self.v_proj(h), self.kv_heads)

    def after_attention(self, mixed: Tensor) -> Tensor:
        """See `Layer`."""
        return cast(Tensor, self.attn_out(mixed))

    def feed_forward(self, x: Tensor) -> Tensor:
        """See `Layer`."""
        h = self.ff_norm(x)
        return cast(Tensor, self.ff_out(functional.silu(self.ff_proj(h)) * self.up_proj(h)))


class Transformer(Network):
    """Embedding, blocks, final norm and head; the head is the embedding where weights are tied."""

    def __init__(self, dims: Dims) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
        self.dims = dims
        self.wte = nn.Embedding(dims.embeddings, dims.width)
        self.blocks = nn.ModuleList(Block(dims) for _ in range(dims.layers))
        self.ln_f = RMSNorm(dims.width, dims.norm_eps)
        if not dims.tied:
            self.ff_out = nn.Linear(dims.width, dims.embeddings, bias=False)

    @property
    def layers(self) -> Sequence[Layer]:
        """See `Network`."""
        return cast(Sequence[Layer], self.blocks)

    def embed(self, tokens: Tensor) -> Tensor:
        """See `Network`."""
        return cast(Tensor, self.wte(tokens))

    def final_norm(self, x: Tensor) -> Tensor:
        """See `Network`."""
        return cast(Tensor, self.ln_f(x))

    def head(self, x: Tensor) -> Tensor:
        """See `Network`."""
        if self.dims.tied:
            return functional.linear(x.to(self.wte.weight.device), self.wte.weight)
        return cast(Tensor, self.ff_out(x))
