"""What the runner asks of work: blocks of rows in, finished records out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from foldctx.errors import UsageError
from foldctx.records import error_record
from foldctx_pipelines.batch.rows import Row

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Started:
    """Rows that are being worked on from now on."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """Records of rows, to be committed together; one with an `error` is a failure."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What was spent since the last one, for who watches the run."""

    windows: int = 0
    skipped: int = 0
    tokens_fed: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.windows + other.windows,
            self.skipped + other.skipped,
            self.tokens_fed + other.tokens_fed,
        )


@dataclass(frozen=True, slots=True)
class Warned:
    """What is odd about a source, such as a scanned page without text."""

    source: str
    texts: tuple[str, ...]


class Work(Protocol):
    """Maps rows to records. A record carries its row's id; records may come in any order.

    Rows come in blocks, lazily; what is not Started or Finished is passed on to whoever watches the
    run. A row that fails is a Finished error record; what is raised ends the run.
    """

    def __call__(self, blocks: Iterable[Sequence[Row]]) -> Iterator[object]:
        """Work through the blocks."""
        ...


def failed(row: Row, error: BaseException, source: str, question: str | None = None) -> Finished:
    """The error record of a row."""
    return Finished((error_record(error, id=row.id, source=source, question=question),))


def each(make: Callable[[Row], Record]) -> Work:
    """Work that makes the records one by one; what `make` raises becomes the row's error record.

    A UsageError ends the run instead: it speaks of an option, not of a row.
    """

    def work(blocks: Iterable[Sequence[Row]]) -> Iterator[object]:
        for row in (row for block in blocks for row in block):
            yield Started((row.id,))
            try:
                record = make(row)
            except UsageError:
                raise
            except Exception as error:  # noqa: BLE001  (one bad row never stops the others)
                yield failed(row, error, row.key or row.id)
                continue
            yield Finished((record,))

    return work
