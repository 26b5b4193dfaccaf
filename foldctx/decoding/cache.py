"""Cache seam: which rows of a layout are fed, and what they attend to besides themselves."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from foldctx.decoding.layout import Layout
from foldctx.errors import UsageError
from foldctx.models.row_cache import RowCache
from foldctx.numeric import check_numbers

if TYPE_CHECKING:
    from foldctx.decoding.decoder import Decoder


@dataclass(frozen=True, slots=True)
class Reuse:
    """One forward's share of the cache.

    `rows` are the layout's rows to feed (the block is always among them), `cache` what they attend
    through and what of them is not computed again, `keys` how many keys each of them sees.
    """

    rows: slice
    cache: RowCache
    keys: int


class CacheState(Protocol):
    """What one request keeps between forwards."""

    def plan(self, layout: Layout, step: int) -> Reuse:
        """Decide the forward `step` (from 0) of the block laid out as `layout`.

        Another layout than the last time is a new block: folds may have moved what was kept from
        the one before. A guidance branch that is not fed in every forward may miss a block's first.
        """
        ...


class Cache(Protocol):
    """A way of reusing what earlier forwards computed; holds no state of its own."""

    def open(self) -> CacheState:
        """The state of one request, or of one guidance branch of it."""
        ...

    def unfit(self, decoder: "Decoder") -> str | None:
        """Why it cannot serve this decoder, or None."""
        return None

    def fed(self, step: int, whole: float, tail: float, block: float) -> float:
        """Rows fed at a block's forward `step`.

        The layout has `whole` rows, `tail` of them from the block's start on and `block` in it.
        """
        return whole


@dataclass(frozen=True, slots=True)
class NoCache(Cache):
    """Feed the whole layout in every forward."""

    def open(self) -> CacheState:
        """There is nothing to keep, so the policy is its own state."""
        return self

    def plan(self, layout: Layout, step: int) -> Reuse:
        """Every row."""
        return whole_layout(layout)


def whole_layout(layout: Layout, cache: RowCache | None = None) -> Reuse:
    """Feed every row."""
    return Reuse(slice(0, len(layout)), cache or RowCache(), len(layout))


class LayoutKeys(RowCache):
    """Keys and values of all rows of a layout; later forwards overwrite the rows they feed.

    Keys are rotated already, so a row's slot in the layout stands for its position id.
    """

    def __init__(self, rows: slice) -> None:
        self.rows = rows
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Store a layer's first keys and values; afterwards write the fresh ones in their rows."""
        stored = self._layers.get(layer)
        if stored is None:
            # A copy: `keys` is a view of the rows of all requests and would keep them alive.
            self._layers[layer] = keys.clone(), values.clone()
            return keys, values
        stored[0][:, self.rows] = keys
        stored[1][:, self.rows] = values
        return stored


class _LayoutState:
    """Keys of the last forward that fed the whole layout; others feed the block, or what follows."""

    def __init__(self, refresh: int | None, *, block_only: bool) -> None:
        self._refresh, self._block_only = refresh, block_only
        self._kept: LayoutKeys | None = None
        self._layout: Layout | None = None

    def plan(self, layout: Layout, step: int) -> Reuse:
        if _due(step, self._refresh) or self._kept is None or layout is not self._layout:
            self._layout = layout
            tail = slice(layout.block.start, len(layout))
            self._kept = LayoutKeys(layout.block if self._block_only else tail)
            return whole_layout(layout, self._kept)
        return Reuse(self._kept.rows, self._kept, len(layout))


def _check_refresh(refresh: int | None) -> None:
    if refresh is not None and refresh < 1:
        raise UsageError(f"refresh={refresh}; give the forwards between refreshes, at least 1")


def _due(step: int, refresh: int | None) -> bool:
    return step == 0 if refresh is None else step % refresh == 0


@dataclass(frozen=True, slots=True)
class PrefixCache(Cache):
    """Keys and values of everything before the block live as long as the block (Fast-dLLM).

    The block's first forward feeds the whole layout and is a decoding step too; later ones feed the
    block and the masks behind it (arXiv 2505.22618, `generate_with_prefix_cache`). `refresh` feeds
    the whole layout every so many forwards of a block too.
    """

    refresh: int | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_refresh(self.refresh)

    def open(self) -> CacheState:
        """An empty cache."""
        return _LayoutState(self.refresh, block_only=False)

    def fed(self, step: int, whole: float, tail: float, block: float) -> float:
        """Everything, then the block and what follows."""
        return whole if _due(step, self.refresh) else tail


@dataclass(frozen=True, slots=True)
class DualCache(Cache):
    """Keys and values of everything outside the block live as long as the block (Fast-dLLM).

    As the prefix cache, but later forwards feed the block alone and see the masks behind it as the
    first forward did (arXiv 2505.22618, `generate_with_dual_cache`).
    """

    refresh: int | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_refresh(self.refresh)

    def open(self) -> CacheState:
        """An empty cache."""
        return _LayoutState(self.refresh, block_only=True)

    def fed(self, step: int, whole: float, tail: float, block: float) -> float:
        """Everything, then the block."""
        return whole if _due(step, self.refresh) else block
