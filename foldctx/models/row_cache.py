"""What one row of a forward keeps between forwards: asked in every layer of the walk.

Indices are into the n tokens that the row feeds now. A cache answers two kinds of question: what the
row's queries attend to, and which of its tokens a layer computes again.
"""

from torch import Tensor


class RowCache:
    """Keeps nothing and computes everything: what a row without a cache does, layer by layer.

    A method overrides what it changes. The walk asks in this order: `fresh_values`, `fresh_rows`,
    `attend`, `mixed`, `transformed`. Stored tensors must be copies: what the walk hands over are
    views of the tensors of all rows. Counters are of the last forward.
    """

    narrows: bool = True
    """Whether the last layer may run on the rows whose logits are wanted alone."""

    rows_reused: int = 0
    """(token, layer) pairs whose attention and MLP outputs were taken from an earlier forward."""

    keys_reused: int = 0
    """(query, key, layer) triples that were not computed for the same reason."""

    def fresh_values(self, layer: int) -> Tensor | None:
        """Indices, ascending, of the tokens whose value is computed; None: all."""
        return None

    def fresh_rows(self, layer: int, values: Tensor) -> Tensor | None:
        """Indices, ascending, of the tokens that run through the layer; None: all.

        `values` (kv_heads, n, head_dim) are those of the tokens named by `fresh_values`.
        """
        return None

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Keys and values that the queries see, in any order: keys are rotated.

        `queries` (heads, n, head_dim) and `keys` (kv_heads, n, head_dim) are rotated and belong to
        `fresh_rows`, `values` to `fresh_values`; in the last layer of a cache that `narrows` the
        queries are those of the wanted rows.
        """
        return keys, values

    def key_bias(self, layer: int, bias: Tensor) -> Tensor:
        """The part of `bias` (keys,), one value a key of the layout, for the keys of `attend`."""
        return bias

    def mixed(self, layer: int, fresh: Tensor) -> Tensor:
        """Attention outputs (n, width) of all tokens, given those of `fresh_rows`."""
        return fresh

    def transformed(self, layer: int, fresh: Tensor) -> Tensor:
        """MLP outputs (n, width) of all tokens, given those of `fresh_rows`."""
        return fresh
