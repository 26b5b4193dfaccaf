"""Where benchmark rows come from: a folder, a zip archive, or the hub through `datasets`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from foldctx.errors import UsageError
from foldctx_pipelines.jobs import parse_rows

Row = Mapping[str, Any]


def read_rows(source: str, task: str, *, split: str = "test") -> list[Row] | None:
    """The rows of one task, or None where a folder or archive has no file of it.

    A folder or archive holds `TASK.jsonl`, at the top or below. Anything else is the name of a
    dataset on the hub whose configurations are the tasks. Raises UsageError naming the line that is
    no object, and for a dataset that cannot be had.
    """
    path = Path(source)
    if path.is_dir():
        found = sorted(path.rglob(f"{task}.jsonl"), key=lambda file: len(file.parts))
        return _parse(found[0].read_bytes(), str(found[0])) if found else None
    if path.is_file():
        return _from_zip(path, f"{task}.jsonl")
    return _from_hub(source, task, split)


def tasks_in(source: str, known: Sequence[str]) -> list[str]:
    """Those of the known tasks that a source has; all of them for the hub.

    Raises UsageError when a folder or archive has none.
    """
    path = Path(source)
    if path.is_dir():
        names = {file.stem for file in path.rglob("*.jsonl")}
    elif path.is_file():
        with _opened(path) as archive:
            names = {Path(name).stem for name in archive.namelist() if name.endswith(".jsonl")}
    else:
        return list(known)
    found = [task for task in known if task in names]
    if not found:
        raise UsageError(
            f"{source}: holds no task's rows; expected files such as {known[0]}.jsonl in it"
        )
    return found


def _parse(data: bytes, name: str) -> list[Row]:
    # Not splitlines(): texts hold line separators that are no line ends in JSON Lines.
    return [row for _, row in parse_rows(data.split(b"\n"), name)]


def _opened(path: Path) -> ZipFile:
    try:
        return ZipFile(path)
    except (BadZipFile, OSError) as error:
        raise UsageError(
            f"{path}: cannot be read as a zip archive ({error}); give a folder of JSONL files, a "
            "zip of them, or a name on the hub"
        ) from None


def _from_zip(path: Path, file: str) -> list[Row] | None:
    with _opened(path) as archive:
        names = [name for name in archive.namelist() if Path(name).name == file]
        if not names:
            return None
        name = min(names, key=lambda name: name.count("/"))
        return _parse(archive.read(name), f"{path}: {name}")


def _from_hub(name: str, task: str, split: str) -> list[Row]:
    """Rows of a hub dataset; only data files are read, no script of the dataset is run."""
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise UsageError(
            f"{name}: no such file or folder; give a folder or zip of JSONL files, or owner/name on "
            "the hub"
        )
    from datasets import load_dataset

    try:
        return [dict(row) for row in load_dataset(name, task, split=split)]
    except Exception as error:  # noqa: BLE001  (datasets raises its own and its network's many kinds)
        raise UsageError(
            f"{name}, configuration {task}: cannot be had from the hub ({error}); download the "
            "JSONL files and give their folder or zip"
        ) from None
