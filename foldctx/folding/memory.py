"""The memory: notes carried from window to window, each with the place it came from."""

import hashlib
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from foldctx.errors import UsageError

_DRAWN = 200  # memories that stand for all


@dataclass(frozen=True, slots=True)
class Note:
    """Something kept of a chunk.

    `start` and `end` are the characters of the document it was read from: the sentence itself for a
    pointer note (`verbatim`), the whole chunk for a written one. `ids` is its text in tokens and
    `score` the model's belief that it helps, 0..1.
    """

    text: str
    ids: tuple[int, ...]
    start: int
    end: int
    window: int
    score: float
    verbatim: bool = True

    @property
    def id(self) -> str:
        """Names the note by its place, and by its text where the place does not give it."""
        place = f"{self.start}-{self.end}"
        if self.verbatim:
            return place
        return (
            f"{place}#{hashlib.sha256(self.text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
        )


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """What an update did: note ids, and the reason of each that left."""

    kept: tuple[str, ...]
    added: tuple[str, ...]
    dropped: tuple[tuple[str, str], ...]
    hash_before: str
    hash_after: str

    @property
    def changed(self) -> bool:
        """Whether anything came or went."""
        return bool(self.added or self.dropped)


class Memory:
    """The notes of one question in reading order, within a budget of tokens (None: any number).

    A note costs its tokens and `overhead` for its label. When the budget is passed, a note that
    alone exceeds it goes, then those with the lowest score (of equal ones the earlier: a later fact
    may supersede it), so that the memory fits after every update. An empty update changes nothing.
    """

    def __init__(self, budget: int | None, overhead: int) -> None:
        if budget is not None and budget < 1:
            raise UsageError(f"memory_tokens={budget}; the memory needs at least 1 token")
        self.budget, self.overhead = budget, overhead
        self._notes: tuple[Note, ...] = ()

    @property
    def notes(self) -> tuple[Note, ...]:
        """The notes in the order of the document."""
        return self._notes

    @property
    def cost(self) -> int:
        """Tokens that the notes take in a window."""
        return sum(self.cost_of(note) for note in self._notes)

    def cost_of(self, note: Note) -> int:
        """Tokens that one note takes in a window."""
        return len(note.ids) + self.overhead

    @property
    def digest(self) -> str:
        """Hash of the ids of the notes, in order."""
        return _digest(self._notes)

    def update(self, notes: Iterable[Note]) -> tuple[MemoryChange, ...]:
        """Add notes, then drop what passes the budget: what came, and what went, if anything did.

        A note that is already there is kept once, with the better score.
        """
        known = {note.id: note for note in self._notes}
        for note in notes:
            old = known.get(note.id)
            if old is None or note.score > old.score:
                known[note.id] = note
        changes = [self._replace(known.values(), {})]
        if self.budget is not None:
            changes.append(self.shrink(self.budget))
        return tuple(change for change in changes if change.changed)

    def keep(self, ids: Collection[str], reason: str) -> MemoryChange:
        """Drop every note that is not named; used when notes are condensed by reading them."""
        gone = {note.id: reason for note in self._notes if note.id not in ids}
        return self._replace(self._notes, gone)

    def shrink(self, budget: int) -> MemoryChange:
        """Drop notes by score until the rest take at most `budget` tokens."""
        sizes = {note.id: self.cost_of(note) for note in self._notes}
        gone = {
            id: f"alone takes {size} of {budget} tokens"
            for id, size in sizes.items()
            if size > budget
        }
        total = sum(size for id, size in sizes.items() if id not in gone)
        for note in sorted(self._notes, key=lambda note: (note.score, note.start)):
            if total <= budget:
                break
            if note.id not in gone:
                gone[note.id] = (
                    f"score {note.score:.3f} is the lowest, or the earliest of the lowest, and "
                    f"{total} tokens exceed {budget}"
                )
                total -= sizes[note.id]
        return self._replace(self._notes, gone)

    def fitting(self, room: int) -> tuple[Note, ...]:
        """The best-scored notes that fit in `room` tokens, in document order."""
        chosen, left = set[str](), room
        for note in sorted(self._notes, key=lambda note: (-note.score, -note.start)):
            if self.cost_of(note) <= left:
                chosen.add(note.id)
                left -= self.cost_of(note)
        return tuple(note for note in self._notes if note.id in chosen)

    def _replace(self, notes: Iterable[Note], gone: Mapping[str, str]) -> MemoryChange:
        """Hold these notes but for those that are `gone`, each for a reason."""
        before = self._notes
        held = [note for note in notes if note.id not in gone]
        self._notes = tuple(sorted(held, key=lambda note: (note.start, note.end, note.id)))
        old = {note.id for note in before}
        return MemoryChange(
            kept=tuple(note.id for note in self._notes if note.id in old),
            added=tuple(note.id for note in self._notes if note.id not in old),
            dropped=tuple(gone.items()),
            hash_before=_digest(before),
            hash_after=self.digest,
        )


def _digest(notes: Sequence[Note]) -> str:
    return hashlib.sha256("\n".join(note.id for note in notes).encode()).hexdigest()


def filled(sizes: Sequence[int], budget: int, room: int) -> float:
    """Tokens that notes take in a room, expected of a memory whose budget is full.

    The notes are drawn from units of these sizes, long ones the likelier as they say more; they fit
    as `Memory.fitting` lets them, in random order. Deterministic.
    """
    rng, edges, total = random.Random(0), list(accumulate(sizes)), 0
    for _ in range(_DRAWN if sizes else 0):
        held = taken = 0
        while held + (size := rng.choices(sizes, cum_weights=edges)[0]) <= budget:
            held += size
            taken += size if taken + size <= room else 0
        total += taken
    return total / _DRAWN
