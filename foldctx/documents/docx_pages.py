"""Word documents: paragraphs and tables in order, divided at page breaks, by python-docx."""

import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

from foldctx.errors import DocumentError

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_ENCRYPTED = b"\xd0\xcf\x11\xe0"  # an OLE container: an encrypted .docx, or an old .doc

# Stands for a page break while pages are put together; Word's text cannot hold it.
_PAGE_BREAK = "\f"
_LOOSE_BREAK = re.compile(r"\n*\f\n+")  # line ends belong to the page before
_CHARACTERS = {"tab": "\t", "cr": "\n", "noBreakHyphen": "-", "softHyphen": "", "ptab": "\t"}


def docx_pages(data: bytes, name: str) -> tuple[list[str], tuple[str, ...]]:
    """Give the text of each page of a .docx file.

    Pages end at the author's page breaks; where there are none, at the breaks that Word noted
    when it last laid the document out. Raises DocumentError for a damaged or encrypted file.
    """
    if data.startswith(_ENCRYPTED):
        raise DocumentError(
            f"{name}: is encrypted, or an old .doc; "
            "open it in a word processor and save it as .docx without a password"
        )
    body = _body(data, name)
    explicit = any(element.get(f"{_W}type") == "page" for element in body.iter(f"{_W}br")) or any(
        _breaks_before(paragraph) for paragraph in body.iter(f"{_W}p")
    )
    text = "".join(_blocks(body, rendered=not explicit)).strip("\n")
    return _LOOSE_BREAK.sub("\n\n\f", text).split(_PAGE_BREAK), ()


def _body(data: bytes, name: str) -> Any:
    from docx import Document as open_docx
    from docx.opc.exceptions import PackageNotFoundError

    try:
        body = open_docx(BytesIO(data)).element.body
    except (
        BadZipFile,
        PackageNotFoundError,
        SyntaxError,  # what lxml raises for broken XML
        KeyError,
        ValueError,
        zlib.error,
        EOFError,
    ) as error:
        raise DocumentError(
            f"{name}: is damaged or not a Word document ({error}); "
            "fetch it again, or save it as .docx in a word processor"
        ) from error
    if body is None:
        raise DocumentError(f"{name}: is a Word document without a body; save it again")
    return body


def _blocks(parent: Any, *, rendered: bool) -> Iterator[str]:
    """Give the text of paragraphs, tables and content controls in order."""
    for element in parent:
        if element.tag == f"{_W}p":
            text = "".join(_runs(element, rendered=rendered))
            if _breaks_before(element):
                yield _PAGE_BREAK
            if text.strip(" \t\n"):
                yield ("- " if _is_listed(element) else "") + text + _after(element)
        elif element.tag == f"{_W}tbl":
            yield from _rows(element)
            yield "\n"
        elif element.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml", f"{_W}ins"):
            yield from _blocks(element, rendered=rendered)


def _runs(element: Any, *, rendered: bool) -> Iterator[str]:
    """Give the characters of a paragraph, links, insertions and text boxes included."""
    for child in element:
        tag = child.tag
        if tag in (_FALLBACK, f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr"):
            continue
        local = tag.removeprefix(_W) if isinstance(tag, str) else ""
        if local == "t":
            yield child.text or ""
        elif local == "br":
            yield f"\n{_PAGE_BREAK}" if child.get(f"{_W}type") == "page" else "\n"
        elif local == "lastRenderedPageBreak":
            yield _PAGE_BREAK if rendered else ""
        elif local in _CHARACTERS:
            yield _CHARACTERS[local]
        else:
            yield from _runs(child, rendered=rendered)
            if local == "p":
                yield "\n"


def _rows(table: Any) -> Iterator[str]:
    """Give the rows of a table, one a line; a table inside a cell is part of its text."""
    for row in _own(table, "tr"):
        cells = []
        for cell in _own(row, "tc"):
            words = "".join(_runs(cell, rendered=False)).replace(_PAGE_BREAK, " ").split()
            cells.append(" ".join(words))
        if any(cells):
            yield " | ".join(cells) + "\n"


def _own(parent: Any, name: str) -> Iterator[Any]:
    """Give the rows or cells of `parent` itself, not those of tables inside it."""
    for element in parent.iter(f"{_W}{name}"):
        if next(element.iterancestors(parent.tag)) is parent:
            yield element


def _properties(paragraph: Any, name: str) -> Any:
    return paragraph.find(f"{_W}pPr/{_W}{name}")


def _breaks_before(paragraph: Any) -> bool:
    found = _properties(paragraph, "pageBreakBefore")
    return found is not None and found.get(f"{_W}val") not in ("0", "false")


def _is_listed(paragraph: Any) -> bool:
    style = _properties(paragraph, "pStyle")
    named = style is not None and str(style.get(f"{_W}val")).startswith("List")
    return named or _properties(paragraph, "numPr") is not None


def _after(paragraph: Any) -> str:
    following = paragraph.getnext()
    both = _is_listed(paragraph) and following is not None and _is_listed(following)
    return "\n" if both else "\n\n"
