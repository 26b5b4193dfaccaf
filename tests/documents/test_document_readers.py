"""Readers: what is read of each format, and every way a source can fail."""

import codecs
import io
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import docx
import pytest
from docx.enum.text import WD_BREAK
from docx.oxml import OxmlElement
from hypothesis import given, settings
from hypothesis import strategies as st

from foldctx.documents import Document, Page, read_document
from foldctx.errors import DocumentError


def texts(doc: Document) -> list[str]:
    """Give the text of each page."""
    return [doc.text[page.start : page.end] for page in doc.pages]


def written(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def word_file(document: "docx.document.Document") -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [
        (".txt", "text/plain"),
        (".text", "text/plain"),
        (".md", "text/markdown"),
        (".MARKDOWN", "text/markdown"),
    ],
)
def test_text_is_read_as_it_stands(tmp_path: Path, suffix: str, media_type: str) -> None:
    data = codecs.BOM_UTF8 + "Größe — 漢字 👩‍👩‍👧\r\nSecond line.\r".encode()
    doc = read_document(written(tmp_path / f"a{suffix}", data))
    assert doc.text == "Größe — 漢字 👩‍👩‍👧\nSecond line.\n"
    assert doc.pages == (Page(1, 0, len(doc.text)),)
    assert doc.media_type == media_type
    assert doc.sha256 == sha256(data).hexdigest()
    assert doc.source == str(tmp_path / f"a{suffix}")
    assert doc.warnings == ()


def test_special_token_names_are_ordinary_text(tmp_path: Path) -> None:
    text = "The mask is written <|mdm_mask|> and a turn ends with <|eot_id|>.\n"
    assert read_document(written(tmp_path / "a.txt", text)).text == text


def test_form_feeds_divide_pages(tmp_path: Path) -> None:
    doc = read_document(written(tmp_path / "a.txt", "one\n\ftwo\f\fthree\f"))
    assert texts(doc) == ["one\n\f", "two\f", "\f", "three\f"]
    assert doc.spans(2, 7) == ((1, 2, 5), (2, 5, 7))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab \n\f漢👩\u200d\u0301"), max_size=40))
def test_pages_partition_any_text(text: str) -> None:
    source = io.BytesIO(text.encode())
    if not text.strip():
        with pytest.raises(DocumentError, match="standard input: holds no text"):
            read_document("-", stdin=source)
        return
    doc = read_document("-", stdin=source)
    assert doc.text == text
    assert "".join(texts(doc)) == text
    assert all("\f" not in page[:-1] for page in texts(doc))
    covered = [place for _, start, end in doc.spans(0, len(text)) for place in range(start, end)]
    assert covered == list(range(len(text)))


def test_html_is_read_as_it_looks(tmp_path: Path) -> None:
    html = """<?xml version="1.0"?><html><head><title>No</title><style>p {}</style></head><body>
    <h1>Main  <i>title</i></h1><p>First <b>bold</b>
    text,<a href="x"> link</a>.<!-- no --></p><script>no()</script><p hidden>no</p>
    <div style="display: none">no</div><ul><li>one<li>two<ul><li>inner</li></ul></li>
    <li><p>three</p></li></ul><table><tr><th>a<th>b</tr><tr><td><p>1</p><p>2</p></td><td>x</td>
    </tr></table>caf&eacute;<br>line<pre>def f():
    return 1</pre></body></html>"""
    doc = read_document(written(tmp_path / "a.html", html))
    assert doc.text == (
        "Main title\n\nFirst bold text, link.\n\n- one\n- two\n- inner\n- three\n\n"
        "a | b\n1 2 | x\n\ncafé\nline\n\ndef f():\n    return 1\n"
    )
    assert doc.pages == (Page(1, 0, len(doc.text)),)
    assert doc.media_type == "text/html"


@pytest.mark.parametrize(
    ("data", "warned"),
    [
        ("<p>café".encode(), False),
        (codecs.BOM_UTF8 + "<p>café".encode(), False),
        ('<meta charset="iso-8859-1"><p>café'.encode("latin1"), False),
        ("<p>café".encode("latin1"), True),
    ],
)
def test_html_encodings(tmp_path: Path, data: bytes, warned: bool) -> None:
    doc = read_document(written(tmp_path / "a.htm", data))
    assert doc.text == "café\n"
    assert any("windows-1252" in warning for warning in doc.warnings) == warned


def test_html_nests_deeper_than_python_recurses(tmp_path: Path) -> None:
    data = "<div><table><tr><td>" * 2000 + "deep"
    assert read_document(written(tmp_path / "a.html", data)).text == "deep\n"


