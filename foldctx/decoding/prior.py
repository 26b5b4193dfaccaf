"""What priors over tokens share: they change what is chosen, not what the model believes."""

from dataclasses import dataclass

from foldctx.decoding.propose import Propose, Proposer
from foldctx.errors import UsageError


@dataclass(frozen=True, slots=True)
class Prior(Propose):
    """A proposer that chooses by `inner` after making some tokens likelier or less likely.

    Raises UsageError for an inner proposer that does not rank by confidence.
    """

    inner: Proposer

    def __post_init__(self) -> None:
        if self.inner.remasking != "low_confidence":
            raise UsageError(
                f"remasking={self.inner.remasking!r}: a prior over tokens needs low_confidence"
            )

    def _check(self, *names: str) -> None:
        """Raise UsageError for one of these fields below 0, or infinite."""
        for name in names:
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name}={getattr(self, name)} must be a number of at least 0")

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

    @property
    def is_uniform(self) -> bool:
        """As without the prior."""
        return self.inner.is_uniform
