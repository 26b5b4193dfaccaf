"""Cutting a sentence that is larger than a chunk: at lines, clauses and words, then graphemes.

The cutting is langchain-text-splitters' recursive splitter with an exact length: separators stay
at the end of their piece and white space is kept, so that pieces join up to the sentence. It
measures in characters, at the rate of tokens per character of the very sentence; every piece is
then measured in the model's tokens, and cut again where it is still too large.
"""

from collections.abc import Callable, Iterable, Sequence

import regex  # type: ignore[import-untyped]

from foldctx.documents.sentences import joins
from foldctx.errors import DocumentError

Cost = Callable[[Sequence[str]], list[int]]
Piece = tuple[int, int, int]  # start, end, cost

# How much of a chunk a piece fills: small enough to pack chunks well and to point at, large
# enough that the markers of the pieces cost little, and with play for eight to fit in one.
PIECE_SHARE = 0.95 / 8

# Texts that are measured in one call.
AT_ONCE = 512

_SEPARATORS = [r"[\r\n]+", r"(?<=[;:,])\s+|[、，；：]", r"\s+"]
_GRAPHEME = regex.compile(r"\X")


def measure(text: str, spans: Sequence[tuple[int, int]], cost: Cost) -> list[Piece]:
    """Measure the spans of `text`; raises ValueError when a cost is missing.

    Many in a call, and not all: while an encoder holds the tokens of a text it takes many times
    the text's room.
    """
    measured: list[Piece] = []
    for first in range(0, len(spans), AT_ONCE):
        some = spans[first : first + AT_ONCE]
        costs = cost([text[start:end] for start, end in some])
        measured += [(start, end, n) for (start, end), n in zip(some, costs, strict=True)]
    return measured


def cut_oversize(
    text: str, measured: Iterable[Piece], *, cost: Cost, budget: int, source: str
) -> list[Piece]:
    """Cut each span that costs more than `budget` until all its pieces fit.

    Spans that fit stay as they are, in order. A word is cut only when it alone exceeds the
    budget, a grapheme never: raises DocumentError when one does.
    """
    todo = list(measured)
    while any(tokens > budget for _, _, tokens in todo):
        shares = [
            [(start, end)] if tokens <= budget else _cut(text, (start, end, tokens), budget, source)
            for start, end, tokens in todo
        ]
        fresh = [
            span
            for spans, (_, _, tokens) in zip(shares, todo, strict=True)
            if tokens > budget
            for span in spans
        ]
        costs = dict(zip(fresh, measure(text, fresh, cost), strict=True))
        todo = [
            costs[span] if tokens > budget else (*span, tokens)
            for spans, (_, _, tokens) in zip(shares, todo, strict=True)
            for span in spans
        ]
    return todo


def _cut(text: str, piece: Piece, budget: int, source: str) -> list[tuple[int, int]]:
    """Cut one span into two or more, none longer than its share of a chunk where words allow."""
    start, end, tokens = piece
    size = max(1, int((end - start) * PIECE_SHARE * budget / tokens))
    lengths = _words(text[start:end], size)
    spans = _places(text, start, lengths)
    if len(spans) == 1:
        spans = _places(text, start, _graphemes(text[start:end], size))
    if len(spans) == 1:
        raise DocumentError(
            f"{source}: the single character {text[start : start + 8]!r} at {start} costs {tokens} "
            f"tokens, more than a chunk holds ({budget}); use a larger chunk"
        )
    return spans


def _words(text: str, size: int) -> list[int]:
    """Give the lengths of pieces of at most `size` characters, cut at lines, clauses and words."""
    # Imported here: the package costs a third of a second, and few documents need it.
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        is_separator_regex=True,
        keep_separator="end",
        strip_whitespace=False,
        chunk_size=size,
        chunk_overlap=0,
    )
    return [len(piece) for piece in splitter.split_text(text)]


def _graphemes(text: str, size: int) -> list[int]:
    """Give the lengths of groups of whole graphemes, each of at most `size` or one grapheme."""
    lengths: list[int] = []
    group = 0
    for match in _GRAPHEME.finditer(text):
        length = match.end() - match.start()
        if group and group + length > size:
            lengths.append(group)
            group = 0
        group += length
    return [*lengths, group]


def _places(text: str, start: int, lengths: Iterable[int]) -> list[tuple[int, int]]:
    """Turn lengths into spans of `text`, without the cuts that fall inside a grapheme."""
    spans: list[tuple[int, int]] = []
    for length in lengths:
        if spans and joins(text, start):
            spans[-1] = (spans[-1][0], start + length)
        else:
            spans.append((start, start + length))
        start += length
    return spans
