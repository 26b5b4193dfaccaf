"""Feed seam: which masks behind the block the network sees."""

import math
from dataclasses import dataclass
from random import Random
from typing import Protocol

from foldctx.decoding.segments import Range, merge_ranges
from foldctx.errors import UsageError
from foldctx.numeric import check_numbers


class SuffixFeed(Protocol):
    """Chooses, at a block's start, the suffix masks that are fed until the block is done.

    Everything before the block and the block itself are fed always. What is kept is read only and
    stays at its own position ids; a mask is committed when its own block comes.
    """

    @property
    def reserve(self) -> int:
        """Suffix masks that must find room before decoded text is folded away instead."""
        ...

    @property
    def multiplicity(self) -> bool:
        """Whether a mask that stands for n gets the weight of n keys in attention."""
        return False

    def kept(self, end: int, total: int, seed: int = 0) -> tuple[Range, ...]:
        """Ascending, disjoint ranges of the suffix [end, total) of canvas indices.

        The same for the same arguments; `seed` is the request's.
        """
        ...


@dataclass(frozen=True, slots=True)
class WholeCanvas(SuffixFeed):
    """Every mask, as LLaDA's own sampler (arXiv 2502.09992).

    A canvas longer than the window keeps the masks that fit and the terminal one.
    """

    @property
    def reserve(self) -> int:
        """The terminal mask alone."""
        return 1

    def kept(self, end: int, total: int, seed: int = 0) -> tuple[Range, ...]:
        """The whole suffix."""
        return merge_ranges([(end, total)])


@dataclass(frozen=True, slots=True)
class Elastic(SuffixFeed):
    """Near masks, one representative per `stride` of the others, and the terminal mask.

    Position-preserving mask compression and terminal-aware augmentation, after the abstract of
    Elastic-dLLM (arXiv 2605.18165). A representative is the last mask of its group, so the terminal
    mask is the last group's; `stride=None` makes one group of all. `terminal=False` leaves the last
    mask out unless it is near. With `multiplicity` a representative of n masks gets + ln n on its
    attention logits, as if n equal keys were there.
    """

    near: int = 64
    stride: int | None = None
    terminal: bool = True
    multiplicity: bool = False

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.near < 0:
            raise UsageError(f"near={self.near} is negative; give the masks kept behind the block")
        if self.stride is not None and self.stride < 1:
            raise UsageError(f"stride={self.stride}; it must be at least 1, or None for one group")

    @property
    def reserve(self) -> int:
        """The near masks and the terminal one; representatives between may go."""
        return self.near + self.terminal

    def kept(self, end: int, total: int, seed: int = 0) -> tuple[Range, ...]:
        """Near range, then representatives, then the terminal mask."""
        far = min(end + self.near, total)
        stride = self.stride if self.stride is not None else max(total - far, 1)
        last = [min(start + stride, total) - 1 for start in range(far, total, stride)]
        if not self.terminal:
            last = [index for index in last if index != total - 1]
        return merge_ranges([(end, far), *((index, index + 1) for index in last)])


@dataclass(frozen=True, slots=True)
class SuffixWindow(SuffixFeed):
    """The first `suffix` masks behind the block and the trailing one (Streaming-dLLM).

    arXiv 2601.17917: attention to the suffix falls with distance but for the last position.
    """

    suffix: int = 96

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.suffix < 0:
            raise UsageError(f"suffix={self.suffix} is negative; give the masks kept")

    @property
    def reserve(self) -> int:
        """The window and the trailing mask."""
        return self.suffix + 1

    def kept(self, end: int, total: int, seed: int = 0) -> tuple[Range, ...]:
        """The whole suffix when it is no longer than the window."""
        return Elastic(self.suffix).kept(end, total)


@dataclass(frozen=True, slots=True)
class GaussianDropout(SuffixFeed):
    """A mask at distance j behind the block is kept with a probability that decays with j (DPad).

    p(j) = scale * N(decay * j / (reach - 1)) with the density N of the normal distribution, 0 from
    `reach` on (arXiv 2508.14148). Drawn anew for each block, from the request's seed; there is no
    terminal mask, and nothing need survive.
    """

    reach: int = 256
    decay: float = 4.0
    scale: float = 2.0

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_reach(self.reach)
        if not (self.decay >= 0 and self.scale > 0):
            raise UsageError(
                f"decay={self.decay}, scale={self.scale}: a density needs both positive"
            )

    @property
    def reserve(self) -> int:
        """All that may be drawn."""
        return self.reach

    def kept(self, end: int, total: int, seed: int = 0) -> tuple[Range, ...]:
        """One draw a mask, nearest first."""
        draw = Random(f"{seed}:{end}")
        chosen = []
        for distance in range(min(self.reach, total - end)):
            z = self.decay * distance / max(self.reach - 1, 1)
            if draw.random() < self.scale * math.exp(-z * z / 2) / math.sqrt(2 * math.pi):
                chosen.append((end + distance, end + distance + 1))
        return merge_ranges(chosen)


@dataclass(frozen=True, slots=True)
class UniformDropout(SuffixFeed):
    """`count` of the first `reach` masks behind the block, any of them alike (DPad's second form).

    arXiv 2508.14148. Drawn anew for each block, from the request's seed.
    """

    reach: int = 256
    count: int = 64

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_reach(self.reach)
        if not 0 <= self.count <= self.reach:
            raise UsageError(f"count={self.count} of reach={self.reach} masks cannot be kept")

    @property
    def reserve(self) -> int:
        """All that may be drawn."""
        return self.reach

    def kept(self, end: int, total: int, seed: int = 0) -> tuple[Range, ...]:
        """A sample without replacement."""
        near = range(end, min(end + self.reach, total))
        chosen = Random(f"{seed}:{end}").sample(near, min(self.count, len(near)))
        return merge_ranges((index, index + 1) for index in chosen)


def _check_reach(reach: int) -> None:
    if reach < 0:
        raise UsageError(f"reach={reach} is negative; give the masks that may be kept")
