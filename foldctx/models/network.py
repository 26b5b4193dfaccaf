"""What the forward walk asks of a network; each family's modules answer under their own names.

The modules hold weights and say what one layer computes from rows side by side. Which rows are fed,
at which positions, and what attends to what is the walk's affair (`foldctx.models.forward`).
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from foldctx.models.dims import Dims


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


class GatedMLP(nn.Module):
    """The gated MLP of Llama-like checkpoints (arXiv 2002.05202) under their usual names."""

    def __init__(self, width: int, inner: int) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n, width) to rows (n, width)."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(n, heads * head_dim) to (heads, n, head_dim)."""
    return x.view(x.shape[0], heads, x.shape[1] // heads).transpose(0, 1)


class Layer(nn.Module):
    """One layer. Queries and keys come out normalised where the family does so, and not rotated.

    Calling a layer takes the walk's step through it, so that what hangs on modules (weights brought
    from elsewhere for the time of a call, tensors sent to their device) serves for whole layers.
    """

    def forward(self, step: Callable[..., Tensor], *given: Any) -> Tensor:
        """The result of `step`, which gets this layer and what is `given`."""
        return step(self, *given)

    @abstractmethod
    def before_attention(self, x: Tensor) -> Tensor:
        """The normalised rows (n, width) that queries, keys and values are made of."""

    @abstractmethod
    def queries(self, h: Tensor) -> Tensor:
        """(heads, n, head_dim) of normalised rows."""

    @abstractmethod
    def keys(self, h: Tensor) -> Tensor:
        """(kv_heads, n, head_dim) of normalised rows."""

    @abstractmethod
    def values(self, h: Tensor) -> Tensor:
        """(kv_heads, n, head_dim) of normalised rows."""

    @abstractmethod
    def after_attention(self, mixed: Tensor) -> Tensor:
        """What attention (n, heads * head_dim) adds to the rows (n, width)."""

    @abstractmethod
    def feed_forward(self, x: Tensor) -> Tensor:
        """What the MLP, its norm included, adds to the rows (n, width)."""


class Stack(nn.Module):
    """A module that keeps many stored tensors of one shape as one parameter."""

    @abstractmethod
    def put(self, name: str, tensor: Tensor) -> None:
        """Copy a stored tensor into its place; its device and type are those of the parameter."""


class Network(nn.Module):
    """Embedding, layers, final norm and head.

    Parameters whose names end in one of `precise` are kept in float32 or wider. Linear layers named
    in `read_in_parts` are not called: parts of their weights are used.
    """

    dims: Dims
    precise: tuple[str, ...] = ()
    read_in_parts: tuple[str, ...] = ()

    @property
    @abstractmethod
    def layers(self) -> Sequence[Layer]:
        """The layers in order."""

    @abstractmethod
    def embed(self, tokens: Tensor) -> Tensor:
        """Rows (n, width) of token ids (n,)."""

    @abstractmethod
    def final_norm(self, x: Tensor) -> Tensor:
        """Rows as the head takes them."""

    @abstractmethod
    def head(self, x: Tensor) -> Tensor:
        """Logits (n, embeddings) of normalised rows (n, width)."""
