"""Dream's commit schedules: how many masks a step of continuous time uncovers."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from foldctx.decoding.commit import BlockStep, Commit, check_forwards, check_steps, ranked
from foldctx.decoding.propose import gumbel
from foldctx.decoding.segments import Request
from foldctx.errors import UsageError
from foldctx.numeric import check_numbers

if TYPE_CHECKING:
    from foldctx.decoding.decoder import Decoder


@dataclass(frozen=True, slots=True)
class Timesteps(Commit):
    """As many commits as time passes (Dream's `diffusion_generate`, arXiv 2508.15487).

    Time runs from 1 to `eps` in the block's steps; a step from t to s commits int(m (1 - s / t)) of
    the m masks that are left, the last step all of them. Early steps of a long schedule commit
    nothing, as in the reference, and all steps run. With `independent` (Dream's alg "origin") every
    mask is committed with probability 1 - s / t by itself; the ranking must be random then.
    `steps=None` takes as many as there are masks.

    `alg_temp` 0 commits the most confident. Above it, a step's positions are drawn without
    replacement from softmax(confidence / alg_temp); only their choice changes, no confidence does.
    """

    steps: int | None = None
    eps: float = 1e-3
    independent: bool = False
    alg_temp: float = 0.0

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"steps={self.steps}; it must be at least 1")
        if not 0 < self.eps < 1:
            raise UsageError(f"eps={self.eps} does not lie between 0 and 1, where time ends")
        if not 0 <= self.alg_temp < float("inf"):
            raise UsageError(f"alg_temp={self.alg_temp} must be a number of at least 0")
        if self.independent and self.alg_temp > 0:
            raise UsageError(
                f"alg_temp={self.alg_temp} with independent=true: every mask has its own chance then "
                "and none is ranked; leave one of them out"
            )

    @property
    def needs_probability(self) -> bool:
        """Any ranking will do."""
        return False

    @property
    def scheduled(self) -> bool:
        """By the steps."""
        return True

    def unfit(self, decoder: "Decoder") -> str | None:
        """Chances are compared with uniform random numbers."""
        if self.independent and not decoder.propose.is_uniform:
            return f"{self} gives every mask its own chance, so rank at random: remasking=random"
        return None

    def check(self, request: Request, blocks: int) -> None:
        """Steps must divide evenly among the blocks, and not be far more than tokens."""
        check_steps(self.steps, request, blocks)
        check_forwards("steps", self.steps, request)

    def planned(self, masks: int) -> int | None:
        """The steps."""
        return masks if self.steps is None else self.steps

    def without_steps(self) -> Commit:
        """As many as there are masks."""
        return replace(self, steps=None)

    def _steps(self, at: BlockStep) -> int:
        return at.masks if self.steps is None else self.steps // at.blocks

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """The step's share of the most confident, or each by its own chance."""
        steps = self._steps(at)
        if at.step + 1 >= steps:
            return ranked(confidence)
        times = torch.linspace(1, self.eps, steps + 1)  # float32, as the reference rounds
        stays = times[at.step + 1] / times[at.step]
        if self.independent:
            return (confidence >= stays).nonzero().flatten()
        count = int(confidence.numel() * (1 - stays))
        if self.alg_temp > 0 and count:
            confidence = self._perturbed(confidence, at.generator)
        return ranked(confidence)[:count]

    def _perturbed(self, confidence: Tensor, generator: torch.Generator) -> Tensor:
        """Scores whose k best are k draws without replacement from softmax(confidence / alg_temp).

        The Gumbel-top-k trick (Kool et al., arXiv 1903.06059) has exactly the distribution of the
        reference's `torch.multinomial`, and needs no k chances above zero: near alg_temp 0, where
        the softmax underflows, it takes the most confident. Dividing by no less than 1 keeps the
        scores finite at either end.
        """
        scale = max(self.alg_temp, 1.0)
        return confidence.double() / scale + self.alg_temp / scale * gumbel(confidence, generator)

    def done(self, at: BlockStep, left: int) -> bool:
        """After the last step."""
        return at.step + 1 >= self._steps(at)
