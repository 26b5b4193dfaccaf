"""A prior against one token: a small reader says too soon that nothing helps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from foldctx.decoding.propose import Proposal, Propose, Proposer
from foldctx.errors import UsageError
from foldctx.models.info import ModelInfo


@dataclass(frozen=True, slots=True)
class Reluctant(Propose):
    """Proposes `token_id` only where it is likelier than any other token by `nats`.

    The confidences, and the probabilities that are watched, stay the model's own. Raises UsageError
    for nats below 0, and for an inner proposer that does not rank by confidence.
    """

    inner: Proposer
    token_id: int
    nats: float

    def __post_init__(self) -> None:
        if self.inner.remasking != "low_confidence":
            raise UsageError(
                f"remasking={self.inner.remasking!r}: a prior against a token needs low_confidence"
            )
        if not 0 <= self.nats < float("inf"):
            raise UsageError(f"nats={self.nats} must be a number of at least 0")

    @property
    def branches(self) -> int:
        """As without the prior."""
        return self.inner.branches

    @property
    def guidance_interval(self) -> int:
        """As without the prior."""
        return self.inner.guidance_interval

    @property
    def is_probability(self) -> bool:
        """As without the prior."""
        return self.inner.is_probability

    def __call__(
        self, logits: Sequence[Tensor], info: ModelInfo, generator: torch.Generator
    ) -> Proposal:
        """Lower the token in every row; choose; then rank by what the model itself believes."""
        lowered = [branch.clone() for branch in logits]
        for branch in lowered:
            branch[:, self.token_id] -= self.nats
        tokens = self.inner(lowered, info, generator).tokens
        plain = self.inner(logits, info, generator)
        chosen = plain.logits.gather(1, tokens[:, None])[:, 0]
        return replace(plain, tokens=tokens, confidence=(chosen - plain.norm).exp())
