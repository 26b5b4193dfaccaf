"""What a batch run reads: files of rows, data sets, folders, patterns, lists of paths."""

import glob
import shutil
import tempfile
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from foldctx.documents import MEDIA_TYPES
from foldctx.errors import UsageError, first_line_of
from foldctx.models.hub import is_hub_name
from foldctx_pipelines.batch.rows import Row
from foldctx_pipelines.batch.values import path_row, rows_of
from foldctx_pipelines.jobs import parse_rows

_JSONL = (".jsonl", ".ndjson")
_PATTERN = "*?["
_DATASET_FILES = ("dataset_info.json", "dataset_dict.json")
_DATA = (".parquet", ".jsonl", ".json", ".csv")
_CARD = "README.md"
_KINDS = (
    "a .jsonl or .parquet file, a document, a folder, a pattern such as 'corpus/**/*.pdf', a data "
    "set's folder or hub name, or - for paths or JSON lines on standard input"
)


@dataclass(frozen=True, slots=True)
class Input:
    """Rows that can be gone through more than once, without holding them, and what to warn of."""

    rows: Callable[[], Iterator[Row]]
    warnings: tuple[str, ...] = ()

    def check(self, meant: Callable[[Row], bool]) -> int:
        """Go through all rows once; how many are meant, a row that comes again counted once.

        Raises UsageError naming the row that cannot be used, or that has the id of another one.
        """
        known: dict[str, int] = {}
        count = 0
        for row in self.rows():
            count += row.id not in known and meant(row)
            if known.setdefault(row.id, hash(row.payload)) != hash(row.payload):
                raise UsageError(f"two rows of the input have the id {row.id!r}; give each its own")
        if not known:
            raise UsageError("the input has no rows")
        return count


def open_input(
    name: str, questions: Sequence[str], stdin: BinaryIO | None, split: str | None = None
) -> Input:
    """Find out what an input is. `questions` are asked of every row that has none of its own.

    Raises UsageError, listing what there is, for what is none of the known kinds.
    """
    path = Path(name)
    if path.is_dir() and name != "-":
        if any((path / marker).is_file() for marker in _DATASET_FILES):
            return Input(lambda: _dataset_rows(_saved(path, split), name, questions))
        return _folder(path, questions, split)
    if is_hub_name(name) and not path.exists() and not _means_a_file(path):
        return Input(lambda: _dataset_rows(_from_hub(name, split), name, questions))
    if split is not None:
        raise _no_splits(name)
    if name == "-":
        return _standard_input(questions, stdin)
    if path.is_file():
        return _file(path, questions)
    if any(sign in name for sign in _PATTERN):
        found = sorted(n for n in glob.glob(name, recursive=True) if Path(n).is_file())
        if not found:
            raise UsageError(f"{name}: no file has such a name; check the pattern")
        return _paths(found, questions)
    raise UsageError(f"{name}: there is nothing of this name; give {_KINDS}")


def _means_a_file(path: Path) -> bool:
    """Whether a name that is not there can only be a mistaken path: nobody else is asked for it."""
    suffixes = (*_JSONL, ".parquet", *MEDIA_TYPES)
    return path.suffix.lower() in suffixes or path.parent.is_dir()


def _file(path: Path, questions: Sequence[str]) -> Input:
    name, suffix = str(path), path.suffix.lower()
    if suffix in _JSONL:

        def lines() -> Iterator[Row]:
            with path.open("rb") as file:
                yield from _value_rows(parse_rows(file, name), name, questions, path.parent)

        return Input(lines)
    if suffix == ".parquet":

        def rows() -> Iterator[Row]:
            numbered = enumerate(_parquet(path), start=1)
            yield from _value_rows(numbered, name, questions, path.parent, "row")

        return Input(rows)
    if suffix in MEDIA_TYPES:
        return _paths([name], questions)
    raise UsageError(f"{name}: cannot be used as an input; give {_KINDS}")


