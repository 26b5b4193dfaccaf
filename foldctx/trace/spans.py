"""Half-open ranges of characters or positions: unions, gaps, order."""

from collections.abc import Iterable, Sequence

Span = tuple[int, int]


def union(spans: Iterable[Span]) -> list[Span]:
    """Merge spans that touch or overlap; the result is in order, without empty spans."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def gaps(spans: Iterable[Span], length: int) -> list[Span]:
    """Give the parts of 0..length that no span covers."""
    missing: list[Span] = []
    place = 0
    for start, end in union(spans):
        if start > place:
            missing.append((place, min(start, length)))
        place = max(place, end)
    if place < length:
        missing.append((place, length))
    return missing


def covers(spans: Iterable[Span], start: int, end: int) -> bool:
    """Tell whether the union of the spans holds all of start..end."""
    return any(first <= start and end <= last for first, last in union(spans))


def disjoint(spans: Iterable[Sequence[int]]) -> bool:
    """Tell whether every span runs forward and none overlaps another."""
    place = 0
    for start, end in sorted((span[0], span[1]) for span in spans):
        if start < place or end < start:
            return False
        place = end
    return True
