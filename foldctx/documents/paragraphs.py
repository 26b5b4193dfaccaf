"""From the lines of printed pages back to paragraphs, so that sentences are whole."""

import re
from collections import Counter
from dataclasses import dataclass

from foldctx.documents.lines import continues, is_item, is_row, width

# PDFium marks a hyphen at a line's end by U+0002, and often joins the two lines itself.
_HYPHEN_MARK = "\x02"
_SPLIT_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]++)\x02([^\W\d_]+)")
_HYPHEN_END = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010\x02]$")
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    page: int
    after_blank: bool


def join_pages(pages: list[str]) -> list[str]:
    """Join the lines of each page into paragraphs; the results join up to one text.

    Inside a paragraph a line break becomes a space, also where the paragraph crosses pages;
    a word hyphenated over two lines is made whole where the document shows that it is one
    word. Other breaks become a newline between rows and items, else a blank line. A page
    without text stays the empty string.
    """
    columns = [
        max((width(line.strip()) for line in page.splitlines()), default=0) for page in pages
    ]
    lines = _lines(pages)
    words = _vocabulary(lines)
    joined: list[list[str]] = [[] for _ in pages]
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else None
        text = _SPLIT_WORD.sub(lambda match: _rejoin(match[1], match[2], words), line.text)
        if following is None:
            joined[line.page].append(text)
        elif _is_split(line, following):
            head, tail = _WORD.findall(text)[-1], _WORD.findall(following.text)[0]
            whole = _rejoin(head.rpartition("-")[2], tail, words)
            joined[line.page].append(text[:-1] + ("-" if "-" in whole else ""))
        else:
            before = lines[index - 1].text if index else None
            joined[line.page] += [text, _separator(line, following, before, columns[line.page])]
    return ["".join(parts).replace(_HYPHEN_MARK, "-") for parts in joined]


def _columns(page: str) -> int:
    return max((width(line.strip()) for line in page.splitlines()), default=0)


def _lines(pages: list[str]) -> list[_Line]:
    lines = []
    for number, page in enumerate(pages):
        blank = False
        for text in page.splitlines():
            if text.strip():
                lines.append(_Line(text.strip(), number, blank))
            blank = not text.strip()
    return lines


def _vocabulary(lines: list[_Line]) -> Counter[str]:
    """Count the words that stand whole in the document, hyphenated words as they are."""
    words: Counter[str] = Counter()
    divided = False
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else None
        found = _WORD.findall(_SPLIT_WORD.sub(" ", line.text).lower())
        first = 1 if divided else 0
        divided = following is not None and _is_split(line, following)
        words.update(found[first : len(found) - 1 if divided else None])
    return words


def _is_split(line: _Line, following: _Line) -> bool:
    """Tell whether a word is divided by a hyphen over these two lines."""
    return (
        not following.after_blank
        and _HYPHEN_END.search(line.text) is not None
        and following.text[0].isalpha()
        and following.text[0].islower()
    )


def _rejoin(head: str, tail: str, words: Counter[str]) -> str:
    """Join the halves of a divided word, with the hyphen where it may belong to the word.

    The document decides: the form that it uses elsewhere; else a hyphen where a capital or
    figure follows, or where both halves are words of their own ("well-known").
    """
    whole, hyphenated = (head + tail).lower(), f"{head}-{tail}".lower()
    if words[whole] or words[hyphenated]:
        keep = words[hyphenated] > words[whole]
    else:
        keep = not tail[0].islower() or bool(words[head.lower()] and words[tail.lower()])
    return f"{head}-{tail}" if keep else head + tail


def _separator(line: _Line, following: _Line, before: str | None, columns: int) -> str:
    if not following.after_blank and continues(line.text, following.text, columns):
        return " "
    rows = is_row(line.text) and is_row(following.text)
    items = is_item(line.text, before) and is_item(following.text, line.text)
    return "\n" if (rows or items) and not following.after_blank else "\n\n"
