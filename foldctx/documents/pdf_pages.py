"""PDF: the text of each page by pypdfium2, with lines joined into paragraphs."""

import re
from itertools import groupby
from typing import TYPE_CHECKING

from foldctx.documents.paragraphs import join_pages
from foldctx.errors import DocumentError

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_WRONG_PASSWORD = 4  # FPDF_ERR_PASSWORD
_UNKNOWN_SECURITY = 5  # FPDF_ERR_SECURITY

# A file that was cut off can still open, with pages missing; its end mark is gone then.
_END_MARK = b"%%EOF"
_TAIL = 2048

_NO_PAGES = re.compile(rb"/Count\s+0\b")
_SOME_PAGE = re.compile(rb"/Type\s*/(?:Page|ObjStm)\b")

# What no text needs: control characters other than tab, line ends, and U+0002, by which
# PDFium marks a hyphen at the end of a line.
_DROPPED = {code: None for code in [*range(9), *range(11, 32)] if code not in (2, 13)}
_DROPPED[0xFFFE] = None
_DROPPED[0xFFFF] = None


def pdf_pages(data: bytes, name: str) -> tuple[list[str], tuple[str, ...]]:
    """Give the text of each page, and a warning that names the pages without any.

    Raises DocumentError for a file that is encrypted, damaged or cut off, has no pages, or
    holds images only.
    """
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        pdf = PdfDocument(data)
    except PdfiumError as error:
        raise DocumentError(_unopened(name, data, error)) from error
    try:
        if _END_MARK not in data.rstrip(b"\0\r\n\t ")[-_TAIL:]:
            raise DocumentError(_damaged(name, "it ends without %%EOF, so a part is missing"))
        raw = [_page_text(pdf, index, name) for index in range(len(pdf))]
    finally:
        pdf.close()
    pages = join_pages(raw)
    silent = [number for number, text in enumerate(raw, start=1) if not text.strip()]
    if len(silent) == len(raw):
        raise DocumentError(
            f"{name}: none of its {_pages(len(raw))} holds text (scanned images?); "
            "run OCR first, for example: ocrmypdf in.pdf out.pdf"
        )
    return pages, (_warning(silent),) if silent else ()


def _page_text(pdf: "PdfDocument", index: int, name: str) -> str:
    from pypdfium2 import PdfiumError

    try:
        page = pdf[index]
        textpage = page.get_textpage()
        text: str = textpage.get_text_bounded()
        textpage.close()
        page.close()
    except PdfiumError as error:
        raise DocumentError(_damaged(name, f"page {index + 1}: {error}")) from error
    return text.translate(_DROPPED)


def _unopened(name: str, data: bytes, error: Exception) -> str:
    code = getattr(error, "err_code", None)
    if code == _WRONG_PASSWORD:
        return (
            f"{name}: is encrypted with a password; "
            "decrypt it first, for example: qpdf --decrypt --password=... in.pdf out.pdf"
        )
    if code == _UNKNOWN_SECURITY:
        return f"{name}: is encrypted in a way that cannot be read; print or export it again"
    # PDFium calls a file without pages damaged.
    if _NO_PAGES.search(data) and not _SOME_PAGE.search(data):
        return f"{name}: has 0 pages; export the document again"
    return _damaged(name, str(error))


def _damaged(name: str, reason: str) -> str:
    return (
        f"{name}: is damaged or truncated ({reason}); "
        "fetch it again, or repair it, for example: qpdf in.pdf out.pdf"
    )


def _pages(count: int) -> str:
    return f"{count} page{'' if count == 1 else 's'}"


def _warning(silent: list[int]) -> str:
    """Name the pages without text: "pages 3-5, 9 hold no text (scanned?)"."""
    runs = []
    for _, run in groupby(enumerate(silent), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        runs.append(str(numbers[0]) + (f"-{numbers[-1]}" if len(numbers) > 1 else ""))
    one = len(silent) == 1
    return f"page{'' if one else 's'} {', '.join(runs)} hold{'s' if one else ''} no text (scanned?)"
