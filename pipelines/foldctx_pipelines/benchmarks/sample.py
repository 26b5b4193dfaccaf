"""A sample: one row of a benchmark, in the form that any strategy can answer."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from foldctx.documents import Document, Page


@dataclass(frozen=True, slots=True)
class Sample:
    """What is asked, and what scoring needs.

    `prompt` is the benchmark's own prompt, whole; `answer_prefix` are the words that an answer
    starts with, after the prompt and any chat template. Strategies that read windows ask `question`
    of `document`. `max_gen` is the official output length. `chat` says whether the prompt is a
    turn of a conversation. `stop` ends a response, and `abstained` stands for an answer that the
    document does not give one. `doc` holds the row's facts for scoring, without its long text.
    """

    id: str
    task: str
    prompt: str
    question: str
    document: str
    targets: tuple[str, ...]
    max_gen: int
    chat: bool = True
    answer_prefix: str = ""
    stop: str | None = None
    abstained: str = ""
    doc: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt_sha256(self) -> str:
        """The hash of all that is given to a model, whichever strategy gives it."""
        parts = (self.prompt, self.answer_prefix, self.question, self.document)
        return digest("\0".join(parts))

    def as_document(self) -> Document:
        """The text to read, as a document of one page."""
        text = self.document
        return Document(
            source=self.id,
            text=text,
            pages=(Page(1, 0, len(text)),),
            media_type="text/plain",
            sha256=digest(text),
            warnings=(),
        )


def digest(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def row_id(row: Mapping[str, Any]) -> str:
    """A row's own `_id`, or a hash of the row where it has none."""
    found = row.get("_id")
    if isinstance(found, str) and found:
        return found
    return hashlib.sha256(orjson.dumps(dict(row), option=orjson.OPT_SORT_KEYS)).hexdigest()[:24]


def unique(samples: Sequence[Sample]) -> list[Sample]:
    """The samples, with a number added to ids that occur again, in order."""
    seen: dict[str, int] = {}
    result = []
    for sample in samples:
        seen[sample.id] = again = seen.get(sample.id, 0) + 1
        result.append(sample if again == 1 else replace(sample, id=f"{sample.id}#{again}"))
    return result
