"""What a generated text is to a reader: lines in order, and questions that say what to keep.

A question knows two things that a reader has to learn: which lines are worth keeping, given what
was read so far and a text that goes on, and what follows from the lines that were kept.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

Split = Literal["train", "held_out"]


class Ask(Protocol):
    """A question about a tale's lines; lines are named by their index."""

    @property
    def question(self) -> str:
        """What is asked."""

    def keep(self, known: Sequence[int]) -> list[int]:
        """Of the lines in `known` (rising) those worth keeping, the most useful first.

        The first are those that answer now; the rest may be needed when the text goes on.
        """

    def answer(self, notes: Sequence[int]) -> str:
        """What follows from these lines (rising) alone; "" when nothing does."""


@dataclass(frozen=True, slots=True)
class Tale:
    """Lines in the order of the text, and what may be asked about them."""

    kind: str
    lines: tuple[str, ...]
    asks: tuple[Ask, ...]


def is_held_out(text: str) -> bool:
    """Whether a word, or a whole world, belongs to evaluation: one in eight, by its hash."""
    return hashlib.sha256(text.encode()).digest()[0] % 8 == 5


@lru_cache
def side(words: tuple[str, ...], split: Split) -> tuple[str, ...]:
    """The words of one split."""
    return tuple(word for word in words if is_held_out(word) == (split == "held_out"))
