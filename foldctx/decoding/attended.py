"""Which rows a block's queries attend to: noted on the way, for the fold of a span."""

import math

import torch
from torch import Tensor

from foldctx.decoding.layout import Layout
from foldctx.models.row_cache import RowCache


class Attended(RowCache):
    """A row's own cache, with the attention that the block's queries pay to every row.

    `scores` (n,) is that of each row of the layout: mean over the block's queries and the heads,
    summed over the layers. A forward that does not see every row, or in some layer none of the
    block's queries, leaves these layers out.
    """

    narrows = False  # the block's decoded rows ask in the last layer as well

    def __init__(self, inner: RowCache, layout: Layout, start: int) -> None:
        self._inner, self._block, self._start = inner, layout.block, start
        self._rows: Tensor | None = None
        self.scores = torch.zeros(len(layout), dtype=torch.float64)

    def fresh_values(self, layer: int) -> Tensor | None:
        """As the row's own cache."""
        return self._inner.fresh_values(layer)

    def fresh_rows(self, layer: int, values: Tensor) -> Tensor | None:
        """As the row's own cache."""
        self._rows = self._inner.fresh_rows(layer, values)
        return self._rows

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As the row's own cache; adds up what the block's queries do with these keys."""
        keys, values = self._inner.attend(layer, queries, keys, values)
        rows = self._rows
        if rows is None:
            rows = torch.arange(queries.shape[1], device=queries.device)
        rows = rows + self._start
        asking = queries[:, (rows >= self._block.start) & (rows < self._block.stop)]
        if asking.shape[1] and keys.shape[1] == self.scores.numel():
            shared = keys.repeat_interleave(queries.shape[0] // keys.shape[0], 0)
            weights = asking @ shared.transpose(1, 2) / math.sqrt(keys.shape[-1])
            self.scores += weights.double().softmax(-1).mean((0, 1)).cpu()
        return keys, values

    def key_bias(self, layer: int, bias: Tensor) -> Tensor:
        """As the row's own cache."""
        return self._inner.key_bias(layer, bias)

    def mixed(self, layer: int, fresh: Tensor) -> Tensor:
        """As the row's own cache."""
        return self._inner.mixed(layer, fresh)

    def transformed(self, layer: int, fresh: Tensor) -> Tensor:
        """As the row's own cache, whose counters are final after each layer."""
        self.rows_reused, self.keys_reused = self._inner.rows_reused, self._inner.keys_reused
        return self._inner.transformed(layer, fresh)
