"""Cache seam: which rows of a layout are fed, and what they attend to besides themselves."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from foldctx.decoding.canvas import Layout
from foldctx.models.forward import KeyValues


@dataclass(frozen=True, slots=True)
class Reuse:
    """One forward's share of the cache.

    `rows` are the layout's rows to feed (the block is always among them), `key_values` what they
    attend through (None: to each other), `keys` how many keys each of them sees.
    """

    rows: slice
    key_values: KeyValues | None
    keys: int


class CacheState(Protocol):
    """What one request keeps between forwards."""

    def plan(self, layout: Layout, step: int) -> Reuse:
        """Decide the forward `step` (from 0) of the block laid out as `layout`.

        At step 0 the layout is new: folds may have moved what was kept from the block before.
        """
        ...


class Cache(Protocol):
    """A way of reusing keys and values; holds no state of its own."""

    def open(self) -> CacheState:
        """The state of one request, or of one guidance branch of it."""
        ...


@dataclass(frozen=True, slots=True)
class NoCache:
    """Feed the whole layout in every forward."""

    def open(self) -> CacheState:
        """There is nothing to keep, so the policy is its own state."""
        return self

    def plan(self, layout: Layout, step: int) -> Reuse:
        """Every row."""
        return Reuse(slice(0, len(layout)), None, len(layout))


class LayoutKeys:
    """Keys and values of all rows of a layout; later forwards overwrite the rows they feed.

    Keys are rotated already, so a row's slot in the layout stands for its position id.
    """

    def __init__(self, rows: slice) -> None:
        self.rows = rows
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def attend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store a layer's first keys and values; afterwards write the fresh ones in their rows."""
        stored = self._layers.get(layer)
        if stored is None:
            # A copy: `keys` is a view of the rows of all requests and would keep them alive.
            self._layers[layer] = keys.clone(), values.clone()
            return keys, values
        stored[0][:, self.rows] = keys
        stored[1][:, self.rows] = values
        return stored


class _PrefixState:
    def __init__(self) -> None:
        self._kept: LayoutKeys | None = None

    def plan(self, layout: Layout, step: int) -> Reuse:
        if step == 0 or self._kept is None:
            self._kept = LayoutKeys(slice(layout.behind, len(layout)))
            return Reuse(slice(0, len(layout)), self._kept, len(layout))
        return Reuse(self._kept.rows, self._kept, len(layout))


@dataclass(frozen=True, slots=True)
class PrefixCache:
    """Keys and values of everything before the block live as long as the block (Fast-dLLM).

    The block's first forward feeds the whole layout and is a decoding step too; later ones feed the
    block and the masks behind it (arXiv 2505.22618, `generate_with_prefix_cache`).
    """

    def open(self) -> CacheState:
        """An empty cache."""
        return _PrefixState()
