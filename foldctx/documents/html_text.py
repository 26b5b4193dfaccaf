"""HTML: the visible text, as paragraphs, list items and table rows."""

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4.element import Tag


def _names(line: str) -> frozenset[str]:
    return frozenset(line.split())


_HIDDEN = _names(
    "head script style template noscript iframe object svg math audio video canvas select "
    "datalist textarea"
)
_BLOCKS = _names(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend main nav ol p pre section "
    "summary table tbody tfoot thead tr ul caption"
)
_LINES = _names("li br option")
_DISPLAY_NONE = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\n\f]+")

_BLANK, _BREAK = "\n\n", "\n"
_ITEM = "- "
_FALLBACK = "windows-1252"


def html_text(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Give the visible text of an HTML file, and a warning where its encoding was guessed.

    Blocks are divided by blank lines, list items begin with "- ", and a table row is one line
    with its cells divided by " | ".
    """
    from bs4 import BeautifulSoup

    encoding, warned = _encoding(data)
    with warnings.catch_warnings():
        # It warns that XHTML is parsed as HTML, which is what is wanted here.
        warnings.simplefilter("ignore", UserWarning)
        soup = BeautifulSoup(data, "lxml", from_encoding=encoding)
    rows = {id(table.find_parent("tr")) for table in soup.find_all("table")}
    return _assemble(_events(soup, rows)), warned


def _encoding(data: bytes) -> tuple[str | None, tuple[str, ...]]:
    """Choose the encoding: None for the declared one, else UTF-8, else the Web's fallback."""
    from bs4.dammit import EncodingDetector

    if EncodingDetector.find_declared_encoding(data, is_html=True):
        return None, ()
    try:
        data.decode()
    except UnicodeDecodeError:
        return _FALLBACK, (f"declares no encoding and is not UTF-8; read as {_FALLBACK}",)
    return "utf-8", ()


def _events(root: "Tag", layout: set[int]) -> Iterator[str]:
    """Give the text in document order, with breaks in between.

    `layout` has the ids of the rows that hold further tables: they lay out a page, not data.
    Walks with a stack of its own: broken pages nest deeper than Python recurses.
    """
    from bs4.element import NavigableString, Tag

    stack: list[object] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Tag):
            if not _is_hidden(node):
                stack.extend(reversed(_inside(node, layout)))
        elif isinstance(node, str) and not isinstance(node, NavigableString):
            yield node
        elif type(node) is NavigableString:  # its subclasses are comments, doctypes and the like
            yield _SPACES.sub(" ", node)


def _inside(tag: "Tag", layout: set[int]) -> list[object]:
    """Give what a tag stands for: its children between breaks, or the line of a table row."""
    if tag.name == "tr" and id(tag) not in layout:
        cells = [_cell(cell, layout) for cell in tag.find_all(["td", "th"], recursive=False)]
        return [_BREAK, " | ".join(cells).rstrip(" |"), _BREAK]
    if tag.name == "pre":
        return [_BLANK, tag.get_text(), _BLANK]
    if tag.name in ("ul", "ol") and tag.parent is not None and tag.parent.name == "li":
        return [_BREAK, *tag.children, _BREAK]
    if tag.name in _BLOCKS:
        return [_BLANK, *tag.children, _BLANK]
    if tag.name == "li":
        return [_BREAK, _ITEM, *tag.children, _BREAK]
    if tag.name in _LINES:
        return [*tag.children, _BREAK]
    return list(tag.children)


def _cell(cell: "Tag", layout: set[int]) -> str:
    return " ".join("".join(_events(cell, layout)).split())


def _is_hidden(tag: "Tag") -> bool:
    return (
        tag.name in _HIDDEN
        or tag.has_attr("hidden")
        or _DISPLAY_NONE.search(str(tag.get("style", ""))) is not None
    )


def _assemble(parts: Iterator[str]) -> str:
    """Join the parts; of neighbouring breaks the longest counts, and none at either end."""
    lines: list[str] = []
    line, pending = "", ""
    for part in parts:
        if part not in (_BLANK, _BREAK):
            line += part[1:] if part[0:1] == " " and line[-1:] in ("", " ") else part
        elif line == _ITEM:  # the text of the item is in a block of its own
            continue
        elif line.strip():
            lines += [pending if lines else "", line.strip(" ")]
            line, pending = "", part
        else:
            line, pending = "", max(pending, part, key=len)
    if line.strip(" -"):
        lines += [pending if lines else "", line.strip(" ")]
    return "".join(lines) + (_BREAK if lines else "")
