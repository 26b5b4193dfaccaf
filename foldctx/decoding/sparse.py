"""Sparse-dLLM's cache: from a block's third forward on, only the best keys outside it are seen."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from foldctx.decoding.cache import Cache, CacheState, Reuse, whole_layout
from foldctx.decoding.layout import Layout
from foldctx.errors import UsageError
from foldctx.models.row_cache import RowCache
from foldctx.numeric import check_numbers

if TYPE_CHECKING:
    from foldctx.decoding.decoder import Decoder


class EvictedKeys(RowCache):
    """Keys and values outside a block, thinned out in the forward that computes them."""

    narrows = False  # the scores ask for the queries of the whole block in the last layer too

    def __init__(self, layout: Layout, retention: float, kernel: int) -> None:
        self.block = layout.block
        fed = layout.block.stop - layout.block.start
        self.kept = int((len(layout) - fed) * retention)
        self.keys = self.kept + fed
        self.rows: dict[int, Tensor] = {}
        self.recording = True
        self._kernel = kernel
        self._outside = torch.cat(
            (torch.arange(self.block.start), torch.arange(self.block.stop, len(layout)))
        )
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Record and thin out a layer's first keys and see all of them; later see the kept ones."""
        stored = self._layers.get(layer)
        if stored is not None:
            return torch.cat((stored[0], keys), dim=1), torch.cat((stored[1], values), dim=1)
        outside = self._outside.to(keys.device)
        rows = outside[self._best(queries[:, self.block], keys[:, outside])]
        self.rows[layer] = rows
        self._layers[layer] = keys[:, rows], values[:, rows]
        return keys, values

    def key_bias(self, layer: int, bias: Tensor) -> Tensor:
        """The bias of the kept rows, then of the block; of all in the recording forward."""
        if self.recording:
            return bias
        return torch.cat((bias[self.rows[layer]], bias[self.block]))

    def _best(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Indices, ascending, of the keys (kv_heads, n, hd) that the block's queries favour.

        Mean query times key, mean over heads, smoothed by a maximum over `kernel` neighbours; ties
        go to the earliest.
        """
        mean = queries.mean(1)  # (heads, hd)
        heads = mean.view(keys.shape[0], -1, mean.shape[-1]).mean(1)  # a group shares its keys
        score = torch.einsum("hd,hnd->n", heads, keys) / keys.shape[0]
        if score.numel():
            kernel = min(self._kernel, 2 * score.numel() + 1)  # a wider one sees no more
            score = functional.max_pool1d(score[None], kernel, 1, kernel // 2)[0]
        order = score.sort(descending=True, stable=True).indices
        return order[: self.kept].sort().values


class _SparseState:
    def __init__(self, policy: "SparseCache") -> None:
        self._policy = policy
        self._layout: Layout | None = None
        self._forwards = 0  # of this branch, in this block
        self._kept: EvictedKeys | None = None

    def plan(self, layout: Layout, step: int) -> Reuse:
        if layout is not self._layout:
            self._layout, self._forwards, self._kept = layout, 0, None
        self._forwards += 1
        if self._forwards <= self._policy.delay:
            return whole_layout(layout)
        if self._kept is None:
            self._kept = EvictedKeys(layout, self._policy.retention, self._policy.kernel)
            return whole_layout(layout, self._kept)
        self._kept.recording = False
        return Reuse(layout.block, self._kept, self._kept.keys)


@dataclass(frozen=True, slots=True)
class SparseCache(Cache):
    """Keep a share of the keys outside the block, chosen by the block's queries (Sparse-dLLM).

    arXiv 2508.02558. The first `delay` forwards of a block keep nothing, to let it settle; the next
    one feeds everything and keeps `retention` of the keys, prefix and suffix in one list; later
    ones feed the block alone. `kernel` smooths the scores.
    """

    retention: float = 0.5
    kernel: int = 3
    delay: int = 1

    def __post_init__(self) -> None:
        check_numbers(self)
        if not 0 < self.retention <= 1:
            raise UsageError(f"retention={self.retention} is not a share in (0, 1]")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise UsageError(f"kernel={self.kernel}; it must be odd, so that it has a middle")
        if self.delay < 0:
            raise UsageError(f"delay={self.delay} is negative; give the forwards before keeping")

    def open(self) -> CacheState:
        """An empty cache."""
        return _SparseState(self)

    def unfit(self, decoder: "Decoder") -> str | None:
        """It pays off after `delay` + 1 full forwards, so a block needs a fixed number of steps."""
        if decoder.commit.scheduled:
            return None
        return (
            f"{self} feeds everything in a block's first {self.delay + 1} forwards and was made for "
            f"a fixed number of steps; {decoder.commit} has none, so commit by quota"
        )

    def fed(self, step: int, whole: float, tail: float, block: float) -> float:
        """Everything until the keys are chosen, then the block."""
        return whole if step <= self.delay else block
