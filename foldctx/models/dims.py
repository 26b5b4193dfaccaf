"""Sizes of a network: plain numbers, so that a config can be judged before torch is imported."""

from dataclasses import dataclass

from foldctx.errors import ModelError


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts: `per_token` of `count` experts, out of the best `groups_kept` groups.

    `width` is that of one expert's MLP, `shared` the number of experts that every token goes
    through, `scale` what the routed share is multiplied by, and `dense_layers` how many of the
    first layers have an ordinary MLP instead. `normalised`: a token's weights sum to one before the
    scale. `biased`: each expert has a bias that counts in the choice and not in the weight.
    """

    count: int
    per_token: int
    width: int
    groups: int = 1
    groups_kept: int = 1
    shared: int = 0
    scale: float = 1.0
    normalised: bool = True
    biased: bool = False
    dense_layers: int = 0

    def __post_init__(self) -> None:
        for field in ("count", "per_token", "width", "groups", "groups_kept"):
            if getattr(self, field) < 1:
                raise ModelError(f"experts: {field}={getattr(self, field)}; it must be at least 1")
        if self.shared < 0 or self.dense_layers < 0:
            raise ModelError(
                f"experts: shared={self.shared}, dense_layers={self.dense_layers}; neither can be "
                "negative"
            )
        if self.count % self.groups or self.groups_kept > self.groups:
            raise ModelError(
                f"experts: {self.count} do not form {self.groups} equal groups of which "
                f"{self.groups_kept} are kept"
            )
        size = self.count // self.groups
        if size < 2:
            raise ModelError(f"experts: a group of {size} cannot be ranked by its two best experts")
        if self.per_token > self.groups_kept * size:
            raise ModelError(
                f"experts: {self.per_token} per token do not fit into {self.groups_kept} groups of "
                f"{size}"
            )


@dataclass(frozen=True, slots=True)
class Dims:
    """Sizes of a checkpoint; `heads * head_dim` is the width of the queries.

    `head_width` is given where it is not the width shared among the heads. `rotary_width` is given
    where only the first part of a head is turned. `experts` where MLPs are mixtures.
    """

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
    head_width: int | None = None
    rotary_width: int | None = None
    experts: Experts | None = None

    def __post_init__(self) -> None:
        for field in ("width", "layers", "heads", "kv_heads", "mlp", "embeddings"):
            if getattr(self, field) < 1:
                raise ModelError(f"{field}={getattr(self, field)}; a network has at least 1")
        if self.head_width is None and self.width % self.heads:
            raise ModelError(f"d_model={self.width} is not a multiple of n_heads={self.heads}")
        if self.heads % self.kv_heads:
            raise ModelError(
                f"n_heads={self.heads} is not a multiple of n_kv_heads={self.kv_heads}"
            )
        if self.head_dim < 1 or self.head_dim % 2:
            raise ModelError(f"the head width {self.head_dim} is odd; rotary positions need pairs")
        if not 2 <= self.rotary <= self.head_dim or self.rotary % 2:
            raise ModelError(
                f"rotary width {self.rotary} is not an even number from 2 to the head width "
                f"{self.head_dim}"
            )

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads if self.head_width is None else self.head_width

    @property
    def rotary(self) -> int:
        """How much of a head the positions turn."""
        return self.head_dim if self.rotary_width is None else self.rotary_width
