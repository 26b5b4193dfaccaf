"""Documents: reading files, and cutting their text into sentences and chunks."""

from foldctx.documents.chunks import Chunk, Unit, chunk_document
from foldctx.documents.document import Document, Page
from foldctx.documents.readers import MEDIA_TYPES, read_document, text_document
from foldctx.documents.sentences import sentences

__all__ = [
    "MEDIA_TYPES",
    "Chunk",
    "Document",
    "Page",
    "Unit",
    "chunk_document",
    "read_document",
    "sentences",
    "text_document",
]
