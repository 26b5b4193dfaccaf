"""HTML: the visible text, as paragraphs, list items and table rows."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
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
_DISPLAY_NONE = re.compile(r"display\s*:\s*none", re.I)
_SPACES = re.compile(r"[ \t\r\n\f]+")

_BLANK, _BREAK = "\n\n", "\n"


def html_text(data: bytes) -> str:
    """Give the visible text of an HTML file; its encoding is the one it declares, else guessed.

    Blocks are divided by blank lines, list items begin with "- ", and a table row is one line
    with its cells divided by " | ".
    """
    from bs4 import BeautifulSoup

    return _assemble(_events(BeautifulSoup(data, "lxml")))


def _events(soup: "BeautifulSoup") -> Iterator[str]:
    """Give the text in document order, with breaks in between.

    Walks with a stack of its own: broken pages nest deeper than Python recurses.
    """
    from bs4.element import NavigableString, Tag

    stack: list[object] = [soup]
    while stack:
        node = stack.pop()
        if isinstance(node, str) and not isinstance(node, NavigableString):
            yield node
        elif isinstance(node, Tag):
            if _is_hidden(node):
                continue
            stack.extend(reversed(_inside(node)))
        elif type(node) is NavigableString:  # its subclasses are comments, doctypes and the like
            yield str(node) if node.find_parent("pre") else _SPACES.sub(" ", node)


def _inside(tag: "Tag") -> list[object]:
    """Give what a tag stands for: its children between breaks, or the line of a table row."""
    if tag.name == "tr" and tag.find("table") is None:
        cells = [_cell(cell) for cell in tag.find_all(["td", "th"], recursive=False)]
        return [_BREAK, " | ".join(cells).rstrip(" |"), _BREAK]
    if tag.name in _BLOCKS:
        return [_BLANK, *tag.children, _BLANK]
    if tag.name == "li":
        return [_BREAK, "- ", *tag.children, _BREAK]
    if tag.name in _LINES:
        return [*tag.children, _BREAK]
    return list(tag.children)


def _cell(cell: "Tag") -> str:
    return " ".join("".join(_events(cell)).split())  # type: ignore[arg-type]


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
        if part in (_BLANK, _BREAK):
            if line.strip():
                lines += [pending if lines else "", line.strip(" ")]
                line, pending = "", part
            else:
                line, pending = "", max(pending, part, key=len)
        else:
            line += part
    if line.strip():
        lines += [pending if lines else "", line.strip(" ")]
    return re.sub(r" {2,}", " ", "".join(lines)) + (_BREAK if lines else "")
