"""Bounds on a block's forwards that a version of a reference has, around any commit rule."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from foldctx.decoding.commit import BlockStep, Commit, check_forwards, check_steps
from foldctx.decoding.segments import Request
from foldctx.errors import UsageError
from foldctx.numeric import check_numbers

if TYPE_CHECKING:
    from foldctx.decoding.decoder import Decoder


@dataclass(frozen=True, slots=True)
class Bounded(Commit):
    """Another rule, with a bound on a block's forwards that a version of a reference has.

    `least`: so many run, though no mask may be left. `steps`: no more than a block's share of them
    run; masks that are left then stay, and a later forward that feeds them may commit them.
    """

    rule: Commit
    least: int = 1
    steps: int | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.least < 1 or (self.steps is not None and self.steps < 1):
            raise UsageError(f"least={self.least}, steps={self.steps}: both must be at least 1")

    @property
    def needs_probability(self) -> bool:
        """If the rule does."""
        return self.rule.needs_probability

    @property
    def scheduled(self) -> bool:
        """If the rule is."""
        return self.rule.scheduled

    @property
    def edits(self) -> bool:
        """If the rule does."""
        return self.rule.edits

    def unfit(self, decoder: "Decoder") -> str | None:
        """As the rule."""
        return self.rule.unfit(decoder)

    def revise(self, confidence: Tensor, changed: Tensor) -> Tensor:
        """As the rule."""
        return self.rule.revise(confidence, changed)

    def check(self, request: Request, blocks: int) -> None:
        """What the rule asks; steps that divide evenly among the blocks, a `least` that can be."""
        self.rule.check(request, blocks)
        check_steps(self.steps, request, blocks)
        check_forwards("compat_least", self.least, request)

    def planned(self, masks: int) -> int | None:
        """As the rule."""
        return self.rule.planned(masks)

    def without_steps(self) -> Commit:
        """The rule without, and no bound by them."""
        return replace(self, rule=self.rule.without_steps(), steps=None)

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """As the rule."""
        return self.rule.select(confidence, at)

    def done(self, at: BlockStep, left: int) -> bool:
        """Between the bounds, when the rule is done."""
        ran = at.step + 1
        last = self.steps is not None and ran >= self.steps // at.blocks
        return last or (ran >= self.least and self.rule.done(at, left))
