"""What a single line of text is: heading, list item, table row, rule, or a piece of a paragraph."""

import re

HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+\S")
RULE = re.compile(r"(?=.*[-=_*+]{3})[\s|:=+\-*_]+$")

# Text narrower than this is a column of names or cells, not a wrapped paragraph.
NARROWEST_WRAP = 30

_BULLET = re.compile(r"\s*[-*+•‣◦▪●○☐☑■□–—][ \t]+\S")
_NUMBERED = re.compile(
    r"\s*(?:\(?\d{1,3}(?:\.\d{1,3})*[.)]|\(?(?:[a-z]|[ivx]{1,5})\))[ \t]+\S", re.IGNORECASE
)
_LETTERED = re.compile(r"\s*(?:[A-Za-z]|[IVXLC]{2,7})\.[ \t]+\S")
_NUMBER = re.compile(r"(?:[(+\-−$€£¥~]*\d(?:[\d.,']*\d)?[%)]*|[-–—$€£¥%])$")
_FINISHED = re.compile(r"[.!?:;…。！？：；؟।][\"'”’»)\]」』）*_]*\s*$")
_DANGLING = re.compile(
    r"(?:[,&]|\b(?:the|an?|and|or|of|to|in|on|at|by|for|from|with|as|its|his|her|their|our|that))$"
)
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7ff\uff00-\uff60]")


def is_row(line: str) -> bool:
    """Tell a table row: cells between bars or tabs, or figures at the end of the line."""
    line = line.strip()
    if line.startswith("|") or " | " in line or "\t" in line:
        return True
    cells = line.rsplit(maxsplit=2)
    return len(cells) == 3 and all(_NUMBER.match(cell) for cell in cells[1:])


def is_item(line: str, before: str | None) -> bool:
    """Tell a list item, given the line `before` it (None where there is none).

    A number or letter that merely begins a wrapped line ("in the year\\n12. The") is not a
    marker, so these count only where the line before is finished.
    """
    if _BULLET.match(line):
        return True
    fresh = before is None or not before.strip()
    if _NUMBERED.match(line):
        return fresh or bool(_FINISHED.search(before or "")) or _marked(before or "")
    return bool(_LETTERED.match(line)) and (
        fresh or (before or "").rstrip().endswith(":") or bool(_LETTERED.match(before or ""))
    )


def _marked(line: str) -> bool:
    return bool(_BULLET.match(line) or _NUMBERED.match(line))


def finished(line: str) -> bool:
    """Tell whether a line ends in punctuation that ends a sentence or announces a list."""
    return bool(_FINISHED.search(line))


def width(line: str) -> int:
    """Measure a line in columns; CJK characters take two."""
    return len(line) if line.isascii() else len(line) + len(_WIDE.findall(line))


def continues(line: str, following: str, columns: int) -> bool:
    """Tell whether the paragraph goes on after the break between two neighbouring lines.

    `columns` is the width of the widest line around. A break is the wrapping's, not the
    author's, when the next word would not have fitted on the line, or when a line of fair
    length stops in mid-phrase.
    """
    line, following = line.strip(), following.strip()
    if not line or not following or columns < NARROWEST_WRAP:
        return False
    if is_row(line) or is_row(following) or is_item(following, line):
        return False
    if line.isdigit() or following.isdigit():  # the number of a page
        return False
    ended = finished(line)
    if not ended and (following[0].islower() or _dangles(line)):
        return width(line) >= 0.5 * columns
    if line.endswith((":", "：")):
        return False
    word = following.split(maxsplit=1)[0]
    needed = 2 if _WIDE.match(word) else 1 + width(word)
    # Proportional type leaves lines uneven: an unfinished one is given more play.
    return width(line) + needed > (0.85 if ended else 0.75) * columns


def _dangles(line: str) -> bool:
    """Tell whether a line stops in mid-phrase: at a comma, a small word, an open bracket."""
    return _DANGLING.search(line) is not None or line.count("(") > line.count(")")
