"""Build samples/lease.pdf and samples/inventory.docx from the Markdown-like texts beside this file.

Usage, from anywhere, with fpdf2 and python-docx installed:

    python samples/source/build.py            # writes into samples/
    python samples/source/build.py -o FOLDER  # writes somewhere else

Equal sources give equal bytes: every date inside the files is fixed, so a second build with the
same versions of the two libraries changes nothing.

The markup, one block per paragraph, blocks parted by an empty line:

    # text       title              ---        page break
    ## text      heading            - text     list item
    ### text     subheading         | a | b |  one table row per line, the first is the head
    anything else is a paragraph
"""

import argparse
import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docx
from docx.enum.text import WD_BREAK
from fpdf import FPDF
from fpdf.enums import XPos, YPos

HERE = Path(__file__).resolve().parent
BUILT = dt.datetime(2024, 6, 30, 12, 0, 0, tzinfo=dt.UTC)
MARKS = (("### ", "subheading"), ("## ", "heading"), ("# ", "title"), ("- ", "item"))


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the markup: its kind and its text (for a table, its lines)."""

    kind: str
    text: str

    def rows(self) -> list[list[str]]:
        """The cells of a table block, row by row."""
        lines = self.text.splitlines()
        return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]


def blocks(source: Path) -> Iterator[Block]:
    """Yield the blocks of `source` in order."""
    for raw in source.read_text(encoding="utf-8").split("\n\n"):
        text = raw.strip()
        if not text:
            continue
        if text == "---":
            yield Block("break", "")
        elif text.startswith("|"):
            yield Block("table", text)
        else:
            yield next(
                (Block(kind, text[len(mark) :]) for mark, kind in MARKS if text.startswith(mark)),
                Block("paragraph", text),
            )


class LeasePdf(FPDF):
    """A4 in Times 11 with the page number at the foot."""

    def footer(self) -> None:
        """Write the page number below the text."""
        self.set_y(-18)
        self.set_font("Times", size=9)
        self.cell(0, 5, f"Page {self.page_no()}", align="C")


# kind -> (font style, size in points, line height in mm, left indent in mm, space after in mm)
PDF_STYLES = {
    "title": ("B", 18, 9.0, 0, 8.0),
    "heading": ("B", 13, 7.0, 0, 3.0),
    "subheading": ("BI", 11, 6.0, 0, 2.5),
    "paragraph": ("", 11, 5.9, 0, 3.4),
    "item": ("", 11, 5.9, 8, 2.6),
}
# A heading needs room for itself and the first paragraph, so that it never ends a page.
HEADING_ROOM_MM = 34.0


def write_pdf(source: Path, target: Path) -> None:
    """Lay `source` out as a PDF; a paragraph that does not fit moves to the next page whole."""
    pdf = LeasePdf(format="A4")
    pdf.set_creation_date(BUILT)
    pdf.set_title("Lease of Unit 7, Tallow Wharf")
    pdf.set_lang("en-GB")
    pdf.set_margins(28, 26, 28)
    pdf.set_auto_page_break(True, margin=28)
    pdf.add_page()
    for block in blocks(source):
        if block.kind == "break":
            pdf.add_page()
            continue
        if block.kind not in PDF_STYLES:
            raise SystemExit(f"{source.name}: a PDF takes no {block.kind}: {block.text[:60]!r}")
        style, size, line_mm, indent_mm, after_mm = PDF_STYLES[block.kind]
        pdf.set_font("Times", style=style, size=size)
        width_mm = pdf.epw - indent_mm
        text = f"- {block.text}" if block.kind == "item" else block.text
        lines = pdf.multi_cell(width_mm, line_mm, text, align="L", dry_run=True, output="LINES")
        assert isinstance(lines, list)
        is_heading = block.kind in ("heading", "subheading")
        room_mm = HEADING_ROOM_MM if is_heading else line_mm * len(lines)
        if pdf.will_page_break(room_mm):
            pdf.add_page()
            pdf.set_font("Times", style=style, size=size)
        elif is_heading:
            pdf.ln(2.5)
        pdf.set_x(pdf.l_margin + indent_mm)
        pdf.multi_cell(width_mm, line_mm, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pdf.ln(after_mm)
    pdf.output(str(target))


DOCX_STYLES = {
    "title": "Title",
    "heading": "Heading 1",
    "subheading": "Heading 2",
    "paragraph": "Normal",
    "item": "List Bullet",
}


def write_docx(source: Path, target: Path) -> None:
    """Write `source` as a Word file, each `---` as an explicit page break."""
    document = docx.Document()
    document.core_properties.author = "Linnet Carrow"
    document.core_properties.title = "Inventory and condition report"
    document.core_properties.created = BUILT.replace(tzinfo=None)
    document.core_properties.modified = BUILT.replace(tzinfo=None)
    for block in blocks(source):
        if block.kind == "break":
            document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
        elif block.kind == "table":
            rows = block.rows()
            table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
            for cells, row in zip(table.rows, rows, strict=True):
                for cell, text in zip(cells.cells, row, strict=True):
                    cell.text = text
        else:
            document.add_paragraph(block.text, style=DOCX_STYLES[block.kind])
    buffer = io.BytesIO()
    document.save(buffer)
    target.write_bytes(with_fixed_dates(buffer.getvalue()))


def with_fixed_dates(archive: bytes) -> bytes:
    """Rewrite a zip archive with one date on every member, because Word files carry the clock."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            member = zipfile.ZipInfo(name, date_time=BUILT.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(member, old.read(name))
    return out.getvalue()


def main() -> None:
    """Build both files."""
    parser = argparse.ArgumentParser(description="Build lease.pdf and inventory.docx.")
    parser.add_argument("-o", "--out", type=Path, default=HERE.parent, help="target folder")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    write_pdf(HERE / "lease.md", out / "lease.pdf")
    write_docx(HERE / "inventory.md", out / "inventory.docx")


if __name__ == "__main__":
    main()
