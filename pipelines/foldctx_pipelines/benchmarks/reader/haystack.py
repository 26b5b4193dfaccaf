"""Books that lines are hidden in: sentences with what they cost in a reader's tokens."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from foldctx.documents.sentences import sentences
from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.sample import digest

Count = Callable[[Sequence[str]], list[int]]
"""Tokens of each of some texts."""

_FINISHED = re.compile(r"[.!?][\"'”’)]*\s+$")


@dataclass(frozen=True, slots=True)
class Haystack:
    """Prose in sentences, white space included, and the tokens of each."""

    pieces: tuple[str, ...] = field(repr=False)
    costs: tuple[int, ...] = field(repr=False)
    sha256: str = ""

    @property
    def tokens(self) -> int:
        """Tokens of all of it."""
        return sum(self.costs)

    @classmethod
    def read(cls, paths: Sequence[Path], count: Count) -> "Haystack":
        """The files one after another. Raises UsageError for one that is no text."""
        texts = []
        for path in paths:
            try:
                texts.append(path.read_text("utf-8").replace("\f", "\n\n"))
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{path}: cannot be read as UTF-8 text ({error})") from None
        whole = "\n\n".join(text.strip() for text in texts) + "\n\n"
        pieces = tuple(whole[start:end] for start, end in sentences(whole))
        if sum(map(_ends_well, pieces)) < 10:
            raise UsageError(
                f"{', '.join(map(str, paths))}: fewer than ten sentences to hide lines between; "
                "name a book with --text"
            )
        return cls(pieces, tuple(count(pieces)), digest(whole))

    def hide(self, rng: random.Random, lines: Sequence[str], tokens: int, own: int) -> str:
        """A stretch of about `tokens` tokens with the lines in it, in order, at random depths.

        `own` are the tokens of the lines. A book that is shorter is read again from its start.
        With 0 tokens the lines stand alone.
        """
        if tokens == 0:
            return " ".join(lines)
        stretch = self.stretch(rng, max(0, tokens - own))
        # Behind a sentence's end only, so that a line is a sentence of its own.
        gaps = [i + 1 for i, k in enumerate(stretch) if _ends_well(self.pieces[k])] or [0]
        ends = [0, *accumulate(self.costs[k] for k in stretch)]
        places = []
        for depth in sorted(rng.random() for _ in lines):
            wanted = depth * ends[-1]
            places.append(min(gaps, key=lambda gap: abs(ends[gap] - wanted)))
        parts: list[str] = []
        rest = list(zip(places, lines, strict=True))
        for at in range(len(stretch) + 1):
            while rest and rest[0][0] == at:
                parts.append(f"{rest.pop(0)[1]} ")
            if at < len(stretch):
                parts.append(self.pieces[stretch[at]])
        return "".join(parts).strip()

    def stretch(self, rng: random.Random, tokens: int) -> list[int]:
        """Pieces that follow one another, from a random one on, of about so many tokens."""
        at = rng.randrange(len(self.pieces))
        chosen: list[int] = []
        while tokens > 0:
            chosen.append(at)
            tokens -= self.costs[at]
            at = (at + 1) % len(self.pieces)
        return chosen


def _ends_well(piece: str) -> bool:
    return _FINISHED.search(piece) is not None
