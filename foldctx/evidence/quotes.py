"""Finds a quote in the text it was taken from, or says that it does not stand there."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from foldctx.evidence.plain import Plain, plain

MatchKind = Literal["exact", "normalised", "fuzzy"]

FUZZY_CHARACTERS = 12
FUZZY_SCORE = 90.0

_NUMBER = re.compile(r"(?:(?<!\w)-)?\d+(?:[.,]\d+)*")  # of plain text, where a minus is a hyphen
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_WRAPPING = "\"'.,;: \t\r\n" + "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb\u2026"
# Words that turn a sentence round, in the languages with Latin and Cyrillic letters that documents
# are most often in; Chinese ones are characters within words, so these are counted one by one.
_NEGATION = re.compile(
    r".+n't|not|no|never|none|neither|nor|without|cannot|nothing|nobody|nowhere|except|unless"
    r"|nicht|keine?|keine[nmrs]|nie|niemals|niemand|nichts|ohne|weder"
    r"|ne|n'.+|pas|jamais|aucune?|sans|ni|rien|personne"
    r"|nunca|jamás|sin|ningún|ningun[ao]|nada|nadie|tampoco"
    r"|non|mai|senza|né|nessun[ao]?|não|sem|nem|nenhuma?|niet|geen|nooit|zonder"
    r"|не|нет|ни|никогда|без|ничего|никто"
)
_NEGATING_CHARACTERS = re.compile("[不没沒無无非未别勿]")
_NEGATING_PREFIXES = ("un", "in", "im", "il", "ir", "non", "dis", "mis", "не")


@dataclass(frozen=True, slots=True)
class Match:
    """Where a quote stands: characters `start` to `end` of the text; `score` is 0 to 100."""

    start: int
    end: int
    kind: MatchKind
    score: float


def find_quote(quote: str, text: str, start: int = 0, end: int | None = None) -> Match | None:
    """Look `quote` up in the characters `start` to `end` of `text`.

    In this order: *exact*; *normalised*, where only white space, ligatures, accents, hyphens at
    line ends, quote marks and dashes differ; *fuzzy*, for 12 characters and more, a score of at
    least 90, the same numbers and the same negations. Otherwise None. White space around the quote
    does not count. A match never starts inside a word ("legal" in "illegal"), in scripts with
    capitals, and never cuts a number ("5 km" in "15 km"). Raises ValueError for a range outside of
    the text.
    """
    end = len(text) if end is None else end
    if not 0 <= start <= end <= len(text):
        raise ValueError(f"characters {start} to {end} lie outside a text of {len(text)}")
    wanted = quote.strip()
    if not wanted:
        return None
    place = _whole(wanted, text, start, end)
    if place >= 0:
        return Match(place, place + len(wanted), "exact", 100.0)
    kept = plain(text, start, end, join=False)
    for join in (False, True):
        hay = plain(text, start, end, join=True) if join else kept
        for candidate in dict.fromkeys((wanted, wanted.strip(_WRAPPING))):
            needle = plain(candidate, 0, len(candidate), join=join).text.strip()
            found = _plain_match(needle, hay, text)
            if found:
                return found
    return _fuzzy_match(plain(wanted, 0, len(wanted), join=False).text, kept, text)


def support(answer: str, quotes: Iterable[str]) -> Literal["contains", "none"]:
    """Say whether one of the quotes contains the answer.

    Case, white space, quote marks, dashes and punctuation around the answer do not count; the
    answer must stand there as whole words and whole numbers.
    """
    wanted = _loose(answer).strip(_WRAPPING + "!?()[]")
    if not wanted:
        return "none"
    for quote in quotes:
        loose = _loose(quote)
        place = loose.find(wanted)
        while place >= 0:
            after = place + len(wanted)
            if not _cuts(loose, place, after) and not _inside_word(loose, after):
                return "contains"
            place = loose.find(wanted, place + 1)
    return "none"


def _loose(text: str) -> str:
    return plain(text, 0, len(text), join=False).text.casefold()


def _whole(wanted: str, text: str, start: int, end: int) -> int:
    """Give the first place of `wanted` that cuts no word and no number, or -1."""
    place = text.find(wanted, start, end)
    while place >= 0 and _cuts(text, place, place + len(wanted)):
        place = text.find(wanted, place + 1, end)
    return place


def _plain_match(needle: str, hay: Plain, text: str) -> Match | None:
    place = hay.text.find(needle) if needle else -1
    while place >= 0:
        start, end = hay.original(place, place + len(needle))
        if not _cuts(text, start, end):
            return Match(start, end, "normalised", 100.0)
        place = hay.text.find(needle, place + 1)
    return None


def _fuzzy_match(needle: str, hay: Plain, text: str) -> Match | None:
    if len(needle) < FUZZY_CHARACTERS or len(hay.text) < FUZZY_CHARACTERS:
        return None
    from rapidfuzz.fuzz import partial_ratio_alignment

    found = partial_ratio_alignment(needle, hay.text, score_cutoff=FUZZY_SCORE)
    # A text shorter than the quote would be aligned within the quote: part of it stands nowhere.
    if found is None or found.src_end - found.src_start < len(needle):
        return None
    first, last = _to_words(hay.text, found.dest_start, found.dest_end)
    span = hay.text[first:last]
    if not _same_facts(needle, span):
        return None
    start, end = hay.original(first, last)
    return None if _cuts(text, start, end) else Match(start, end, "fuzzy", found.score)


def _to_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a range to whole words and numbers, then leave off white space around it."""
    while start > 0 and (_inside_word(text, start) or _inside_number(text, start)):
        start -= 1
    while end < len(text) and (_inside_word(text, end) or _inside_number(text, end)):
        end += 1
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _same_facts(one: str, other: str) -> bool:
    """Compare what a small edit may not change: numbers in their order, and negations."""
    if _NUMBER.findall(one) != _NUMBER.findall(other):
        return False
    words, others = _words(one), _words(other)
    if _negations(words, one) != _negations(others, other):
        return False
    left, right = words - others, others - words
    return not any(
        long == prefix + short
        for longs, shorts in ((left, right), (right, left))
        for long in longs
        for short in shorts
        for prefix in _NEGATING_PREFIXES
    )


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.lower()))


def _negations(words: Counter[str], text: str) -> Counter[str]:
    found = Counter({word: words[word] for word in words if _NEGATION.fullmatch(word)})
    return found + Counter(_NEGATING_CHARACTERS.findall(text))


def _cuts(text: str, start: int, end: int) -> bool:
    """Tell whether characters start to end begin inside a word, or cut a number on either side."""
    return _inside_word(text, start) or _inside_number(text, start) or _inside_number(text, end)


def _inside_word(text: str, index: int) -> bool:
    """Tell whether `index` divides a word of a script with capitals (others run on unspaced)."""
    return 0 < index < len(text) and all(
        letter.isalpha() and letter.lower() != letter.upper()
        for letter in text[index - 1 : index + 1]
    )


def _inside_number(text: str, index: int) -> bool:
    """Tell whether `index` divides a number: 1|2, 1|.5, 1.|5, or -|5 at the start of a word."""
    if not 0 < index < len(text):
        return False
    before, after = text[index - 1], text[index]
    if after.isdigit():
        if before.isdigit():
            return True
        if index > 1 and before in ".,":
            return text[index - 2].isdigit()
        return before in "-\u2212" and (index == 1 or text[index - 2] in " \t\r\n(")
    return (
        before.isdigit() and after in ".," and index + 1 < len(text) and text[index + 1].isdigit()
    )
