"""Reading a source into a Document: by suffix, or by its first bytes on standard input."""

import codecs
import re
import sys
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from foldctx.documents.document import Document, Page
from foldctx.documents.docx_pages import docx_pages
from foldctx.documents.html_text import html_text
from foldctx.documents.pdf_pages import pdf_pages
from foldctx.errors import DocumentError

PDF = "application/pdf"
TEXT = "text/plain"
MARKDOWN = "text/markdown"
HTML = "text/html"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

MEDIA_TYPES = {
    ".pdf": PDF,
    ".txt": TEXT,
    ".text": TEXT,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".html": HTML,
    ".htm": HTML,
    ".docx": DOCX,
}
_STDIN = "-"
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def read_document(source: str | Path, *, stdin: BinaryIO | None = None) -> Document:
    """Read a file, or standard input for "-" (`stdin` stands in for it).

    Files are told apart by suffix, standard input by its first bytes: a PDF, a Word document,
    otherwise UTF-8 text. Raises DocumentError, with the way out, for a source that is missing,
    unreadable, of an unknown kind, encrypted, damaged, or without text.
    """
    if str(source) == _STDIN:
        data = _read_stdin(stdin)
        name, media_type = "standard input", _sniff(data)
    else:
        name, media_type = str(source), _media_type(Path(source))
        data = _read_bytes(Path(source))
        media_type = media_type or _sniff(data)
    if not data.strip():
        raise DocumentError(f"{name}: holds no text (empty); give a document with text in it")
    pages, warnings = _READERS[media_type](data, name)
    text = "".join(pages)
    if not text.strip():
        raise DocumentError(f"{name}: holds no text; give a document with text in it")
    return Document(
        source=str(source),
        # A lone half of a surrogate pair cannot be written as UTF-8; offsets stay as they are.
        text=_SURROGATE.sub("\ufffd", text),
        pages=_number(pages),
        media_type=media_type,
        sha256=sha256(data).hexdigest(),
        warnings=warnings,
    )


def text_document(name: str, text: str) -> Document:
    """A document of a text at hand; form feeds end its pages, as in a file.

    Raises DocumentError for a text without any words in it.
    """
    data = _SURROGATE.sub("\ufffd", text).encode()
    pages, warnings = _text_pages(data, name)
    whole = "".join(pages)
    if not whole.strip():
        raise DocumentError(f"{name}: holds no text; give a document with text in it")
    return Document(name, whole, _number(pages), TEXT, sha256(data).hexdigest(), warnings)


def _media_type(path: Path) -> str:
    """Tell the media type by suffix; "" for what is no regular file, such as a pipe."""
    suffix = path.suffix.lower()
    if suffix not in MEDIA_TYPES and path.is_file():
        raise DocumentError(
            f"{path}: cannot read {f'{suffix} files' if suffix else 'a file without a suffix'}; "
            f"foldctx reads {', '.join(MEDIA_TYPES)}, and - for text on standard input"
        )
    return MEDIA_TYPES.get(suffix, "")


def _sniff(data: bytes) -> str:
    if data.startswith(b"%PDF"):
        return PDF
    if data.startswith(b"PK\x03\x04"):
        try:
            names = ZipFile(BytesIO(data)).namelist()
        except BadZipFile:
            names = ["word/document.xml"]  # cut short: the reader says what is wrong
        if "word/document.xml" in names:
            return DOCX
        raise DocumentError(
            "standard input: is a zip archive, not a document; "
            "unpack it and give the files (foldctx reads " + ", ".join(MEDIA_TYPES) + ")"
        )
    return TEXT


def _read_stdin(stdin: BinaryIO | None) -> bytes:
    if stdin is None and sys.stdin is None:
        raise DocumentError("standard input: is closed; pipe a document into it, or name a file")
    try:
        return (stdin if stdin is not None else sys.stdin.buffer).read()
    except (OSError, ValueError) as error:
        raise DocumentError(f"standard input: cannot be read ({error}); name a file") from error


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DocumentError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise DocumentError(f"{path}: is a folder; give the files inside it") from error
    except PermissionError as error:
        raise DocumentError(
            f"{path}: permission denied; make it readable (chmod u+r) or run as its owner"
        ) from error
    except (OSError, ValueError) as error:
        raise DocumentError(f"{path}: cannot be read ({error}); check the path") from error


def _text_pages(data: bytes, name: str) -> tuple[list[str], tuple[str, ...]]:
    """Decode UTF-8 text; form feeds end pages, and line ends become newlines."""
    if data.startswith(b"%PDF"):
        raise DocumentError(f"{name}: is a PDF under the name of a text; rename it to .pdf")
    skipped = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    if b"\0" in data:
        raise DocumentError(
            f"{name}: is not text (a NUL byte at offset {data.index(0)}); "
            "if it is UTF-16 text, convert it: iconv -f UTF-16 -t UTF-8"
        )
    try:
        text = data[skipped:].decode()
    except UnicodeDecodeError as error:
        place = error.start + skipped
        raise DocumentError(
            f"{name}: is not UTF-8 (byte 0x{data[place]:02x} at offset {place}); "
            "convert it: iconv -f ISO-8859-1 -t UTF-8 (with the encoding it was written in)"
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    pages = re.findall(r"[^\f]*\f|[^\f]+", text)
    return pages, ()


def _html_page(data: bytes, name: str) -> tuple[list[str], tuple[str, ...]]:
    if b"\0" in data:
        raise DocumentError(
            f"{name}: is not HTML (a NUL byte at offset {data.index(0)}); "
            "if it is UTF-16, convert it: iconv -f UTF-16 -t UTF-8"
        )
    text, warnings = html_text(data)
    return [text], warnings


def _number(pages: list[str]) -> tuple[Page, ...]:
    numbered, place = [], 0
    for number, text in enumerate(pages, start=1):
        numbered.append(Page(number, place, place + len(text)))
        place += len(text)
    return tuple(numbered)


_READERS: dict[str, Callable[[bytes, str], tuple[list[str], tuple[str, ...]]]] = {
    PDF: pdf_pages,
    TEXT: _text_pages,
    MARKDOWN: _text_pages,
    HTML: _html_page,
    DOCX: docx_pages,
}
