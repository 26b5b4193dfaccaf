"""The modules of a LLaDA checkpoint under the checkpoint's own parameter names.

They hold weights; the walk over them is `foldctx.models.forward`. LLaDA (arXiv 2502.09992) is a
Llama without the causal mask, so there is nothing here but linear layers, norms and an embedding.
"""

import torch
from torch import Tensor, nn

from foldctx.models.dims import Dims

__all__ = ["Block", "Dims", "RMSNorm", "Transformer"]


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in float32 (arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        """Weights of one; `eps` keeps the root away from zero."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension of x, of any shape."""
        wide = x.double() if x.dtype == torch.float64 else x.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * (wide * scale).to(x.dtype)


class Block(nn.Module):
    """One layer's weights: attention and gated MLP."""

    def __init__(self, dims: Dims) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
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


class Transformer(nn.Module):
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

    def head(self, x: Tensor) -> Tensor:
        """Logits (n, embeddings) of normalised rows (n, width)."""
        weight = self.wte.weight if self.dims.tied else self.ff_out.weight
        return nn.functional.linear(x, weight)
