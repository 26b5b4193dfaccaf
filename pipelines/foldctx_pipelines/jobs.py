"""What to ask of which source: the jobs of a run, read and looked at before any model is loaded."""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from foldctx.documents import Document, read_document
from foldctx.errors import DocumentError, FoldctxError, UsageError
from foldctx.records import error_record, record_id


@dataclass(frozen=True, slots=True)
class Job:
    """A source and the questions asked of it."""

    source: str
    questions: tuple[str, ...]


def read_rows(path: str, stdin: BinaryIO | None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a JSONL file and their line numbers; "-" is standard input.

    Raises UsageError for a file that cannot be read, and naming the line that is no object.
    """
    if path == "-" and stdin is None:
        raise UsageError("standard input is closed; name a file")
    try:
        with nullcontext(stdin) if path == "-" and stdin else Path(path).open("rb") as lines:
            yield from parse_rows(lines, path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from None


def parse_rows(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of JSON lines and their line numbers; UsageError naming the line that is none."""
    for number, line in enumerate(lines, start=1):
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UsageError(f"{name}, line {number}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise UsageError(f"{name}, line {number}: expected an object, found {row!r:.50}")
        yield number, row


def read_questions(path: str, stdin: BinaryIO | None) -> list[Job]:
    """Jobs of a JSONL file of rows with `source` and `question`, questions of a source together.

    A relative source is looked for from the working directory, then beside the file.
    Raises UsageError naming the line that cannot be used.
    """
    grouped: dict[str, list[str]] = {}
    for number, row in read_rows(path, stdin):
        source, question = row.get("source"), row.get("question")
        for name, value in (("source", source), ("question", question)):
            if not (isinstance(value, str) and value.strip()):
                raise UsageError(
                    f"{path}, line {number}: {name}={value!r}; each row needs a source and a "
                    "question, both non-empty text"
                )
        beside = Path(path).parent / Path(str(source)).name
        if path != "-" and not Path(str(source)).exists() and beside.exists():
            source = str(beside)
        grouped.setdefault(str(source), []).append(str(question))
    if not grouped:
        raise UsageError(f"{path}: no questions in it")
    return [Job(source, tuple(dict.fromkeys(texts))) for source, texts in grouped.items()]


def open_first(jobs: Sequence[Job], stdin: BinaryIO | None) -> dict[str, Document | DocumentError]:
    """Read sources in order until one can be read; what was found of each, under its name.

    When all of them are bad nothing needs a model, and loading one may take minutes.
    """
    opened: dict[str, Document | DocumentError] = {}
    for job in jobs:
        try:
            opened[job.source] = read_document(job.source, stdin=stdin)
            break
        except DocumentError as error:
            opened[job.source] = error
    return opened


def failures(
    job: Job, error: FoldctxError, answered: int = 0, name: str = ""
) -> list[dict[str, Any]]:
    """Error records of a job's questions from number `answered` on.

    `name` is the source's hash where it could be read.
    """
    return [
        error_record(
            error,
            id=record_id(name or job.source, question),
            source=job.source,
            question=question,
        )
        for question in job.questions[answered:]
    ]
