"""What a request is made of, and the one primitive that makes it smaller: the fold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from foldctx.errors import UsageError

Kind = Literal["template", "question", "memory", "chunk", "notes", "answer", "mask"]
FoldKind = Literal["mask", "span", "chunk"]
Range = tuple[int, int]
"""Half-open: (start, end)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens of one kind; encoded apart from its neighbours, joined as ids."""

    kind: Kind
    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(f"segment kind {self.kind!r}: choose from {', '.join(get_args(Kind))}")

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Fold:
    """Something small in the place of something long.

    `before` and `after` count tokens; `kept` and `dropped` are half-open ranges of canvas indices
    (of the segment's own indices for a chunk). `shift` is how far the positions behind the seam
    have moved forward in all: 0 where every position is still its own index.
    """

    id: str
    kind: FoldKind
    before: int
    after: int
    kept: tuple[Range, ...]
    dropped: tuple[Range, ...]
    reason: str
    shift: int = 0

    def __post_init__(self) -> None:
        if self.after > self.before:
            raise UsageError(
                f"request {self.id!r}: a {self.kind} fold of {self.before} tokens into "
                f"{self.after} does not shrink; keep fewer tokens"
            )


def merge_ranges(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same indices in ascending ranges that neither touch nor overlap."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def count(ranges: Iterable[Range]) -> int:
    """Indices in disjoint ranges."""
    return sum(end - start for start, end in ranges)


def without(span: Range, kept: Sequence[Range]) -> tuple[Range, ...]:
    """What is left of `span` when the ascending, disjoint ranges `kept` are taken out."""
    left, at = [], span[0]
    for start, end in kept:
        left.append((at, start))
        at = end
    left.append((at, span[1]))
    return tuple((start, end) for start, end in left if start < end)


def within(ranges: Iterable[Range], span: Range) -> tuple[Range, ...]:
    """The parts of ascending ranges that lie in `span`."""
    cut = ((max(start, span[0]), min(end, span[1])) for start, end in ranges)
    return tuple((start, end) for start, end in cut if start < end)


def fold_span(
    id: str, kind: FoldKind, span: Range, kept: Sequence[Range], reason: str, *, shift: int = 0
) -> Fold:
    """Record that of `span` only the ascending, disjoint ranges `kept` are fed from now on."""
    dropped = without(span, kept)
    before = span[1] - span[0]
    return Fold(id, kind, before, before - count(dropped), tuple(kept), dropped, reason, shift)


def fold_segment(
    segment: Segment,
    tokens: Sequence[int],
    reason: str,
    *,
    id: str = "",
    kept: Sequence[Range] = (),
) -> tuple[Segment, Fold]:
    """Fold a segment into a smaller one: a chunk into the `tokens` of its notes.

    `kept` names the ranges of the segment that live on in `tokens`, where they do.
    Raises UsageError when the result is longer than the segment.
    """
    ranges = merge_ranges(kept)
    dropped = without((0, len(segment)), ranges)
    fold = Fold(id, "chunk", len(segment), len(tokens), ranges, dropped, reason)
    return Segment("notes", tuple(tokens)), fold


@dataclass(frozen=True, slots=True)
class Request:
    """One canvas to decode: the prompt, then `gen_length` positions.

    `pinned` gives tokens at offsets of the generation from the start; they are never committed.
    `watch` names, per offset, the ids whose probability in the first forward is reported (in the
    first one of the offset's block, of a block-causal model).
    `first_position` is the position id of the first prompt token (a left-padded row's padding).
    Raises UsageError when an offset or a length makes no sense.
    """

    id: str
    prompt: tuple[Segment, ...]
    gen_length: int
    pinned: Mapping[int, int] = field(default_factory=dict, kw_only=True)
    watch: Mapping[int, tuple[int, ...]] = field(default_factory=dict, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    first_position: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if self.gen_length < 1:
            self._refuse(f"gen_length={self.gen_length}; it must be at least 1")
        if self.first_position < 0:
            self._refuse(f"first_position={self.first_position} is negative")
        for name, offsets in (("pinned", self.pinned), ("watch", self.watch)):
            for offset in offsets:
                if not 0 <= offset < self.gen_length:
                    self._refuse(f"{name} offset {offset} is outside gen_length={self.gen_length}")
        if len(self.pinned) == self.gen_length:
            self._refuse(f"all {self.gen_length} tokens are pinned; nothing is left to decode")
        if both := sorted(set(self.pinned) & set(self.watch)):
            self._refuse(f"offset {both[0]} is pinned, so its probability cannot be watched")

    def _refuse(self, reason: str) -> None:
        raise UsageError(f"request {self.id!r}: {reason}")

    @property
    def prompt_tokens(self) -> list[int]:
        """The prompt's ids, all segments joined."""
        return [token for segment in self.prompt for token in segment.tokens]

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt."""
        return sum(len(segment) for segment in self.prompt)
