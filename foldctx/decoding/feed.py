"""Feed seam: which masks behind the block the network sees."""

from dataclasses import dataclass
from typing import Protocol

from foldctx.decoding.segments import Range, merge_ranges
from foldctx.errors import UsageError


class SuffixFeed(Protocol):
    """Chooses, at a block's start, the suffix masks that are fed until the block is done.

    Everything before the block and the block itself are fed always. What is kept is read only and
    stays at its own position ids; a mask is committed when its own block comes.
    """

    @property
    def reserve(self) -> int:
        """Suffix masks that must find room before decoded text is folded away instead."""
        ...

    def kept(self, end: int, total: int) -> tuple[Range, ...]:
        """Ascending, disjoint ranges of the suffix [end, total) of canvas indices."""
        ...


@dataclass(frozen=True, slots=True)
class WholeCanvas:
    """Every mask, as LLaDA's own sampler (arXiv 2502.09992).

    A canvas longer than the window keeps the masks that fit and the terminal one.
    """

    @property
    def reserve(self) -> int:
        """The terminal mask alone."""
        return 1

    def kept(self, end: int, total: int) -> tuple[Range, ...]:
        """The whole suffix."""
        return merge_ranges([(end, total)])


@dataclass(frozen=True, slots=True)
class Elastic:
    """Near masks, one representative per `stride` of the others, and the terminal mask.

    Position-preserving mask compression and terminal-aware augmentation, after the abstract of
    Elastic-dLLM (arXiv 2605.18165). A representative is the last mask of its group, so the terminal
    mask is the last group's; `stride=None` makes one group of all. `terminal=False` leaves the last
    mask out unless it is near.
    """

    near: int = 64
    stride: int | None = None
    terminal: bool = True

    def __post_init__(self) -> None:
        if self.near < 0:
            raise UsageError(f"near={self.near} is negative; give the masks kept behind the block")
        if self.stride is not None and self.stride < 1:
            raise UsageError(f"stride={self.stride}; it must be at least 1, or None for one group")

    @property
    def reserve(self) -> int:
        """The near masks and the terminal one; representatives between may go."""
        return self.near + self.terminal

    def kept(self, end: int, total: int) -> tuple[Range, ...]:
        """Near range, then representatives, then the terminal mask."""
        far = min(end + self.near, total)
        stride = self.stride if self.stride is not None else max(total - far, 1)
        last = [min(start + stride, total) - 1 for start in range(far, total, stride)]
        if not self.terminal:
            last = [index for index in last if index != total - 1]
        return merge_ranges([(end, far), *((index, index + 1) for index in last)])
