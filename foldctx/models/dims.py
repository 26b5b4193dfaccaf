"""Sizes of a network: plain numbers, so that a config can be judged before torch is imported."""

from dataclasses import dataclass

from foldctx.errors import ModelError


@dataclass(frozen=True, slots=True)
class Dims:
    """Sizes of a checkpoint; `heads * head_dim` is the width of the queries."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    mlp: int
    embeddings: int
    norm_eps: float = 1e-5
    rope_theta: float = 500_000.0
    qkv_bias: bool = False
    tied: bool = False

    def __post_init__(self) -> None:
        for field in ("width", "layers", "heads", "kv_heads", "mlp", "embeddings"):
            if getattr(self, field) < 1:
                raise ModelError(f"{field}={getattr(self, field)}; a network has at least 1")
        if self.width % self.heads:
            raise ModelError(f"d_model={self.width} is not a multiple of n_heads={self.heads}")
        if self.heads % self.kv_heads:
            raise ModelError(
                f"n_heads={self.heads} is not a multiple of n_kv_heads={self.kv_heads}"
            )
        if self.head_dim % 2:
            raise ModelError(f"the head width {self.head_dim} is odd; rotary positions need pairs")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads
