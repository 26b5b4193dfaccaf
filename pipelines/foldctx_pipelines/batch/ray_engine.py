"""Work on many machines: Ray Data runs a model per actor, and the driver records.

Ray Data hands groups of rows to actors and restarts those that die. A group whose actor died is
dropped there, and its documents are tried again here, one at a time and with none waiting behind
another, so that the one that kills is found: it becomes an error record, and the others their
answers.
"""

import json
import logging
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson

from foldctx.errors import FoldctxError, UsageError
from foldctx.records import dumps
from foldctx_pipelines.batch.asks import Ask
from foldctx_pipelines.batch.rows import Row, by_key
from foldctx_pipelines.batch.work import Cost, Finished, Started, Warned, Work, failed

_TRIES_ALONE = 3  # of which an actor that died just before may cost a document one
_TASKS_PER_ACTOR = 2
_MOST_BLOCKS = 10_000


class Loader(Protocol):
    """What is sent to the actors, such as a ReaderSpec; each calls `load` once."""

    @property
    def device(self) -> str:
        """Where its model computes: "cpu", or "cuda" for actors that have a GPU each."""
        ...

    def load(self) -> Work:
        """The work, with whatever it needs loaded."""
        ...


class WorkerError(FoldctxError):
    """A process that works on rows died, each time, or cannot begin."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """How documents go to the actors: so many `together`, `queued` groups at an actor, `tries`.

    What waits at an actor dies with it, so a group is tried once: then each document by itself.
    """

    together: int
    queued: int = _TASKS_PER_ACTOR
    tries: int = 1


_ALONE = _Pass(together=1, queued=1, tries=_TRIES_ALONE)


class RayWork:
    """Answers rows whose payload is an Ask, on `workers` actors, each with a model of its own.

    `together` documents go to an actor at once. `address` is a cluster; None starts one on this
    machine, unless the process is connected to one. Files of the input must be where the actors
    are. Raises UsageError where Ray is not installed, or has no such cluster.
    """

    def __init__(
        self, loader: Loader, workers: int, address: str | None = None, *, together: int = 8
    ) -> None:
        try:
            import ray.data  # noqa: F401
        except ImportError as error:
            raise UsageError(
                f"--engine ray needs Ray Data ({error}); install it: pip install 'foldctx[ray]'"
            ) from None
        self.loader, self.workers = loader, workers
        self.address, self.together = address, together

    def __call__(self, blocks: Iterable[Sequence[Row]]) -> Iterator[object]:
        """Started and Finished for every row; the driver holds the rows that are still to be made."""
        waiting = {rows[0].id: rows for block in blocks for rows in by_key(block)}
        if not waiting:
            return
        with _connected(self.workers, self.address):
            yield from self._pass(waiting, _Pass(self.together))
            if waiting:
                yield from self._pass(waiting, _ALONE)
        for rows in waiting.values():
            error = WorkerError(
                f"{rows[0].payload.source}: the worker that read it died each time, also with nothing "
                "else to read; look at its memory and the log of Ray"
            )
            for row in rows:
                yield failed(row, error, row.payload.source, row.payload.question)

    def _pass(self, waiting: dict[str, list[Row]], how: _Pass) -> Iterator[object]:
        """One execution; what is done leaves `waiting`."""
        flying: set[str] = set()
        most = self.workers * how.queued * how.together
        order = iter(list(waiting))
        yield from _start(order, waiting, flying, most)
        for batch in self._batches(list(waiting.items()), how):
            columns = (batch["name"], batch["records"], batch["told"])
            for name, records, told in zip(*columns, strict=True):
                waiting.pop(str(name), None)
                flying.discard(str(name))
                cost, *warnings = orjson.loads(told)
                yield Cost(*cost)
                yield from (Warned(source, tuple(texts)) for source, texts in warnings)
                yield Finished(tuple(orjson.loads(records)))
            yield from _start(order, waiting, flying, most)

    def _batches(
        self, groups: Sequence[tuple[str, list[Row]]], how: _Pass
    ) -> Iterator[Mapping[str, Any]]:
        import ray.data

        items = [{"name": name, "rows": _pack(rows)} for name, rows in groups]
        parts = min(math.ceil(len(items) / how.together), _MOST_BLOCKS)
        actors = min(self.workers, parts)
        data = ray.data.from_items(items, override_num_blocks=parts)
        with warnings.catch_warnings():  # the last option goes by a way that Ray will close
            warnings.simplefilter("ignore", DeprecationWarning)
            mapped = data.map_batches(
                _reader_class(self.loader, os.getcwd()),
                batch_size=how.together,
                num_cpus=1,
                num_gpus=1 if self.loader.device.startswith("cuda") else 0,
                compute=ray.data.ActorPoolStrategy(
                    size=actors, max_tasks_in_flight_per_actor=how.queued
                ),
                max_task_retries=how.tries - 1,
            )
        try:
            yield from mapped.iter_batches(batch_size=None, prefetch_batches=0)
        except ray.exceptions.RayError as error:
            # The cause of an actor that cannot begin stands last in what Ray tells of it.
            told = str(error).strip().splitlines() or [type(error).__name__]
            raise WorkerError(f"--engine ray: the workers cannot go on ({told[-1]})") from error


def _start(
    order: Iterator[str], waiting: Mapping[str, Sequence[Row]], flying: set[str], most: int
) -> Iterator[Started]:
    """Tell of as many groups as the actors may have in hand; Ray takes them about in order."""
    while len(flying) < most and (name := next(order, None)) is not None:
        if name in waiting:
            flying.add(name)
            yield Started(tuple(row.id for row in waiting[name]))


def _pack(rows: Sequence[Row]) -> str:
    """Rows as text. Not orjson: names of files may hold halves of surrogate pairs."""
    return json.dumps([[r.id, r.key, r.root, r.size, *astuple(r.payload)] for r in rows])


def _unpack(text: str) -> list[Row]:
    return [Row(id, Ask(*ask), key, root, size) for id, key, root, size, *ask in json.loads(text)]


def _reader_class(loader: Loader, folder: str) -> type:
    """The class of the actors. Its arguments are part of it: an actor that is restarted has them."""

    class Reader(_Reader):
        def __init__(self) -> None:
            super().__init__(loader, folder)

    return Reader


class _Reader:
    """An actor: loads its model once, then makes the records of group after group."""

    def __init__(self, loader: Loader, folder: str) -> None:
        if Path(folder).is_dir():  # names of files are meant from where the driver is
            os.chdir(folder)
        self._work = loader.load()

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        groups: dict[str, list[Row]] = {
            str(name): _unpack(str(rows))
            for name, rows in zip(batch["name"], batch["rows"], strict=True)
        }
        owner = {row.id: name for name, rows in groups.items() for row in rows}
        made: dict[str, list[Mapping[str, Any]]] = {name: [] for name in groups}
        cost, warned = Cost(), list[Any]()
        for event in self._work([[row for rows in groups.values() for row in rows]]):
            if isinstance(event, Finished):
                for record in event.records:
                    made[owner[str(record["id"])]].append(record)
            elif isinstance(event, Cost):
                cost += event
            elif isinstance(event, Warned):
                warned.append([event.source, event.texts])
        # Of the whole batch, and told with its first group.
        told = [orjson.dumps([astuple(cost), *warned])]
        told += [orjson.dumps([astuple(Cost())])] * (len(groups) - 1)
        return {
            "name": np.array(list(groups), dtype=object),
            "records": np.array(
                [b"[" + b",".join(dumps(r) for r in rows) + b"]" for rows in made.values()],
                dtype=object,
            ),
            "told": np.array(told, dtype=object),
        }


@contextmanager
def _connected(workers: int, address: str | None) -> Iterator[None]:
    """Join a cluster, or start one here, and leave it at the end; within one that is joined, stay.

    Ray's log stays out of standard error. Of workers that die it tells on standard output all the
    same, from a thread of its own, until the cluster is left.
    """
    import ray.data

    joined = ray.is_initialized()
    if not joined:
        try:
            ray.init(
                address=address,
                num_cpus=None if address else workers,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
        except (ConnectionError, ValueError) as error:
            raise UsageError(f"--ray-address {address}: cannot be joined ({error})") from None
    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = -1
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        if not joined:
            ray.shutdown()
