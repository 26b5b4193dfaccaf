"""The exact cache of block-causal models: a finished block never changes (LLaDA2, arXiv 2512.15745)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from foldctx.decoding.cache import Cache, CacheState, Reuse
from foldctx.decoding.layout import Layout
from foldctx.errors import UsageError
from foldctx.models.row_cache import RowCache


class FinishedKeys(RowCache):
    """Keys and values of the first rows of a layout, per layer; `fresh` more are about to join."""

    def __init__(self) -> None:
        self.length = 0
        self.fresh = 0
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def cut(self, length: int) -> None:
        """Forget all but the first rows."""
        self.length = length
        self._layers = {n: (k[:, :length], v[:, :length]) for n, (k, v) in self._layers.items()}

    def settle(self) -> None:
        """The rows that were about to join have been fed."""
        self.length, self.fresh = self.length + self.fresh, 0

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What is kept, then the rows fed now, of which the first are kept from now on."""
        if (stored := self._layers.get(layer)) is not None:
            keys, values = torch.cat((stored[0], keys), 1), torch.cat((stored[1], values), 1)
        if self.fresh:
            end = self.length + self.fresh
            self._layers[layer] = keys[:, :end].clone(), values[:, :end].clone()
        return keys, values


class _CausalState:
    def __init__(self) -> None:
        self._kept = FinishedKeys()
        self._layout: Layout | None = None
        self._rows = torch.empty(3, 0, dtype=torch.long)  # index, position and block of kept rows

    def plan(self, layout: Layout, step: int) -> Reuse:
        if layout.blocks is None:
            raise UsageError(
                "the exact cache keeps finished blocks for good, which only a block-causal model "
                "allows; use a prefix cache with this one"
            )
        kept = self._kept
        if layout is not self._layout:
            self._layout = layout
            kept.cut(self._unchanged(layout))
            kept.fresh = layout.behind - kept.length
            rows = torch.stack((layout.indices, layout.positions, layout.blocks))
            self._rows = rows[:, : layout.behind]
            return Reuse(slice(kept.length, len(layout)), kept, len(layout))
        kept.settle()
        return Reuse(slice(layout.behind, len(layout)), kept, len(layout))

    def _unchanged(self, layout: Layout) -> int:
        """Leading rows of which a span fold moved or dropped none, nor any other of their block."""
        assert layout.blocks is not None
        was = self._rows
        now = torch.stack((layout.indices, layout.positions, layout.blocks))
        count = min(was.shape[1], now.shape[1])
        differ = (was[:, :count] != now[:, :count]).any(0).nonzero()
        same = int(differ[0]) if differ.numel() else count
        limits = [int(rows[2, same]) for rows in (was, now) if same < rows.shape[1]]
        return same if not limits else min(same, int((now[2] < min(limits)).sum()))


@dataclass(frozen=True, slots=True)
class BlockCausalCache(Cache):
    """Keys and values of finished blocks live as long as the request.

    A block-causal model's earlier blocks see no later one, so nothing is approximate: the first
    forward of a block feeds what became final since the last one (the prompt's blocks, the block
    before) along with the block, later ones the block alone. Masks behind the block that are fed with
    it are never kept.
    """

    def open(self) -> CacheState:
        """An empty cache."""
        return _CausalState()

    def fed(self, step: int, whole: float, tail: float, block: float) -> float:
        """At most everything (what became final is fed once), then the block and its terminal."""
        return whole if step == 0 else tail
