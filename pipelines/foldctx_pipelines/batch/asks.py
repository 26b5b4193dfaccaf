"""The payload of a row that asks something of a document."""

from dataclasses import dataclass

from foldctx.documents import Document, read_document, text_document
from foldctx.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Ask:
    """A question about a document: the file `source`, or `text` under that name."""

    source: str
    question: str
    text: str | None = None

    def document(self) -> Document:
        """Read it. Raises DocumentError when that is not possible."""
        if self.text is not None:
            return text_document(self.source, self.text)
        if self.source == "-":
            raise DocumentError("-: a row cannot read standard input; give it a file, or text")
        return read_document(self.source)
