"""Many readings at once: their forward passes packed, whatever else each of them does.

A reading is an ordinary generator that calls `predict` on the predictor it is given. Each has a
thread, and the threads take turns: one runs at a time, until it wants logits or ends. So nothing in
a reading needs to know of the others, no code runs in parallel that was not made for it, and the
order of events is the same in every run.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from foldctx.decoding import Predictor
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo

Reading = Callable[[Predictor], Iterator[object]]


@dataclass(frozen=True, slots=True)
class Broke:
    """A reading ended by an exception; `alone` says that nobody shared its forward passes."""

    reading: Reading
    error: Exception
    alone: bool


class _Cancelled(BaseException):
    """Unwinds the thread of a reading that nobody waits for any more."""


class _Seat:
    """One reading under way, and the predictor that it sees."""

    def __init__(self, reading: Reading, info: ModelInfo) -> None:
        self.reading, self.info = reading, info
        self.feeds: Sequence[Feed] | None = None
        self.logits: list[Tensor] | Exception | None = None
        self.events: deque[object] = deque()
        self.error: BaseException | None = None
        self.ended = self.shared = self._cancelled = False
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._cancelled:
                self.events.extend(self.reading(self))
        except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
            self.error = error
        self.ended = True
        self._back.release()

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        """Called in the seat's thread: give the turn back until the logits are there."""
        self.feeds, self.logits = feeds, None
        self._back.release()
        self._go.acquire()
        if self._cancelled:
            raise _Cancelled
        logits: list[Tensor] | Exception | None = self.logits
        if isinstance(logits, Exception):
            raise logits
        assert logits is not None
        return logits

    def advance(self) -> Iterator[object]:
        """Let it run until it wants logits or ends; what it told meanwhile."""
        self.feeds = None
        self._go.release()
        self._back.acquire()
        while self.events:
            yield self.events.popleft()

    def cancel(self) -> None:
        """End its thread, wherever it waits."""
        if not self.ended:
            self._cancelled = True
            self._go.release()
            self._thread.join()


def read_together(readings: Iterable[Reading], predictor: Predictor, rows: int) -> Iterator[object]:
    """The events of all readings, at most `rows` of them under way and `rows` feeds in a forward.

    Readings are pulled when a place is free. One that raises gives a Broke and the others go on;
    KeyboardInterrupt and its like end them all.
    """
    waiting, seats = iter(readings), list[_Seat]()
    try:
        while True:
            while len(seats) < rows and (following := next(waiting, None)) is not None:
                seats.append(_Seat(following, predictor.info))
                yield from seats[-1].advance()
            for seat in seats:
                if seat.ended and seat.error is not None:
                    if not isinstance(seat.error, Exception):
                        raise seat.error
                    yield Broke(seat.reading, seat.error, not seat.shared)
            seats[:] = [seat for seat in seats if not seat.ended]
            if not seats:
                if following is None:
                    return
                continue
            _predict(predictor, seats, rows)
            for seat in seats:
                yield from seat.advance()
    finally:
        for seat in seats:
            seat.cancel()


def _predict(predictor: Predictor, seats: Sequence[_Seat], rows: int) -> None:
    """Logits for everything that is waited for; feeds of like length share a forward."""
    asked = [(len(feed), i, j) for i, seat in enumerate(seats) for j, feed in _feeds(seat)]
    asked.sort()
    found: dict[tuple[int, int], Tensor] = {}
    for at in range(0, len(asked), rows):
        places = [(i, j) for _, i, j in asked[at : at + rows]]
        owners = {i for i, _ in places}
        for i in owners:
            seats[i].shared |= len(owners) > 1
        try:
            logits = predictor.predict([_feed(seats[i], j) for i, j in places])
        except Exception as error:  # noqa: BLE001  (each reading that shared it is told)
            for i in owners:
                seats[i].logits = error
            continue
        found |= dict(zip(places, logits, strict=True))
    for i, seat in enumerate(seats):
        if seat.logits is None:
            seat.logits = [found[i, j] for j, _ in _feeds(seat)]


def _feeds(seat: _Seat) -> Iterator[tuple[int, Feed]]:
    assert seat.feeds is not None
    return enumerate(seat.feeds)


def _feed(seat: _Seat, number: int) -> Feed:
    assert seat.feeds is not None
    return seat.feeds[number]
