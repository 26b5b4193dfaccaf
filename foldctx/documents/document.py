"""A document as foldctx sees it: one text, and the pages that divide it."""

from bisect import bisect_right
from dataclasses import dataclass

from foldctx.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Page:
    """Page `number` (from 1) holds the characters `start` to `end` of the document's text."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one source, divided into pages.

    `pages` is a partition of `text` in order; a page without text has `start == end`.
    `sha256` is the hash (hex) of the bytes that were read. Raises DocumentError when the
    pages do not add up to the text.
    """

    source: str
    text: str
    pages: tuple[Page, ...]
    media_type: str
    sha256: str
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse pages that are not a partition of the text."""
        place = 0
        for number, page in enumerate(self.pages, start=1):
            if page.number != number or page.start != place or page.end < page.start:
                raise DocumentError(
                    f"{self.source}: page {page.number} spans {page.start}-{page.end}; "
                    f"expected page {number} to start at {place}"
                )
            place = page.end
        if place != len(self.text):
            raise DocumentError(
                f"{self.source}: the pages end at character {place}, "
                f"but the text has {len(self.text)}"
            )

    def spans(self, start: int, end: int) -> tuple[tuple[int, int, int], ...]:
        """Give (page number, start, end) for each page that characters start to end touch.

        Offsets are those of the whole text. Raises DocumentError outside of it.
        """
        if not 0 <= start <= end <= len(self.text):
            raise DocumentError(
                f"{self.source}: no characters {start}-{end} in a text of {len(self.text)}"
            )
        touched: list[tuple[int, int, int]] = []
        first = bisect_right(self.pages, start, key=lambda page: page.end)
        for page in self.pages[first:]:
            if page.start >= end or start == end:
                break
            if page.start < page.end:
                touched.append((page.number, max(start, page.start), min(end, page.end)))
        return tuple(touched)
