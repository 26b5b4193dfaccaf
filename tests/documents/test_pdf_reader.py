"""PDF: pages, whole sentences over lines and pages, and every way a file can fail."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fpdf import FPDF
from hypothesis import given, settings
from hypothesis import strategies as st

from foldctx.documents import Document, chunk_document, read_document, sentences
from foldctx.documents.paragraphs import join_pages
from foldctx.errors import DocumentError


def printed(*pages: str | None) -> bytes:
    """Print each text on a page of its own, line by line; None draws a picture instead."""
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    for text in pages:
        pdf.add_page()
        if text is None:
            pdf.rect(20, 20, 100, 100)
        for line in (text or "").splitlines():
            pdf.cell(text=line, new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Document]:
    """Read bytes as the file a.pdf."""

    def run(data: bytes) -> Document:
        path = tmp_path / "a.pdf"
        path.write_bytes(data)
        return read_document(path)

    return run


FIRST = """Quarterly report
The company sold more of its products in the first quarter than in any
quarter before it. This was due to new stores in the north. The number of
stores rose by twelve, and the board expects that the
"""
SECOND = """growth goes on until the end of the year. It pays a dividend.
Stores 2022 2023
North 10 22
South 31 35
"""


def test_sentences_are_whole_over_lines_and_pages(read: Callable[[bytes], Document]) -> None:
    doc = read(printed(FIRST, SECOND))
    units = [doc.text[start:end].rstrip() for start, end in sentences(doc.text)]
    assert units == [
        "Quarterly report",
        "The company sold more of its products in the first quarter than in any quarter before it.",
        "This was due to new stores in the north.",
        (
            "The number of stores rose by twelve, and the board expects that the growth goes on until "
            "the end of the year."
        ),
        "It pays a dividend.",
        "Stores 2022 2023",
        "North 10 22",
        "South 31 35",
    ]
    crossing = doc.text.index("The number")
    (first, start, middle), (second, _, end) = doc.spans(crossing, doc.text.index(" It pays"))
    assert (first, second) == (1, 2)
    assert doc.text[start:middle].endswith("expects that the ")
    assert doc.text[middle:end].startswith("growth goes on")
    assert doc.media_type == "application/pdf"


def test_pages_without_text_are_reported(read: Callable[[bytes], Document]) -> None:
    doc = read(printed("One.", None, "Three.", None, None, None, "Seven."))
    assert doc.warnings == ("pages 2, 4-6 hold no text (scanned?)",)
    assert [page.number for page in doc.pages] == [1, 2, 3, 4, 5, 6, 7]
    assert [page.start == page.end for page in doc.pages] == [
        number in (2, 4, 5, 6) for number in range(1, 8)
    ]
    (chunk,) = chunk_document(doc, cost=lambda batch: [1] * len(batch), budget=9, max_units=9)
    assert [page for page, _, _ in chunk.pages] == [1, 3, 7]
    assert read(printed(None, "Two.")).warnings == ("page 1 holds no text (scanned?)",)


def test_pictures_only_need_ocr(read: Callable[[bytes], Document]) -> None:
    with pytest.raises(DocumentError, match=r"a\.pdf: none of its 2 pages holds text.*ocrmypdf"):
        read(printed(None, None))


def test_encrypted_files_are_refused(read: Callable[[bytes], Document]) -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_encryption(owner_password="owner", user_password="user")
    with pytest.raises(DocumentError, match=r"a\.pdf: is encrypted with a password; decrypt.*qpdf"):
        read(bytes(pdf.output()))


@pytest.mark.parametrize("keep", [5, 30, 0.5, -1, -6, -30])
def test_truncated_files_are_refused(read: Callable[[bytes], Document], keep: float) -> None:
    data = printed(FIRST, SECOND).rstrip()
    kept = data[: int(keep * len(data)) if isinstance(keep, float) else keep]
    with pytest.raises(DocumentError, match=r"a\.pdf: is damaged or truncated .*fetch it again"):
        read(kept)


def test_damaged_files_are_refused(read: Callable[[bytes], Document]) -> None:
    with pytest.raises(DocumentError, match=r"a\.pdf: is damaged or truncated"):
        read(b"%PDF-1.7\n" + b"garbage " * 100 + b"%%EOF")
    with pytest.raises(DocumentError, match=r"a\.pdf: is damaged or truncated"):
        read(b"a text under the wrong name")


def test_no_pages_are_refused(read: Callable[[bytes], Document]) -> None:
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"]
    data = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size 3 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(data)
    with pytest.raises(DocumentError, match=r"a\.pdf: has 0 pages"):
        read(data + b"xref\n0 3\n0000000000 65535 f \n" + table + trailer)


def test_words_are_made_whole_where_the_document_shows_how() -> None:
    page = (
        "The information in this report, which is long-term, was gathered by infor\x02mation\r\n"
        "officers over the long\x02term. A newly coined macro\x02molecule was found, and it\r\n"
        "is well known to be well\x02known; the Non\x02GAAP figure is in the appendix of the\r\n"
        "re-\r\n"
        "port."
    )
    (joined,) = join_pages([page])
    assert joined == (
        "The information in this report, which is long-term, was gathered by information officers "
        "over the long-term. A newly coined macromolecule was found, and it is well known to be "
        "well-known; the Non-GAAP figure is in the appendix of the report."
    )


def test_a_word_divided_over_pages_is_whole() -> None:
    first, blank, second = join_pages(["It holds all the infor-\n", "", "mation that there is.\n"])
    assert (first, blank, second) == ("It holds all the infor", "", "mation that there is.")


def test_lines_that_stand_alone_stay_alone() -> None:
    page = (
        "A heading\r\n"
        "This is a line of prose that is about as wide as the page and then goes\r\n"
        "on to the next line. \r\n"
        "• first item\r\n"
        "• second item\r\n"
        "Net sales 10.5 12.1\r\n"
        "Net costs (3.2) 4%\r\n"
        "12\r\n"
    )
    assert join_pages([page]) == [
        (
            "A heading\n\nThis is a line of prose that is about as wide as the page and then goes on "
            "to the next line.\n\n• first item\n• second item\n\nNet sales 10.5 12.1\n"
            "Net costs (3.2) 4%\n\n12"
        )
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text(alphabet=st.sampled_from("abZ .,:-\x02\n\r1•漢ⓐ(|\t"), max_size=60), max_size=4
    )
)
def test_joining_keeps_every_character_on_its_page(pages: list[str]) -> None:
    joined = join_pages(pages)
    assert len(joined) == len(pages)
    for page, text in zip(pages, joined, strict=True):
        for gone in "-\x02":
            page, text = page.replace(gone, ""), text.replace(gone, "")
        assert "".join(text.split()) == "".join(page.split())
