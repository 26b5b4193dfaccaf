"""Commit seam: which proposals of a forward are written."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from foldctx.decoding.segments import Request
from foldctx.errors import UsageError


@dataclass(frozen=True, slots=True)
class BlockStep:
    """Where a block stands: its forward `step` (from 0), the masks it began with, all blocks."""

    step: int
    masks: int
    blocks: int


class Commit(Protocol):
    """Chooses among the masked positions of a block."""

    @property
    def needs_probability(self) -> bool:
        """Whether confidences are compared with a probability."""
        ...

    def check(self, request: Request, blocks: int) -> None:
        """Raise UsageError when the request cannot be decoded this way."""
        ...

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """Indices (k,) into the m positions of `confidence` (m,), which are in canvas order."""
        ...

    def done(self, at: BlockStep, left: int) -> bool:
        """Whether the block is over after this step, with `left` masks in it."""
        ...


def ranked(confidence: Tensor) -> Tensor:
    """Indices by falling confidence; the sort is stable, so ties go to the lowest position."""
    return torch.sort(confidence, descending=True, stable=True).indices


@dataclass(frozen=True, slots=True)
class Quota:
    """A fixed number of commits per forward (LLaDA's sampler, arXiv 2502.09992).

    `steps` are shared equally by the blocks; in a block of m masks each of its S steps commits
    m // S, the first m % S one more. All S run, though nothing may be left to commit, as in the
    reference. `steps=None` commits one token per forward.
    """

    steps: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"steps={self.steps}; it must be at least 1")

    @property
    def needs_probability(self) -> bool:
        """Any ranking will do."""
        return False

    def check(self, request: Request, blocks: int) -> None:
        """Steps must divide evenly among the blocks."""
        if self.steps is not None and self.steps % blocks:
            raise UsageError(
                f"request {request.id!r}: steps={self.steps} is not a multiple of the {blocks} "
                f"blocks of gen_length={request.gen_length}"
            )

    def _steps(self, at: BlockStep) -> int:
        return at.masks if self.steps is None else self.steps // at.blocks

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """The step's share of the most confident."""
        share, extra = divmod(at.masks, self._steps(at))
        return ranked(confidence)[: share + (at.step < extra)]

    def done(self, at: BlockStep, left: int) -> bool:
        """After the last step."""
        return at.step + 1 >= self._steps(at)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Every proposal with confidence of at least `tau`, and always the best (Fast-dLLM).

    arXiv 2505.22618, section 3.3.
    """

    tau: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.tau <= 1:
            raise UsageError(f"threshold={self.tau} is not a probability in (0, 1]")

    @property
    def needs_probability(self) -> bool:
        """It is compared with one."""
        return True

    def check(self, request: Request, blocks: int) -> None:
        """Any request will do."""

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """The best, then the others that pass."""
        order = ranked(confidence)
        passing = int((confidence >= self.tau).sum())
        return order[: max(passing, 1)]

    def done(self, at: BlockStep, left: int) -> bool:
        """When no mask is left."""
        return left == 0
