"""Where words and names begin and end among token ids."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Which ids begin a word (`starts`: a space comes first), and which are marks of punctuation.

    `names` are those of `starts` that begin with a capital letter or a digit: a run of such words
    is a name, a date or a number in groups, and is copied whole.
    """

    starts: frozenset[int]
    marks: frozenset[int]
    names: frozenset[int] = frozenset()

    def begins(self, source: Sequence[int], at: int, breaks: frozenset[int]) -> bool:
        """Whether a copy may begin at this token: at a word, or behind an opening bracket.

        A capital that only opens a sentence begins no name.
        """
        if at == 0 or source[at - 1] in breaks:
            return True
        if source[at] not in self.starts:
            return source[at - 1] in self.starts & self.marks
        word = self._word_before(source, at)
        opens = word == 0 or source[word - 1] in breaks
        return opens or not self._joined(source, word, at)

    def ends(self, source: Sequence[int], at: int, breaks: frozenset[int]) -> bool:
        """Whether a copy may end before this token: a word is over there, and no name goes on."""
        after = at
        while after < len(source) and source[after] in self.marks - self.starts:
            after += 1
        if after == len(source) or source[after] in breaks:
            return True
        if source[after] not in self.starts:
            return False
        return after > at or not self._joined(source, self._word_before(source, at), at)

    def _word_before(self, source: Sequence[int], at: int) -> int:
        """Where the word before this token begins."""
        word = at - 1
        while word > 0 and source[word] not in self.starts:
            word -= 1
        return word

    def _joined(self, source: Sequence[int], word: int, at: int) -> bool:
        """Whether the words at these places are of one name: no mark stands between them."""
        if source[word] not in self.names or source[at] not in self.names:
            return False
        return not any(token in self.marks for token in source[word:at])
