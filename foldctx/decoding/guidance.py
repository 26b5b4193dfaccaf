"""Guidance over forwards: when the branch without the prompt is fed, and what stands in for it."""

from collections.abc import Sequence

import torch
from torch import Tensor

# The reference feeds both branches in this many first forwards, whatever the interval (dLLM-Cache).
WARM_UP = 5


class Guidance:
    """What the second branch took away from the first, kept for some forwards of one request.

    With an interval of 1 nothing is kept. Otherwise the difference of the branches' logits is kept
    for every mask that was fed, and serves until the next forward that feeds both.
    """

    def __init__(self, branches: int, interval: int) -> None:
        self._branches, self._interval = branches, interval
        self._at: dict[int, int] = {}
        self._difference: Tensor | None = None

    @property
    def keeps(self) -> bool:
        """Whether a forward that feeds both branches wants the logits of all masks it feeds."""
        return self._branches == 2 and self._interval > 1

    def due(self, forward: int, wanted: Sequence[int]) -> int:
        """Branches to feed in the request's `forward` (from 0) for the canvas indices `wanted`."""
        if not self.keeps or forward < WARM_UP or forward % self._interval == 0:
            return self._branches
        return 1 if self._at.keys() >= set(wanted) else self._branches

    def complete(self, logits: Sequence[Tensor], at: Sequence[int]) -> Sequence[Tensor]:
        """Both branches' logits (m, V) at the canvas indices `at`, whichever were fed."""
        if not self.keeps:
            return logits
        if len(logits) == 2:
            self._at = {index: row for row, index in enumerate(at)}
            self._difference = logits[0] - logits[1]
            return logits
        assert self._difference is not None
        rows = torch.tensor([self._at[index] for index in at], device=self._difference.device)
        return [logits[0], logits[0] - self._difference[rows]]
