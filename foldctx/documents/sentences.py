"""Sentence units: an exact partition of a text, in pieces that can be quoted on their own."""

import itertools
import re
from collections.abc import Iterator

import regex  # type: ignore[import-untyped]

from foldctx.documents.abbreviations import NUMBERED, PERHAPS, PREFIXES, STARTERS
from foldctx.documents.lines import HEADING, RULE, continues, is_item, is_row, width

# A list item up to this long is one unit; a longer one is a paragraph with a number.
LONGEST_ITEM = 200

# Text with wider lines than this is not wrapped by hand: each of its lines is a paragraph.
WIDEST_WRAP = 160

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|$)")
_INK = re.compile(r"\S")
_END = re.compile(
    r"""(?P<cjk>[。！？｡]+[」』）”’】》〉"')]*)"""
    r"""|(?<![.!?…؟۔।॥])(?P<mark>[.!?…؟۔।॥]++)(?P<closers>["'”’»›)\]*_]*+)(?:\[\d{1,3}\])*(?=\s)"""
)
_NEXT = re.compile(r"""["'“‘«‹(\[¿¡*_]*(?P<word>[^\W_]*)(?P<after>.?)""")
_TOKEN = re.compile(r"""[^\s(\[{"'“‘«—–/]*$""")
_COMBINING = regex.compile(r"[\p{GCB=EX}\p{GCB=ZWJ}\p{GCB=SM}]")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]$")


def sentences(text: str, start: int = 0) -> list[tuple[int, int]]:
    """Cut `text` into sentence units: (start, end) spans that join up to the whole text.

    Units end at sentence ends, blank lines, headings, and after each line of a table or list
    (an item over LONGEST_ITEM characters is cut at its sentences). White space belongs to the
    unit before it. `start` is added to every offset: the place of `text` in a longer one. No
    span begins inside a grapheme.
    """
    ink = _INK.search(text)
    first = ink.start() if ink else len(text)
    cuts = sorted(place for place in set(_cuts(text)) if place > first and not joins(text, place))
    edges = [0, *cuts, len(text)] if text else []
    return [(start + left, start + right) for left, right in itertools.pairwise(edges)]


def joins(text: str, place: int) -> bool:
    """Tell whether the character at `place` combines with the one before it.

    Enough for a place behind white space or punctuation, where no other rule of grapheme
    clusters applies.
    """
    return ord(text[place]) > 127 and _COMBINING.match(text, place) is not None


def _cuts(text: str) -> Iterator[int]:
    """Give the places where units begin, with repeats."""
    for left, right, whole in _blocks(text):
        yield left
        if not whole:
            yield from _ends(text, left, right)


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Give (start, end, whole): the stretches that no sentence crosses.

    A whole one is a heading, a row or a short item, and is not cut further. Each starts at
    ink and ends with its last line.
    """
    for lines in _paragraphs(text):
        columns = max(width(text[left:right].strip()) for left, right in lines)
        first = 0
        for last, (left, right) in enumerate(lines):
            line = text[left:right]
            if last + 1 < len(lines):
                following = text[slice(*lines[last + 1])]
                if _same_block(line, following, text[slice(*lines[first])], columns):
                    continue
            opening = text[slice(*lines[first])]
            before = text[slice(*lines[first - 1])] if first else None
            begin = lines[first][0]
            ink = _INK.search(text, begin, right)
            if ink is not None:
                yield ink.start(), right, _is_whole(opening, before, right - begin)
            first = last + 1


def _paragraphs(text: str) -> Iterator[list[tuple[int, int]]]:
    """Give the runs of lines between blank lines, each line as (start, end)."""
    lines: list[tuple[int, int]] = []
    for match in _LINE.finditer(text):
        if _INK.search(text, match.start(), match.end()):
            lines.append(match.span())
        # A page break on a line of its own does not end the sentence that crosses it.
        elif lines and "\f" not in match.group():
            yield lines
            lines = []
    if lines:
        yield lines


def _same_block(line: str, following: str, opening: str, columns: int) -> bool:
    """Tell whether `following` belongs to the block that began with `opening`."""
    if RULE.match(following.strip()):
        return True
    if HEADING.match(following) or HEADING.match(line) or RULE.match(line.strip()):
        return False
    if is_row(line) or is_row(following) or is_item(following, line):
        return False
    if is_item(opening, None) and following[:2].isspace():
        return True
    return columns <= WIDEST_WRAP and continues(line, following, columns)


def _is_whole(opening: str, before: str | None, length: int) -> bool:
    if HEADING.match(opening) or is_row(opening):
        return True
    return length <= LONGEST_ITEM and is_item(opening, before)


def _ends(text: str, left: int, right: int) -> Iterator[int]:
    """Give the places behind each sentence that ends in text[left:right]."""
    for match in _END.finditer(text, left, right):
        ink = _INK.search(text, match.end())
        if ink is None or ink.start() >= right:
            return
        place = ink.start()
        if match["cjk"]:
            # A Japanese quotation goes on with its particle: 「…。」と言った。
            if not (match["cjk"][-1] in "」』" and text[place] in "とっ"):
                yield place
        elif match.start() > left and _is_end(text, match, left, place):
            yield place


def _is_end(text: str, match: re.Match[str], left: int, place: int) -> bool:
    """Tell whether a Latin end mark ends a sentence, by the words on both sides."""
    word, after = _word(text, place)
    small = word[:1].islower()
    if small and (match["closers"] or match["mark"] in ("...", "…")):
        return False
    if match["mark"] != ".":
        return True
    token = _TOKEN.search(text[max(left, match.start() - 24) : match.start()])
    last = token.group() if token else ""
    name = last.lower()
    if name in NUMBERED:
        return not (word[:1].isdigit() or small)
    starter = word.lower() in STARTERS and after != "."
    if name in PREFIXES:
        return bool(match["closers"]) and starter and not small
    if name in PERHAPS or _ACRONYM.match(last):
        return starter and not small
    # A list number ("1.") or an ordinal ("am 3. Mai") is not the end of anything.
    if last.isdigit() and len(last) <= 2:
        return match.start() - len(last) > left and not small
    return True


def _word(text: str, place: int) -> tuple[str, str]:
    """Give the word at `place`, behind opening quotes, and the character after it."""
    match = _NEXT.match(text, place)
    return (match["word"], match["after"]) if match else ("", "")
