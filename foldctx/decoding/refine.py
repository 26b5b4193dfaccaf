"""LLaDA2's commit rules: a threshold with a quota below it, and edits of what is decoded."""

from dataclasses import dataclass

from torch import Tensor

from foldctx.decoding.commit import BlockStep, Commit, ranked
from foldctx.errors import UsageError
from foldctx.numeric import check_numbers


def _check_threshold(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise UsageError(f"{name}={value} is not a probability in (0, 1]")


@dataclass(frozen=True, slots=True)
class ThresholdOrQuota(Commit):
    """All proposals above `tau` if they are as many as the step's quota, else the quota's best.

    LLaDA2.0's `generate` (arXiv 2512.15745). The quota shares the block's positions, prompt and all,
    among `steps` steps, the first ones taking one more where it does not come out even.
    """

    tau: float = 0.95
    steps: int = 32

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_threshold("threshold", self.tau)
        if self.steps < 1:
            raise UsageError(f"steps={self.steps}; it must be at least 1")

    def quota(self, at: BlockStep) -> int:
        """Least commits of this step; at least one, however many the steps."""
        share, extra = divmod(at.block_length, self.steps)
        return max(share + (at.step < extra), 1)

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """What passes, or the quota."""
        passing = int((confidence > self.tau).sum())
        return ranked(confidence)[: max(passing, self.quota(at))]


@dataclass(frozen=True, slots=True)
class Editing(Commit):
    """LLaDA2.1's token editing: decoded tokens of the block are replaced while it is open.

    Masks are committed above `tau`, or the best one. A decoded token that is no part of the prompt
    gives way to another proposal with a probability above `edit_tau`. The block ends at a fixed
    point: a forward that began without masks and edited nothing, or `max_post_steps` of them.
    """

    tau: float = 0.95
    edit_tau: float = 0.9
    max_post_steps: int = 16

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_threshold("threshold", self.tau)
        _check_threshold("editing_threshold", self.edit_tau)
        if self.max_post_steps < 1:
            raise UsageError(f"max_post_steps={self.max_post_steps}; it must be at least 1")

    @property
    def edits(self) -> bool:
        """It does."""
        return True

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """What passes, or the best."""
        return ranked(confidence)[: max(int((confidence > self.tau).sum()), 1)]

    def revise(self, confidence: Tensor, changed: Tensor) -> Tensor:
        """Other tokens that are sure enough."""
        return (changed & (confidence > self.edit_tau)).nonzero().flatten()

    def done(self, at: BlockStep, left: int) -> bool:
        """At a fixed point."""
        return at.settled > 0 and (at.edited == 0 or at.settled >= self.max_post_steps)
