"""Dream's proposal: the confidence is that of the distribution the token was drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from foldctx.decoding.propose import Proposal, Propose, Remasking, gumbel
from foldctx.errors import UsageError
from foldctx.models.info import ModelInfo
from foldctx.numeric import check_numbers

_COLDEST = 1e-6


@dataclass(frozen=True, slots=True)
class Tempered(Propose):
    """Temperature and filters change the logits, from which token and confidence are taken.

    Dream's `sample_tokens` (arXiv 2508.15487). `top_p` keeps the likeliest tokens that together pass
    that probability, `top_k` the k likeliest. Ranked by `remasking`: the token's probability
    (Dream's maskgit_plus), the two best ones' margin (topk_margin), entropy, or at random (origin).
    The mask token is never proposed; it stays in the softmax.
    """

    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    remasking: Remasking = "entropy"

    def __post_init__(self) -> None:
        check_numbers(self)
        if not 0 <= self.temperature < float("inf"):
            raise UsageError(f"temperature={self.temperature} must be a number of at least 0")
        if 0 < self.temperature < _COLDEST:
            raise UsageError(
                f"temperature={self.temperature} is too low to divide logits by; give 0, which takes "
                f"the likeliest token, or at least {_COLDEST}"
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(f"top_p={self.top_p} is not a probability in (0, 1]")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top_k={self.top_k}; it must be at least 1")
        if self.remasking not in get_args(Remasking):
            choices = ", ".join(get_args(Remasking))
            raise UsageError(f"remasking={self.remasking!r}: choose from {choices}")

    @property
    def branches(self) -> int:
        """It takes no guidance."""
        return 1

    @property
    def is_probability(self) -> bool:
        """True of the probability of the token and of its margin over the next."""
        return self.remasking in ("low_confidence", "margin")

    @property
    def is_uniform(self) -> bool:
        """As `remasking` says."""
        return self.remasking == "random"

    def __call__(
        self, logits: Sequence[Tensor], info: ModelInfo, generator: torch.Generator
    ) -> Proposal:
        """Temper, filter, choose and rank; ties between ids go to the lowest."""
        raw = logits[0].to(torch.promote_types(logits[0].dtype, torch.float32), copy=True)
        if self.temperature > 0:
            raw /= self.temperature
        raw = self._filtered(raw, info.mask_id)
        norm = raw.logsumexp(-1)
        mask = (raw[:, info.mask_id] - norm).exp()
        raw[:, info.mask_id] = -torch.inf
        noisy = raw
        if self.temperature > 0:
            noisy = raw.double() + gumbel(raw, generator)
        tokens = noisy.argmax(-1)
        confidence = self._confidence(raw, norm, mask, tokens, generator)
        return Proposal(tokens, confidence, raw, norm)

    def _filtered(self, raw: Tensor, mask_id: int) -> Tensor:
        """Only the tokens that `top_p` and `top_k` leave, and always the best that is no mask."""
        drop = torch.zeros_like(raw, dtype=torch.bool)
        if self.top_p is not None and self.top_p < 1:
            ordered = raw.sort(dim=-1, descending=True, stable=True)
            before = ordered.values.softmax(-1).cumsum(-1).roll(1, -1)
            before[:, 0] = 0
            drop = drop.scatter(1, ordered.indices, before > self.top_p)
        if self.top_k is not None:
            left = raw.masked_fill(drop, -torch.inf)
            least = left.topk(min(self.top_k, raw.shape[1]), dim=-1).values[:, -1:]
            drop = drop | (raw < least)
        others = raw.index_fill(1, torch.tensor([mask_id], device=raw.device), -torch.inf)
        return raw.masked_fill(drop.scatter(1, others.argmax(-1, keepdim=True), False), -torch.inf)

    def _confidence(
        self,
        raw: Tensor,
        norm: Tensor,
        mask: Tensor,
        tokens: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """`mask` (m,) is the mask token's probability."""
        if self.remasking == "random":
            draw = torch.rand(tokens.shape, dtype=torch.float64, generator=generator)
            return draw.to(raw.device)
        probabilities = (raw - norm[:, None]).exp()
        if self.remasking == "low_confidence":
            chosen: Tensor = probabilities.gather(1, tokens[:, None]).squeeze(1)
            return chosen
        if self.remasking == "entropy":
            spread: Tensor = torch.special.entr(probabilities).sum(-1) + torch.special.entr(mask)
            return -spread
        best = torch.cat((probabilities.topk(2, dim=-1).values, mask[:, None]), 1)  # (m, 3)
        margin: Tensor = best[:, 0] - best[:, 1:].max(-1).values
        return margin
