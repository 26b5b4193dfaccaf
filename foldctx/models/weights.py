"""Safetensors files by their headers: names, shapes and a hash, without reading a tensor.

Only safetensors are read: a pickle can run code when it is opened.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldctx.errors import ModelError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
WHOLE_HASH_LIMIT = 64 * 2**20
_TAIL = 64 * 2**10
_HEADER_LIMIT = 100_000_000  # the format's own
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor on disk: its file, shape and safetensors type name."""

    file: Path
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight files of a folder and the tensors in them, by stored name."""

    files: tuple[Path, ...]
    tensors: Mapping[str, Stored]

    @property
    def parameters(self) -> int:
        """Number of weights; a tied head is stored, and counted, once."""
        return sum(math.prod(stored.shape) for stored in self.tensors.values())

    def sha256(self) -> str:
        """Hash that tells checkpoints apart.

        Up to 64 MiB in all, every byte is hashed: for a single file this is the file's sha256, for
        several that of the lines `<sha256 of the file>  <name>`, sorted by name. Above that, so
        that it costs nothing, each line is `<sha256>  <size>  <name>` and the sha256 is that of the
        header (length field included) followed by the last 64 KiB of the file.
        """
        sizes = {file: file.stat().st_size for file in self.files}
        files = sorted(self.files, key=lambda file: file.name)
        if sum(sizes.values()) > WHOLE_HASH_LIMIT:
            lines = [f"{_ends_hash(file)}  {sizes[file]}  {file.name}\n" for file in files]
        elif len(files) == 1:
            return _whole_hash(files[0])
        else:
            lines = [f"{_whole_hash(file)}  {file.name}\n" for file in files]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_weights(folder: Path) -> Weights:
    """The weights of a model folder, single or sharded, in the hub's form.

    Raises ModelError when there are none, only pickles, a shard is missing or a file is cut short.
    """
    files = _weight_files(folder)
    tensors: dict[str, Stored] = {}
    for file in files:
        for name, stored in _read_header(file):
            if name in tensors:
                raise ModelError(f"{file}: tensor {name} is in {tensors[name].file.name} too")
            tensors[name] = stored
    return Weights(files, tensors)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; ModelError naming the file when it is not one."""
    try:
        form = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(form, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(form).__name__}")
    return form


def _weight_files(folder: Path) -> tuple[Path, ...]:
    if (folder / SINGLE).is_file():
        return (folder / SINGLE,)
    if (folder / INDEX).is_file():
        return _shards(folder)
    present = sorted(path.name for path in folder.iterdir())
    pickles = [name for name in present if name.endswith(_PICKLES)]
    if pickles:
        raise ModelError(
            f"{folder}: holds {', '.join(pickles[:3])} but no {SINGLE}; only safetensors are read, "
            "because opening a pickle can run code. Convert the checkpoint to safetensors first"
        )
    loose = [name for name in present if name.endswith(".safetensors")]
    if loose:
        raise ModelError(
            f"{folder}: holds {', '.join(loose[:3])} but neither {SINGLE} nor {INDEX}, "
            "which names the shards; copy the whole folder of the model"
        )
    raise ModelError(f"{folder}: no weights here: neither {SINGLE} nor {INDEX}")


def _shards(folder: Path) -> tuple[Path, ...]:
    index = folder / INDEX
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{index}: has no weight_map that names the shards")
    shards = sorted({str(name) for name in names.values()})
    strange = [name for name in shards if Path(name).name != name]
    if strange:
        raise ModelError(f"{index}: names {strange[0]!r}; shards lie beside the index")
    missing = [name for name in shards if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"{index}: {len(missing)} of {len(shards)} shards are missing: "
            f"{', '.join(missing[:3])}; download the model again"
        )
    return tuple(folder / name for name in shards)


def _read_header(file: Path) -> Iterator[tuple[str, Stored]]:
    raw, size = _header_bytes(file), file.stat().st_size
    try:
        form = json.loads(raw[8:])
        form.pop("__metadata__", None)
        end = max((int(entry["data_offsets"][1]) for entry in form.values()), default=0)
        found = [
            (str(name), Stored(file, tuple(map(int, entry["shape"])), str(entry["dtype"])))
            for name, entry in form.items()
        ]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{file}: the safetensors header is damaged ({error!r})") from None
    if size != len(raw) + end:
        raise ModelError(
            f"{file}: has {size} bytes where its header promises {len(raw) + end}; "
            "the file is cut short or damaged: download it again"
        )
    yield from found


def _header_bytes(file: Path) -> bytes:
    """The length field and the header."""
    try:
        with file.open("rb") as handle:
            start = handle.read(8)
            length = int.from_bytes(start, "little")
            if start == b"version ":
                raise ModelError(f"{file}: is a Git LFS pointer, not weights; run `git lfs pull`")
            if len(start) < 8 or length > _HEADER_LIMIT:
                raise ModelError(f"{file}: is not a safetensors file")
            return start + handle.read(length)
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error})") from None


def _ends_hash(file: Path) -> str:
    digest = hashlib.sha256(_header_bytes(file))
    with file.open("rb") as handle:
        handle.seek(max(0, file.stat().st_size - _TAIL))
        digest.update(handle.read())
    return digest.hexdigest()


def _whole_hash(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
