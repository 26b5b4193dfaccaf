"""Evidence: a quote that was found where it is said to stand, never one that was only claimed."""

from dataclasses import dataclass
from typing import Literal

from foldctx.evidence.quotes import Match, MatchKind, find_quote, support

__all__ = ["Evidence", "Match", "MatchKind", "Support", "find_quote", "support"]

Support = Literal["contains", "scored", "none"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A quote at characters `start` to `end` of `document`; `page` counts from 1.

    `page` is None where the format has no pages. `support` says whether the answer follows from
    the quote. Raises ValueError for an empty quote or range and for a page below 1.
    """

    quote: str
    document: str
    page: int | None
    start: int
    end: int
    match: MatchKind
    support: Support = "none"

    def __post_init__(self) -> None:
        """Refuse a quote that stands nowhere."""
        if not self.quote:
            raise ValueError(f"{self.document}: the quote is empty")
        if not 0 <= self.start < self.end:
            raise ValueError(
                f"{self.document}: characters {self.start} to {self.end} hold no quote"
            )
        if self.page is not None and self.page < 1:
            raise ValueError(f"{self.document}: page {self.page}; pages count from 1")

    def to_dict(self) -> dict[str, str | int | None]:
        """Give the fields in the order of the record."""
        return {
            "quote": self.quote,
            "document": self.document,
            "page": self.page,
            "start": self.start,
            "end": self.end,
            "match": self.match,
            "support": self.support,
        }
