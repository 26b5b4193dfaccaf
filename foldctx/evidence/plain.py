"""Plain text: what is left when the ways of setting the same words are taken away, with offsets.

White space, ligatures, soft and line-end hyphens, quote marks, dashes and combining accents have
one form each; case, digits and words stay. Every character remembers where it came from.
"""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

_CJK = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_LETTER = r"[^\W\d_]"

# U+FFFE and U+0002 are what PDF text layers give for a hyphen that only a line end made.
_SPECIAL = re.compile(
    rf"(?P<soft>[\u00ad\ufffe\x02](?:[ \t]*[\r\n]\s*)?|[\u200b\u2060\ufeff])"
    rf"|(?P<broken>(?<={_LETTER})[-\u2010]\s+(?={_LETTER}))"
    rf"|(?P<between>(?<=[{_CJK}])\s+(?=[{_CJK}]))"
    rf"|(?P<space>\s+)"
    rf"|(?P<dash>[-\u2010-\u2015\u2212]+)"
    rf"|(?P<double>[\u00ab\u00bb\u201c-\u201f\u2033\u300c-\u300f\uff02])"
    rf"|(?P<single>[\u2018-\u201b\u2032\u2039\u203a`\u00b4\u02bc\uff07])"
    rf"|(?P<dots>\u2026)"
    rf"|(?P<ligature>[\ufb00-\ufb06])"
    rf"|(?P<accent>{_LETTER}[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+)"
)
_FIXED = {
    "soft": "",
    "between": "",
    "space": " ",
    "dash": "-",
    "double": '"',
    "single": "'",
    "dots": "...",
}


@dataclass(frozen=True, slots=True)
class Plain:
    """Plain `text`, and the way back.

    Piece i of it begins at `places[i]` and stands for the characters `starts[i]` to `ends[i]` of
    the original; a piece of the same length as its original maps character by character.
    """

    text: str
    places: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Give the original offsets of the plain characters `start` to `end` (not empty)."""
        return self._at(start)[0], self._at(end - 1)[1]

    def _at(self, index: int) -> tuple[int, int]:
        piece = bisect_right(self.places, index) - 1
        limit = self.places[piece + 1] if piece + 1 < len(self.places) else len(self.text)
        start, end = self.starts[piece], self.ends[piece]
        if end - start != limit - self.places[piece]:
            return start, end
        start += index - self.places[piece]
        return start, start + 1


def plain(text: str, start: int, end: int, *, join: bool) -> Plain:
    """Make the characters `start` to `end` plain.

    A hyphen at a line end may belong to the word or to the line: with `join` it goes and the word
    is closed ("infor-\\nmation"), without it stays ("well-\\nknown").
    """
    parts: list[str] = []
    places: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    length = 0

    def put(piece: str, first: int, last: int) -> None:
        nonlocal length
        if piece:
            parts.append(piece)
            places.append(length)
            starts.append(first)
            ends.append(last)
            length += len(piece)

    done = start
    for found in _SPECIAL.finditer(text, start, end):
        put(text[done : found.start()], done, found.start())
        put(_replacement(found, join), found.start(), found.end())
        done = found.end()
    put(text[done:end], done, end)
    return Plain("".join(parts), tuple(places), tuple(starts), tuple(ends))


def _replacement(found: re.Match[str], join: bool) -> str:
    kind = str(found.lastgroup)
    if kind == "broken":
        follower = found.string[found.end()]
        return "" if join and not follower.isupper() else "-"
    if kind == "ligature":
        return unicodedata.normalize("NFKC", found.group())
    if kind == "accent":
        return unicodedata.normalize("NFC", found.group())
    return _FIXED[kind]