def _folder(path: Path, questions: Sequence[str], split: str | None) -> Input:
    """All documents below a folder; others are counted, and told of.

    Where there are files of data and no document but their card, it is a data set as it lies on the
    hub.
    """
    documents: list[str] = []
    others: dict[str, int] = {}
    for file in sorted(path.rglob("*")):
        if not file.is_file():
            continue
        suffix = file.suffix.lower()
        if suffix in MEDIA_TYPES:
            documents.append(str(file))
        else:
            others[suffix or "no suffix"] = others.get(suffix or "no suffix", 0) + 1
    if set(documents) <= {str(path / _CARD)} and any(suffix in _DATA for suffix in others):
        return Input(lambda: _dataset_rows(_beside(path, split), str(path), questions))
    if split is not None:
        raise _no_splits(str(path))
    if not documents:
        kinds = ", ".join(MEDIA_TYPES)
        raise UsageError(f"{path}: no document in it; foldctx reads {kinds}")
    left = ", ".join(f"{count} with {suffix}" for suffix, count in sorted(others.items()))
    return _paths(documents, questions, (f"{path}: files left out: {left}",) if others else ())


def _paths(paths: Iterable[str], questions: Sequence[str], warnings: tuple[str, ...] = ()) -> Input:
    if not questions:
        raise UsageError("give the question to ask of each document with -q")
    given = list(dict.fromkeys(paths))
    return Input(lambda: (path_row(p, q) for p in given for q in questions), warnings)


def _standard_input(questions: Sequence[str], stdin: BinaryIO | None) -> Input:
    """Rows when the first character is a brace, otherwise paths, a line each or ended by NUL."""
    if stdin is None:
        raise UsageError("standard input is closed; name a file, a folder or a pattern")
    spool = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the input)
    shutil.copyfileobj(stdin, spool)
    spool.seek(0)
    head = spool.read(4096).removeprefix(BOM_UTF8).lstrip()
    if head.startswith(b"{"):

        def lines() -> Iterator[Row]:
            spool.seek(0)
            yield from _value_rows(parse_rows(spool, "standard input"), "-", questions, Path())

        return Input(lines)
    spool.seek(0)
    data = spool.read().removeprefix(BOM_UTF8)
    names = data.split(b"\0" if b"\0" in data else b"\n")
    paths = [name.strip(b"\r").decode("utf-8", "surrogateescape") for name in names if name.strip()]
    if not paths:
        raise UsageError("standard input: no paths and no rows in it")
    return _paths(paths, questions)


def _value_rows(
    values: Iterable[tuple[int, Mapping[str, Any]]],
    name: str,
    questions: Sequence[str],
    beside: Path,
    what: str = "line",
) -> Iterator[Row]:
    shown = "standard input" if name == "-" else name
    for number, value in values:
        yield from rows_of(value, f"{shown}, {what} {number}", questions, beside)


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        for batch in file.iter_batches(batch_size=64):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:  # the latter for damaged pages too
        raise UsageError(f"{path}: cannot be read as Parquet ({first_line_of(error)})") from None


def _dataset_rows(data: Any, name: str, questions: Sequence[str]) -> Iterator[Row]:
    return _value_rows(enumerate(data, start=1), name, questions, Path(name), "row")


def _saved(path: Path, split: str | None) -> Any:
    import datasets

    return _one_split(datasets.load_from_disk(str(path)), str(path), split)


def _beside(path: Path, split: str | None) -> Any:
    """The files of data below a folder, as `datasets` finds them."""
    says = "has no document, and its files cannot be read as a data set"
    return _one_split(_loaded(str(path), says, "give one of the files"), str(path), split)


def _from_hub(name: str, split: str | None) -> Any:
    says = "there is no such file here, and the data set cannot be had from the hub"
    return _one_split(_loaded(name, says, "check the name and the connection"), name, split)


def _loaded(name: str, says: str, remedy: str) -> Any:
    """A data set, loaded in silence: its bars would be shown in a pipe too."""
    import datasets

    hidden = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(name)
    except Exception as error:  # noqa: BLE001  (the library's own, the hub's, the disk's)
        why = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise UsageError(
            f"{name}: {says} ({type(error).__name__}: {first_line_of(why)}); {remedy}"
        ) from None
    finally:
        if not hidden:
            datasets.enable_progress_bars()


def _one_split(data: Any, name: str, split: str | None) -> Any:
    """The rows of a data set, or of one of its splits."""
    if not isinstance(data, Mapping):
        if split is not None:
            raise UsageError(f"{name}: has no splits; leave --split out")
        return data
    if split is None and len(data) == 1:
        return next(iter(data.values()))
    if split not in data:
        given = "give one" if split is None else f"there is no {split!r}; give one"
        raise UsageError(f"{name}: {given} of its splits with --split: {', '.join(data)}")
    return data[split]


def _no_splits(name: str) -> UsageError:
    return UsageError(f"{name}: is no data set and has no splits; leave --split out")
