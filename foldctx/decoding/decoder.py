"""A decoder: one member per seam, put together once and checked."""

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from foldctx.decoding.cache import Cache
from foldctx.decoding.canvas import SpanFold
from foldctx.decoding.commit import Commit
from foldctx.decoding.feed import SuffixFeed
from foldctx.decoding.propose import Propose
from foldctx.decoding.stop import Stop
from foldctx.errors import UsageError
from foldctx.numeric import check_numbers


@dataclass(frozen=True, slots=True)
class Decoder:
    """How requests are decoded; holds no state, so one serves any number of them.

    `block_length` positions are denoised together, counted from the end of the prompt; the last
    block may be shorter. `fresh_answers` leaves the cache to what else is read and written: a short
    answer about a document loses more by stale keys than they save. Raises UsageError for a
    combination that cannot work.
    """

    feed: SuffixFeed
    cache: Cache
    propose: Propose
    commit: Commit
    stop: Stop
    block_length: int = 32
    span: SpanFold = field(default_factory=SpanFold)
    fresh_answers: bool = False
    name: str = "custom"

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.block_length < 1:
            raise UsageError(f"block_length={self.block_length}; it must be at least 1")
        if self.commit.needs_probability and not self.propose.is_probability:
            raise UsageError(
                f"{self.name}: {self.commit} compares confidences with a probability, and "
                f"{self.propose} does not give one; rank by low_confidence or margin"
            )

        for member in (self.cache, self.commit, self.stop):
            if (reason := member.unfit(self)) is not None:
                raise UsageError(f"{self.name}: {reason}")

    def describe(self) -> dict[str, Any]:
        """Every parameter, for records: plain values only."""
        described = _describe(self)
        return {"preset": described.pop("name"), **described}


def _describe(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_describe(item) for item in value]
    if not is_dataclass(value):
        return value
    described = {item.name: _describe(getattr(value, item.name)) for item in fields(value)}
    return described if isinstance(value, Decoder) else {"kind": type(value).__name__, **described}
