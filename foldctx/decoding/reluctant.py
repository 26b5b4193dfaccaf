"""A prior against one token: a small reader says too soon that nothing helps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from foldctx.decoding.prior import Prior
from foldctx.decoding.propose import Proposal
from foldctx.models.info import ModelInfo


@dataclass(frozen=True, slots=True)
class Reluctant(Prior):
    """Proposes `token_id` only where it is likelier than any other token by `nats`.

    The confidences, and the probabilities that are watched, stay the model's own. Raises UsageError
    for nats below 0, and for an inner proposer that does not rank by confidence.
    """

    token_id: int
    nats: float

    def __post_init__(self) -> None:
        Prior.__post_init__(self)
        self._check("nats")

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
