"""Where words begin and end among token ids."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Which ids begin a word (`starts`: a space comes first), and which are marks of punctuation."""

    starts: frozenset[int]
    marks: frozenset[int]

    def begins(self, source: Sequence[int], at: int, breaks: frozenset[int]) -> bool:
        """Whether a copy may begin at this token: at a word, or behind an opening bracket."""
        if at == 0 or source[at - 1] in breaks or source[at] in self.starts:
            return True
        return source[at - 1] in self.starts & self.marks

    def ends(self, source: Sequence[int], at: int, breaks: frozenset[int]) -> bool:
        """Whether a copy may end before this token: a word is over there, and not only half a number."""
        while at < len(source) and source[at] in self.marks - self.starts:
            at += 1
        return at == len(source) or source[at] in breaks or source[at] in self.starts