def test_docx_in_document_order_with_page_breaks(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_heading("Title", 0)
    word.add_paragraph("First ").add_run("bold").bold = True
    word.add_paragraph("item a", style="List Bullet")
    word.add_paragraph("item b", style="List Bullet")
    table = word.add_table(2, 2)
    for cell, value in zip(table._cells, ["a", "b\nc", "1", "2"], strict=True):
        cell.text = value
    table.cell(1, 1).add_table(1, 1).cell(0, 0).text = "in"
    word.add_paragraph("After.")
    word.add_page_break()
    paragraph = word.add_paragraph("Second")
    paragraph.add_run().add_break(WD_BREAK.PAGE)
    paragraph.add_run("third")
    word.add_paragraph("Fourth").paragraph_format.page_break_before = True
    doc = read_document(written(tmp_path / "a.docx", word_file(word)))
    assert texts(doc) == [
        "Title\n\nFirst bold\n\n- item a\n- item b\n\na | b c\n1 | 2 in\n\nAfter.\n\n",
        "Second\n",
        "third\n\n",
        "Fourth",
    ]
    assert doc.media_type.endswith("wordprocessingml.document")


@pytest.mark.parametrize("explicit", [False, True])
def test_docx_rendered_breaks_count_only_without_explicit_ones(explicit: bool) -> None:
    word = docx.Document()
    run = word.add_paragraph("a sentence that ").add_run()
    run._r.append(OxmlElement("w:lastRenderedPageBreak"))
    word.paragraphs[0].add_run("crosses pages")
    if explicit:
        word.add_page_break()
        word.add_paragraph("end")
    doc = read_document("-", stdin=io.BytesIO(word_file(word)))
    expected = ["a sentence that ", "crosses pages"]
    assert texts(doc) == (["".join(expected) + "\n\n", "end"] if explicit else expected)
    assert doc.source == "-"


def test_standard_input_itself_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"from a pipe")))
    assert read_document("-").text == "from a pipe"


def plain_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "text")
    return buffer.getvalue()


def cut_docx() -> bytes:
    word = docx.Document()
    word.add_paragraph("text " * 1000)
    data = word_file(word)
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", r"holds no text.*give a document"),
        ("a.md", b" \n\t\f ", r"holds no text.*give a document"),
        ("a.html", b"<p> </p><script>x</script>", "holds no text"),
        ("a.docx", word_file(docx.Document()), "holds no text"),
        ("a.txt", b"abc\xffdef", r"not UTF-8 \(byte 0xff at offset 3\).*iconv"),
        ("a.md", codecs.BOM_UTF8 + b"ab\xc3(", r"not UTF-8 \(byte 0xc3 at offset 5\).*iconv"),
        ("a.txt", "hi".encode("utf-16"), r"NUL byte at offset 3.*iconv -f UTF-16"),
        ("a.html", b"<p>a\0", r"NUL byte at offset 4"),
        ("a.txt", b"%PDF-1.4\n", r"is a PDF.*rename it to \.pdf"),
        ("a.xyz", b"text", r"cannot read \.xyz files; foldctx reads \.pdf, .*\.docx"),
        ("README", b"text", "cannot read a file without a suffix; foldctx reads"),
        ("a.docx", cut_docx(), "damaged or not a Word document.*fetch it again"),
        ("a.docx", b"plain text", "damaged or not a Word document"),
        ("a.docx", plain_zip(), "damaged or not a Word document"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + b"x" * 600, "encrypted, or an old .doc.*save it as"),
    ],
)
def test_bad_files_are_named_with_the_way_out(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    path = written(tmp_path / name, data)
    with pytest.raises(DocumentError, match=message) as caught:
        read_document(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no text"),
        (b"a\xff", "offset 1"),
        (plain_zip(), "zip archive.*unpack"),
        (cut_docx(), "damaged"),
        (b"%PDF-1.7 cut", "damaged or truncated"),
    ],
)
def test_bad_standard_input(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=f"^standard input: .*{message}"):
        read_document("-", stdin=io.BytesIO(data))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for name in ("none.txt", "none", "none.pdf"):
        with pytest.raises(DocumentError, match=f"{name}: no such file; check the path"):
            read_document(tmp_path / name)
    folder = tmp_path / "folder.txt"
    folder.mkdir()
    for path in (tmp_path, folder):
        with pytest.raises(DocumentError, match="is a folder; give the files inside it"):
            read_document(path)
    with pytest.raises(DocumentError, match="cannot be read"):
        read_document("a\0.txt")


def test_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.txt", "text")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DocumentError, match=r"a\.txt: permission denied; make it readable"):
        read_document(path)


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ((), "the pages end at character 0, but the text has 5"),
        ((Page(1, 0, 4),), "the pages end at character 4"),
        ((Page(1, 0, 2), Page(2, 3, 5)), "page 2 spans 3-5; expected page 2 to start at 2"),
        ((Page(2, 0, 5),), "expected page 1"),
    ],
)
def test_pages_must_partition_the_text(pages: tuple[Page, ...], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        Document("a", "abcde", pages, "text/plain", "", ())


def test_spans_outside_the_text_are_refused() -> None:
    doc = read_document("-", stdin=io.BytesIO(b"abc"))
    assert doc.spans(1, 1) == ()
    with pytest.raises(DocumentError, match="no characters 1-4 in a text of 3"):
        doc.spans(1, 4)
