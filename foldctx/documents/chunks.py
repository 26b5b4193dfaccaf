"""Cutting a document into chunks that fill a window well and end where a reader would pause.

langchain-text-splitters' recursive splitter alone cuts each long paragraph for itself and leaves
its rest as a chunk of its own: on novels, chunks of 150 to 400 tokens came out 72 to 82 percent
full on average, and what is missing is paid for in forward passes. So the sentences are measured
once and packed here (300 to 400 tokens: 93 to 96 percent); the splitter cuts the
sentences that no chunk can hold (`foldctx.documents.pieces`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from foldctx.documents.document import Document
from foldctx.documents.lines import HEADING, finished
from foldctx.documents.pieces import Cost, cut_oversize, measure
from foldctx.documents.sentences import sentences
from foldctx.errors import UsageError

# A chunk may end early, at a better place, once it is this full.
NEARLY_FULL = 0.93

# The last unit of a chunk is repeated in the next one when it costs no more than this share.
LARGEST_OVERLAP = 0.05

# How far short units are merged when a chunk has no room for more units, in multiples of an
# equal share of the chunk. The first keeps units smallest; the last one fills the chunk always,
# and merges even over headings (a script full of # comments has nothing else).
_MERGES = (1.0, 1.5, 2.0, 3.0)

_BLANK_LINE = re.compile(r"(?:\r\n|\n|\r)[^\S\r\n]*[\r\n]")
_TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters `start` to `end` of the document, which cost `cost` tokens in a window.

    One sentence; or a piece of a sentence that alone exceeds the chunk; or several short
    neighbours merged because the chunk had no room for more units.
    """

    start: int
    end: int
    cost: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the document that is read in one window.

    `units` is a partition of it, `cost` the sum of theirs in tokens, `pages` its share of each
    page as (page, start, end), and `overlap` the number of characters it shares with the chunk
    before.
    """

    index: int
    start: int
    end: int
    text: str
    pages: tuple[tuple[int, int, int], ...]
    units: tuple[Unit, ...]
    cost: int
    overlap: int


def chunk_document(
    document: Document, *, cost: Cost, budget: int, max_units: int, overlap: bool = True
) -> list[Chunk]:
    """Cut a document into chunks of at most `budget` tokens and `max_units` units.

    `cost` gives, for a batch of texts, the tokens that each takes in a window (encoded alone,
    with its marker); a chunk costs the sum over its units. Without `overlap` the chunks are a
    partition of the text; with it, a chunk may begin with the last unit of the one before.
    Raises UsageError for a budget or a number of units below 1, and DocumentError when a single
    grapheme exceeds the budget.
    """
    if budget < 1 or max_units < 1:
        raise UsageError(
            f"budget={budget} and max_units={max_units}: a chunk needs at least 1 token and 1 unit"
        )
    packer = _Packer(document, cost, budget, max_units)
    chunks: list[Chunk] = []
    carried: tuple[Unit, ...] = ()
    place = 0
    while place < len(packer.units):
        units, place = packer.fill(place, carried)
        chunks.append(_chunk(document, len(chunks), units, carried))
        carried = packer.carry(units[-1], place) if overlap else ()
    return chunks


def _chunk(
    document: Document, index: int, units: tuple[Unit, ...], carried: tuple[Unit, ...]
) -> Chunk:
    start, end = units[0].start, units[-1].end
    return Chunk(
        index=index,
        start=start,
        end=end,
        text=document.text[start:end],
        pages=document.spans(start, end),
        units=units,
        cost=sum(unit.cost for unit in units),
        overlap=sum(unit.end - unit.start for unit in carried),
    )


class _Packer:
    """The measured units of one document, and how they are packed into chunks."""

    def __init__(self, document: Document, cost: Cost, budget: int, max_units: int) -> None:
        self.text = document.text
        self.cost = cost
        self.budget = budget
        self.max_units = max_units
        measured = measure(self.text, sentences(self.text), cost)
        pieces = cut_oversize(self.text, measured, cost=cost, budget=budget, source=document.source)
        self.units = [Unit(*piece) for piece in pieces]

    def fill(self, place: int, carried: tuple[Unit, ...]) -> tuple[tuple[Unit, ...], int]:
        """Give the units of the chunk that begins at unit `place`, and the place after it."""
        room = self.budget - sum(unit.cost for unit in carried)
        slots = self.max_units - len(carried)
        taken = _within(self.units[place : place + room + 1], room)
        if len(taken) > slots:
            full = sum(unit.cost for unit in taken[:slots]) >= NEARLY_FULL * room
            taken = taken[:slots] if full else self._merge(place, room, slots)
        taken = self._end_well(taken, sum(unit.cost for unit in carried))
        while place < len(self.units) and self.units[place].start < taken[-1].end:
            place += 1
        return (*carried, *taken), place

    def carry(self, last: Unit, place: int) -> tuple[Unit, ...]:
        """Give the unit that the next chunk repeats: `last`, if it is small and not in the way."""
        if place == len(self.units) or last.cost > LARGEST_OVERLAP * self.budget:
            return ()
        following = self.units[place]
        fits = last.cost + following.cost <= self.budget and self.max_units > 1
        return (last,) if fits and not self._opens_section(following.start) else ()

    def _merge(self, place: int, room: int, slots: int) -> list[Unit]:
        """Merge short neighbours from unit `place` on, so that `slots` units fill the room."""
        taken = self.units[place : place + 1]
        for factor in _MERGES:
            share = min(room, factor * room / slots)
            groups = self._group(place, share, slots, split_headings=factor < _MERGES[-1])
            spans = [(group[0].start, group[-1].end) for group in groups]
            merged = [Unit(*piece) for piece in measure(self.text, spans, self.cost)]
            fitting = _within(merged, room)
            if fitting and fitting[-1].end > taken[-1].end:
                taken = fitting
            if len(fitting) < len(groups) or taken[-1].end == len(self.text):
                break
        return taken

    def _group(
        self, place: int, share: float, slots: int, *, split_headings: bool
    ) -> list[list[Unit]]:
        """Group the units from `place` on into `slots` groups of about `share` tokens at most."""
        groups: list[list[Unit]] = []
        total = 0
        for unit in self.units[place:]:
            splits = split_headings and HEADING.match(self.text, unit.start)
            if groups and total + unit.cost <= share and not splits:
                groups[-1].append(unit)
                total += unit.cost
            elif len(groups) == slots:
                break
            else:
                groups.append([unit])
                total = unit.cost
        return groups

    def _end_well(self, taken: list[Unit], already: int) -> list[Unit]:
        """Shorten a full chunk to the best place to pause that leaves it nearly full."""
        if taken[-1].end == len(self.text):
            return taken
        total = already + sum(unit.cost for unit in taken)
        best, end = -2, len(taken)
        for count in range(len(taken), 0, -1):
            rank = self._rank(taken[count - 1])
            if rank > best:
                best, end = rank, count
            total -= taken[count - 1].cost
            if total < NEARLY_FULL * self.budget:
                break
        return taken[:end]

    def _rank(self, last: Unit) -> int:
        """Rank the place behind a unit: a section's end, a paragraph's, a sentence's, none."""
        if self._opens_section(last.end):
            return 2
        if self._opens_section(last.start):
            return -1
        ink = self.text[last.start : last.end]
        if _BLANK_LINE.search(ink, len(ink.rstrip())):
            return 1
        return 0 if "\n" in ink[len(ink.rstrip()) :] or finished(ink) else -1

    def _opens_section(self, start: int) -> bool:
        """Tell whether a heading begins here: marked, or a short title on a line of its own."""
        if HEADING.match(self.text, start):
            return True
        line, _, rest = self.text[start : start + _TITLE_LENGTH].partition("\n")
        return rest[:1] == "\n" and bool(line.strip()) and not finished(line)


def _within(units: Sequence[Unit], room: int) -> list[Unit]:
    """Take units from the front while they fit."""
    taken: list[Unit] = []
    for unit in units:
        room -= unit.cost
        if room < 0:
            break
        taken.append(unit)
    return taken
