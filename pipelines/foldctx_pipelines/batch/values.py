"""Rows of a file or data set to rows of a run: what is asked of what, and under which id."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from foldctx.errors import UsageError
from foldctx.records import record_id
from foldctx_pipelines.batch.asks import Ask
from foldctx_pipelines.batch.rows import Row


def path_row(source: str, question: str) -> Row:
    """The row of a question about a file; its id is made of both names, not of the file's bytes."""
    id, size = record_id(source, question), _file_size(source)
    return Row(id, Ask(source, question), key=source, root=source, size=size)


def rows_of(
    value: Mapping[str, Any], where: str, questions: Sequence[str], beside: Path
) -> Iterator[Row]:
    """The rows of one row of an input: one for each of its questions, or of `questions`.

    It has `text`, or a `source` that is looked for from the working folder and then `beside` the
    input; with both, `source` names the text. Lines of `foldctx chunk` and `foldctx answer` are
    such rows. An `id` is the record's, with ":1", ":2" where there are several questions. Other
    fields are left alone. Raises UsageError saying what is wrong `where`.
    """
    asked = _questions(value, where, questions)
    id = _text(value, "id", where)
    text, source = value.get("text"), _text(value, "source", where)
    if text is not None and not isinstance(text, str):
        raise UsageError(f"{where}: text={text!r:.50} is no text")
    if text is None:
        if source is None:
            raise UsageError(f"{where}: has neither source nor text; each row needs one of them")
        source = _found(source, beside)
        name, key, size = source, source, _file_size(source)
    else:
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        index = value.get("index")
        place = source if index is None else f"{source}#{index}"
        name = digest if source is None else f"{place}\0{digest}"
        source, key, size = source or id or digest[:24], name, len(text)
    for number, question in enumerate(asked, start=1):
        if id is None:
            made = record_id(name, question)
        else:
            made = id if len(asked) == 1 else f"{id}:{number}"
        yield Row(made, Ask(source, question, text), key=key, root=id or name, size=size)


def _questions(value: Mapping[str, Any], where: str, given: Sequence[str]) -> list[str]:
    one, many = value.get("question"), value.get("questions")
    if one is not None and many is not None:
        raise UsageError(f"{where}: has question and questions; each row needs one of them")
    asked = [one] if one is not None else many if many is not None else list(given)
    if not isinstance(asked, list) or not asked:
        raise UsageError(
            f"{where}: has no question; give each row a question, or one for all with -q"
        )
    for text in asked:
        if not (isinstance(text, str) and text.strip()):
            raise UsageError(f"{where}: question {text!r:.50} is no text, or an empty one")
    return list(dict.fromkeys(asked))


def _text(value: Mapping[str, Any], name: str, where: str) -> str | None:
    given = value.get(name)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, str | int) or given == "":
        raise UsageError(f"{where}: {name}={given!r:.50} is no text")
    return str(given)


def _found(source: str, beside: Path) -> str:
    """Where a source is; one that is nowhere keeps its name, and fails when it is read."""
    try:
        other = beside / source
        return str(other) if not Path(source).exists() and other.exists() else source
    except OSError:  # no name that a file could have
        return source


def _file_size(source: str) -> int:
    try:
        return os.stat(source).st_size
    except (OSError, ValueError):
        return 0
