"""The memory: notes carried from window to window, each with the place it came from."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from foldctx.errors import UsageError


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
    """The notes of one question in reading order, within a budget of tokens.

    A note costs its tokens and `overhead` for its label. When the budget is passed, the notes with
    the lowest score go (of equal ones the earlier: a later fact may supersede it), so an update
    never grows the memory beyond the budget and always ends. An empty update changes nothing.
    """

    def __init__(self, budget: int, overhead: int) -> None:
        if budget < 1:
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

    def update(self, notes: Iterable[Note]) -> MemoryChange:
        """Add notes; a note that is already there is kept once, with the better score."""
        before = self._notes
        known = {note.id: note for note in before}
        for note in notes:
            old = known.get(note.id)
            if old is None or note.score > old.score:
                known[note.id] = note
        held = sorted(known.values(), key=lambda note: (note.start, note.end, note.id))
        return self._replace(before, *self._select(held))

    def keep(self, ids: Sequence[str], reason: str) -> MemoryChange:
        """Drop every note that is not named; used when notes are condensed by reading them."""
        before = self._notes
        held = [note for note in before if note.id in ids]
        gone = [(note.id, reason) for note in before if note.id not in ids]
        return self._replace(before, held, gone)

    def fitting(self, room: int) -> tuple[Note, ...]:
        """The best-scored notes that fit in `room` tokens, in document order."""
        chosen, left = [], room
        for note in sorted(self._notes, key=lambda note: (-note.score, -note.start)):
            if self.cost_of(note) <= left:
                chosen.append(note)
                left -= self.cost_of(note)
        return tuple(note for note in self._notes if note in chosen)

    def _select(self, held: list[Note]) -> tuple[list[Note], list[tuple[str, str]]]:
        dropped: list[tuple[str, str]] = []
        total = sum(self.cost_of(note) for note in held)
        for note in sorted(held, key=lambda note: (note.score, note.start)):
            if total <= self.budget:
                break
            size = self.cost_of(note)
            why = (
                f"alone takes {size} of {self.budget} tokens"
                if size > self.budget
                else f"score {note.score:.3f} is the lowest and {total} tokens exceed {self.budget}"
            )
            dropped.append((note.id, why))
            total -= size
        gone = {id for id, _ in dropped}
        return [note for note in held if note.id not in gone], dropped

    def _replace(
        self, before: tuple[Note, ...], held: list[Note], dropped: list[tuple[str, str]]
    ) -> MemoryChange:
        self._notes = tuple(held)
        old = {note.id for note in before}
        return MemoryChange(
            kept=tuple(note.id for note in held if note.id in old),
            added=tuple(note.id for note in held if note.id not in old),
            dropped=tuple((id, why) for id, why in dropped if id in old),
            hash_before=_digest(before),
            hash_after=self.digest,
        )


def _digest(notes: Sequence[Note]) -> str:
    return hashlib.sha256("\n".join(note.id for note in notes).encode()).hexdigest()
