"""Rows of a run: what is worked on, which shard has it, and which are worked on together."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from foldctx.errors import UsageError

_BLOCK_ROWS = 256
_BLOCK_SIZE = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """One record to be made.

    `payload` is whatever the work understands; plain values, so that it can go to another process.
    Rows of one `key` are best worked on together (questions of one document). Sharding goes by
    `root`, the id unless several rows were made of one row of the input. `size` is about how long
    the payload is, in bytes.
    """

    id: str
    payload: Any
    key: str = ""
    root: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` (from 1) of `count`; a row belongs to one of them by the hash of its root."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise UsageError(
                f"shard {self.index}/{self.count}: shards count from 1, so that of {self.count} the "
                f"first is 1/{self.count} and the last {self.count}/{self.count}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "3/16". Raises UsageError for anything else."""
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal()):
            raise UsageError(f"shard {text!r}: give it as I/N, such as 3/16")
        return cls(int(index), int(count))

    def has(self, row: Row) -> bool:
        """Whether the row is this shard's."""
        return _hash("shard", row.root or row.id) % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def name(self) -> str:
        """The part of file names that stands for it."""
        return f"{self.index:05}-of-{self.count:05}"


def in_sample(row: Row, share: float) -> bool:
    """Whether a row is in the sample of that share of all rows; decided by its id alone."""
    return _hash("sample", row.root or row.id) < share * 2**64


def blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in blocks of bounded size, in order; neighbours of one key are never parted.

    Blocks are cut of the whole input, recorded rows included, so that a resumed run finds the same
    questions of a document together.
    """
    block: list[Row] = []
    size = 0
    for row in rows:
        full = len(block) >= _BLOCK_ROWS or size >= _BLOCK_SIZE
        if block and full and (not row.key or row.key != block[-1].key):
            yield block
            block, size = [], 0
        block.append(row)
        size += row.size
    if block:
        yield block


def by_key(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows of one key together, in the order of their first; a row without a key is alone."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(f"key {row.key}" if row.key else f"id {row.id}", []).append(row)
    return list(groups.values())


def _hash(salt: str, text: str) -> int:
    digest = hashlib.sha256(f"{salt}\0{text}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8])
