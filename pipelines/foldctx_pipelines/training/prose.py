"""Natural text for haystacks: files the user names, cut into sentences and split for evaluation."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foldctx.errors import UsageError
from foldctx_pipelines.training.words import STOP

_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z\"'(])")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]+")


@dataclass(frozen=True, slots=True)
class Prose:
    """Sentences in reading order, file by file."""

    files: tuple[tuple[str, ...], ...]

    def run(self, rng: random.Random, count: int) -> list[str]:
        """`count` sentences that follow one another, or fewer at a file's end."""
        weights = [len(file) ** 0.5 for file in self.files]  # else the longest book is all there is
        file = rng.choices(self.files, weights)[0]
        start = rng.randrange(max(1, len(file) - count))
        return list(file[start : start + count])


def load_prose(paths: Sequence[Path], *, held_out: bool = False) -> Prose:
    """Printable sentences of 4 to 45 words of each file; the last tenth of a file is held out."""
    files = []
    for path in paths:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: cannot be read as training text ({error})") from None
        sentences = [
            " ".join(sentence.split())
            for paragraph in re.split(r"\n\s*\n", text)
            for sentence in _END.split(paragraph)
        ]
        kept = [
            s for s in sentences if 4 <= len(s.split()) <= 45 and len(s) < 320 and s.isprintable()
        ]
        cut = len(kept) * 9 // 10
        kept = kept[cut:] if held_out else kept[:cut]
        if kept:
            files.append(tuple(kept))
    if not files:
        raise UsageError("no training text: name at least one file of plain text with --text")
    return Prose(tuple(files))


def content_words(sentence: str) -> list[str]:
    """Words that carry meaning, in order."""
    return [w for w in _WORD.findall(sentence) if len(w) > 2 and w.lower() not in STOP]
