"""Stop seam: whether a request is finished before every position is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from foldctx.decoding.events import Finished
from foldctx.errors import UsageError
from foldctx.models.info import ModelInfo


@dataclass(frozen=True, slots=True)
class Progress:
    """A request after a commit: the generated tokens up to the end of the block.

    `watched` holds the watched probabilities after the first forward and is empty afterwards.
    """

    tokens: Tensor
    watched: Mapping[int, Mapping[int, float]]
    info: ModelInfo


@dataclass(frozen=True, slots=True)
class Halt:
    """The request is over; proposals at the offsets `take` are still committed."""

    reason: Finished
    take: tuple[int, ...] = ()


class Stop(Protocol):
    """Looks at a request after every commit."""

    def watch(self) -> Mapping[int, tuple[int, ...]]:
        """Ids, per offset of the generation, whose probability in the first forward it needs."""
        ...

    def __call__(self, progress: Progress) -> Halt | None:
        """Why the request is over, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Never:
    """Decode every position, as LLaDA's sampler does."""

    def watch(self) -> Mapping[int, tuple[int, ...]]:
        """Nothing."""
        return {}

    def __call__(self, progress: Progress) -> Halt | None:
        """Never."""
        return None


@dataclass(frozen=True, slots=True)
class FirstEos:
    """Over once everything before the first end-of-sequence or end-of-turn is decoded."""

    def watch(self) -> Mapping[int, tuple[int, ...]]:
        """Nothing."""
        return {}

    def __call__(self, progress: Progress) -> Halt | None:
        """Compare the first end token with the first mask."""
        ends = torch.zeros_like(progress.tokens, dtype=torch.bool)
        for stop_id in progress.info.stop_ids:
            ends |= progress.tokens == stop_id
        first = (ends | (progress.tokens == progress.info.mask_id)).nonzero()
        if first.numel() and bool(ends[first[0, 0]]):
            return Halt("eos")
        return None


@dataclass(frozen=True, slots=True)
class SkipAt:
    """Over after the first forward when `token_id` has p >= `threshold` at all the offsets."""

    offsets: tuple[int, ...]
    token_id: int
    threshold: float

    def __post_init__(self) -> None:
        if not self.offsets:
            raise UsageError("SkipAt needs at least one offset to look at")
        if not 0 < self.threshold <= 1:
            raise UsageError(f"skip threshold={self.threshold} is not a probability in (0, 1]")

    def watch(self) -> Mapping[int, tuple[int, ...]]:
        """The token at each offset."""
        return {offset: (self.token_id,) for offset in self.offsets}

    def __call__(self, progress: Progress) -> Halt | None:
        """Compare the watched probabilities, once."""
        if not progress.watched:
            return None
        seen = [progress.watched[offset][self.token_id] for offset in self.offsets]
        return Halt("skip", self.offsets) if min(seen) >= self.threshold else None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Over when one of the stops says so; the first one that does gives the reason."""

    stops: tuple[Stop, ...]

    def watch(self) -> Mapping[int, tuple[int, ...]]:
        """What any of them needs."""
        return merge_watch(*(stop.watch() for stop in self.stops))

    def __call__(self, progress: Progress) -> Halt | None:
        """Ask them in order."""
        return next((halt for stop in self.stops if (halt := stop(progress))), None)


def merge_watch(*watches: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """All ids of all watches, per offset, each once."""
    merged: dict[int, tuple[int, ...]] = {}
    for watch in watches:
        for offset, ids in watch.items():
            merged[offset] = tuple(dict.fromkeys(merged.get(offset, ()) + ids))
    return merged
