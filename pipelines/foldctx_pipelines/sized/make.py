"""Write a checkpoint of random weights shard by shard, in about twice the memory of one."""

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from foldctx.errors import ModelError, OutputError, UsageError
from foldctx.models.checkpoint import EMBEDDED, locate
from foldctx.models.families import family_of
from foldctx.models.family import ID_FIELDS, Family
from foldctx.models.vocabulary import tokenizer_form
from foldctx.models.weights import INDEX
from foldctx_pipelines.bench.shapes import random_tensor

SHARD_BYTES = 3 * 2**30
_TYPES = ("bfloat16", "float16", "float32")


def make_checkpoint(
    folder: Path,
    config: Mapping[str, Any],
    *,
    dtype: str = "bfloat16",
    seed: int = 0,
    shard_bytes: int = SHARD_BYTES,
) -> Iterator[Path]:
    """Write config.json, the tokenizer and sharded weights; yields each shard when it is written.

    The names and shapes are those that the config's family reads; the weights keep the residual
    stream at its scale. The tokenizer is the embedded reader's, with the special tokens at the ids
    of the config. The index is written last, so that what is cut short is no checkpoint. Raises
    UsageError for a folder that holds something and OutputError for a disk without room.
    """
    if dtype not in _TYPES:
        raise UsageError(f"dtype={dtype!r}: choose from {', '.join(_TYPES)}")
    family = family_of(config, "the config")
    shapes, kind = _shapes(family, config), getattr(torch, dtype)
    _prepare(folder, sum(map(math.prod, shapes.values())) * kind.itemsize)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    form = tokenizer_with_ids(family, config)
    (folder / "tokenizer.json").write_text(json.dumps(form), "utf-8")
    shards = list(_cut(shapes, kind.itemsize, shard_bytes))
    generator = torch.Generator().manual_seed(seed)
    placed: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = folder / f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors: dict[str, Tensor] = {
            name: random_tensor(shapes[name], kind, generator) for name in names
        }
        save_file(tensors, file, metadata={"format": "pt"})
        placed |= dict.fromkeys(names, file.name)
        yield file
    size = sum(map(math.prod, shapes.values())) * kind.itemsize
    index = {"metadata": {"total_size": size}, "weight_map": placed}
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", "utf-8")


def tokenizer_with_ids(family: Family, config: Mapping[str, Any]) -> dict[str, Any]:
    """The embedded reader's tokenizer.json, the family's special tokens at the config's ids.

    Where the config names none and has the published vocabulary, the published ids hold.
    """
    form = tokenizer_form(locate(EMBEDDED)[0])
    published = config["vocab_size"] == family.vocabulary
    ids = {
        family.tokens[label]: config.get(field, family.ids.get(label) if published else None)
        for label, field in ID_FIELDS.items()
    }
    wanted = {token: id for token, id in ids.items() if id is not None}
    for token in form["added_tokens"]:
        token["id"] = wanted.get(token["content"], token["id"])
    vocabulary = form["model"]["vocab"]
    vocabulary.update({token: id for token, id in wanted.items() if token in vocabulary})
    if len(set(vocabulary.values())) < len(vocabulary):
        raise ModelError(f"ids {wanted} belong to other tokens of the reader's vocabulary too")
    return form


def _shapes(family: Family, config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        network = family.network(family.dims(config))
    prefix = family.weight_prefix
    return {prefix + name: tuple(weight.shape) for name, weight in network.state_dict().items()}


def _prepare(folder: Path, size: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a new folder")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror or error}; name another folder") from None
    if free < size * 1.01:
        raise OutputError(
            f"{folder}: the weights take {size / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free; "
            "name a folder on a larger disk"
        )


def _cut(
    shapes: Mapping[str, tuple[int, ...]], itemsize: int, shard_bytes: int
) -> Iterator[list[str]]:
    """Names in order, cut where a shard would pass its size."""
    names: list[str] = []
    size = 0
    for name, shape in shapes.items():
        more = math.prod(shape) * itemsize
        if names and size + more > shard_bytes:
            yield names
            names, size = [], 0
        names.append(name)
        size += more
    yield names
