"""Commit seam: which proposals of a forward are written."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from foldctx.decoding.segments import Request
from foldctx.errors import UsageError
from foldctx.numeric import check_numbers

if TYPE_CHECKING:
    from foldctx.decoding.decoder import Decoder


@dataclass(frozen=True, slots=True)
class BlockStep:
    """Where a block stands: its forward `step` (from 0), the masks it began with, all blocks.

    `mask_ratio` is the share of masks among what was fed from the block's start on. The block has
    `block_length` positions; `settled` of its forwards so far, this one included, began without a
    mask, and this one edited `edited` tokens. A rule that draws takes its numbers from `generator`,
    which is the request's own, so that neither company nor the global seed matters.
    """

    step: int
    masks: int
    blocks: int
    mask_ratio: float = 1.0
    block_length: int = 0
    settled: int = 0
    edited: int = 0
    generator: torch.Generator = field(default_factory=torch.Generator, repr=False, compare=False)


class Commit(Protocol):
    """Chooses among the masked positions of a block."""

    @property
    def needs_probability(self) -> bool:
        """Whether confidences are compared with a probability."""
        return True

    @property
    def scheduled(self) -> bool:
        """Whether the number of a block's forwards is known before they run."""
        return False

    def unfit(self, decoder: "Decoder") -> str | None:
        """Why it cannot serve this decoder, or None."""
        return None

    @property
    def edits(self) -> bool:
        """Whether decoded tokens of the block are proposed for again, for `revise`."""
        return False

    def check(self, request: Request, blocks: int) -> None:
        """Raise UsageError when the request cannot be decoded this way."""
        return

    def planned(self, masks: int) -> int | None:
        """Forwards that a request of so many masks will take, where that is known."""
        return None

    def without_steps(self) -> "Commit":
        """The rule for another canvas than the one that a number of steps was asked for."""
        return self

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """Indices (k,) into the m positions of `confidence` (m,), which are in canvas order."""
        ...

    def revise(self, confidence: Tensor, changed: Tensor) -> Tensor:
        """Indices (k,) of the decoded tokens to overwrite by their proposals.

        `confidence` (m,) is that of the proposals, `changed` (m,) says where they are other tokens.
        """
        return torch.empty(0, dtype=torch.long)

    def done(self, at: BlockStep, left: int) -> bool:
        """Whether the block is over after this step, with `left` masks in it."""
        return left == 0


def ranked(confidence: Tensor) -> Tensor:
    """Indices by falling confidence; the sort is stable, so ties go to the lowest position."""
    return torch.sort(confidence, descending=True, stable=True).indices


def _check_threshold(tau: float) -> None:
    if not 0 < tau <= 1:
        raise UsageError(f"threshold={tau} is not a probability in (0, 1]")


def _passing(confidence: Tensor, tau: float) -> Tensor:
    """The best, then the others that reach `tau`."""
    return ranked(confidence)[: max(int((confidence >= tau).sum()), 1)]


def check_steps(steps: int | None, request: Request, blocks: int) -> None:
    """Raise UsageError unless the steps divide evenly among the blocks."""
    if steps is not None and steps % blocks:
        raise UsageError(
            f"request {request.id!r}: steps={steps} is not a multiple of the {blocks} "
            f"blocks of gen_length={request.gen_length}"
        )


# The references' own long schedules have two for each token, and a block's least forwards are two.
_FORWARDS_A_TOKEN = 8


def check_forwards(name: str, forwards: int | None, request: Request) -> None:
    """Raise UsageError for more forwards than the generation could need: most would do nothing.

    A slip of the hand would run for days without a word.
    """
    most = _FORWARDS_A_TOKEN * request.gen_length
    if forwards is not None and forwards > most:
        raise UsageError(
            f"request {request.id!r}: {name}={forwards} forwards for gen_length="
            f"{request.gen_length}; give at most {most}, or a longer generation"
        )


@dataclass(frozen=True, slots=True)
class Quota(Commit):
    """A fixed number of commits per forward (LLaDA's sampler, arXiv 2502.09992).

    `steps` are shared equally by the blocks; in a block of m masks each of its S steps commits
    m // S, the first m % S one more. All S run, though nothing may be left to commit, as in the
    reference, unless `idle` is false; so far more of them than tokens are refused with it.
    `steps=None` commits one token per forward.
    """

    steps: int | None = None
    idle: bool = True

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"steps={self.steps}; it must be at least 1")

    @property
    def needs_probability(self) -> bool:
        """Any ranking will do."""
        return False

    @property
    def scheduled(self) -> bool:
        """By the steps, or by one token a forward."""
        return True

    def check(self, request: Request, blocks: int) -> None:
        """Steps must divide evenly among the blocks, and where all run not be far more than tokens."""
        check_steps(self.steps, request, blocks)
        if self.idle:
            check_forwards("steps", self.steps, request)

    def planned(self, masks: int) -> int | None:
        """The steps, or one forward a mask."""
        return self.steps or masks

    def without_steps(self) -> Commit:
        """One token a forward."""
        return Quota()

    def _steps(self, at: BlockStep) -> int:
        return at.masks if self.steps is None else self.steps // at.blocks

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """The step's share of the most confident."""
        share, extra = divmod(at.masks, self._steps(at))
        return ranked(confidence)[: share + (at.step < extra)]

    def done(self, at: BlockStep, left: int) -> bool:
        """After the last step."""
        return at.step + 1 >= self._steps(at) or (not self.idle and left == 0)


@dataclass(frozen=True, slots=True)
class Threshold(Commit):
    """Every proposal with confidence of at least `tau`, and always the best (Fast-dLLM).

    arXiv 2505.22618, section 3.3.
    """

    tau: float = 0.9

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_threshold(self.tau)

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """The best, then the others that pass."""
        return _passing(confidence, self.tau)


@dataclass(frozen=True, slots=True)
class DynamicThreshold(Commit):
    """A threshold that falls with the share r of masks that is left (Streaming-dLLM).

    tau (1 - alpha (1 - r)), and plain tau in a block's first forward; r counts the block and the
    masks fed behind it (arXiv 2601.17917).
    """

    tau: float = 0.9
    alpha: float = 0.3

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_threshold(self.tau)
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"alpha={self.alpha} is not a share in [0, 1]")

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """The best, then the others that pass."""
        alpha = self.alpha if at.step else 0.0
        return _passing(confidence, self.tau * (1 - alpha * (1 - at.mask_ratio)))


@dataclass(frozen=True, slots=True)
class Factor(Commit):
    """As many of the most confident as can be trusted together (Fast-dLLM's factor rule).

    The r-th best must have a confidence of at least 1 - factor / (r + 1), and so must all better
    ones; the best is always taken (arXiv 2505.22618, theorem 1). `compat` takes the last mask too
    when it is the only one that fails, as the reference's loop does, which cannot tell failing at
    the last from never failing.
    """

    factor: float = 1.0
    compat: bool = False

    def __post_init__(self) -> None:
        check_numbers(self)
        if not self.factor > 0:
            raise UsageError(f"factor={self.factor}; it must be positive")

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """The longest head of the ranking that holds."""
        order = ranked(confidence)
        ranks = torch.arange(1, order.numel() + 1)
        holds = confidence[order].double() >= 1 - self.factor / (ranks + 1).double()
        holds[:1] = True
        taken = int(holds.long().cumprod(0).sum())
        if self.compat and taken == order.numel() - 1:
            taken += 1
        return order[:taken]
