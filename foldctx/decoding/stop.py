"""Stop seam: whether a request is finished before every position is decoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from foldctx.decoding.events import Finished
from foldctx.decoding.segments import Request
from foldctx.errors import UsageError
from foldctx.models.info import ModelInfo
from foldctx.numeric import check_numbers

if TYPE_CHECKING:
    from foldctx.decoding.decoder import Decoder


# A late forward of a block in a layout of three rows: before it, of it and behind it.
_LATE, _SIZES = 1_000_003, (3.0, 2.0, 1.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """A request after a commit: the generated tokens up to the end of the block, which starts at
    the offset `block`.

    `watched` holds the watched probabilities that this forward was the first to give: all of them in
    the first forward, and none afterwards, but where a block-causal model has not come to them yet.
    `gaps` has the best logit's lead over the second at each offset that the stop looked at, and is
    empty when one of them was not fed. `done` is the share of the work behind: of the forwards where
    their number is known, else of the masks. While the block is `open`, decoded tokens may still be
    edited.
    """

    tokens: Tensor
    watched: Mapping[int, Mapping[int, float]]
    info: ModelInfo
    block: int = 0
    gaps: Mapping[int, float] = field(default_factory=dict)
    done: float = 0.0
    open: bool = False


@dataclass(frozen=True, slots=True)
class Halt:
    """The request is over; proposals at those of the offsets `take` that are masks are committed."""

    reason: Finished
    take: tuple[int, ...] = ()


class Stop(Protocol):
    """Looks at a request after every commit."""

    def watch(self) -> Mapping[int, tuple[int, ...]]:
        """Ids, per offset of the generation, whose probability in the first forward it needs."""
        return {}

    def unfit(self, decoder: "Decoder") -> str | None:
        """Why it cannot serve this decoder, or None."""
        return None

    def check(self, request: Request) -> None:
        """Raise UsageError when it cannot work for the request."""
        return

    def look(self, masks: Sequence[int], gen_length: int) -> tuple[int, ...]:
        """Offsets whose logits it needs in the next forward, all or none of them.

        `masks` are the offsets of all masks that are left in the request.
        """
        return ()

    def __call__(self, progress: Progress) -> Halt | None:
        """Why the request is over, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Never(Stop):
    """Decode every position, as LLaDA's sampler does."""

    def __call__(self, progress: Progress) -> Halt | None:
        """Never."""
        return None


@dataclass(frozen=True, slots=True)
class FirstEos(Stop):
    """Over once everything before the first end-of-sequence or end-of-turn is decoded."""

    def __call__(self, progress: Progress) -> Halt | None:
        """Compare the first end token with the first mask."""
        if progress.open:
            return None
        ends = torch.zeros_like(progress.tokens, dtype=torch.bool)
        for stop_id in progress.info.stop_ids:
            ends |= progress.tokens == stop_id
        first = (ends | (progress.tokens == progress.info.mask_id)).nonzero()
        if first.numel() and bool(ends[first[0, 0]]):
            return Halt("eos")
        return None


@dataclass(frozen=True, slots=True)
class EosInBlock(Stop):
    """Over once a finished block holds an end-of-sequence, wherever it is (Streaming-dLLM, DPad).

    Everything behind the block becomes end-of-sequence; end-of-turn is not looked at.
    """

    def __call__(self, progress: Progress) -> Halt | None:
        """Look at the block when it has no mask."""
        block = progress.tokens[progress.block :]
        if progress.open or bool((block == progress.info.mask_id).any()):
            return None
        return Halt("eos") if bool((block == progress.info.eos_id).any()) else None


@dataclass(frozen=True, slots=True)
class Converged(Stop):
    """Over when the lead of the best logits says that they have settled (Prophet).

    arXiv 2508.19982. The mean gap between best and second logit over the answer's region must reach
    `early` in the first third of the work, `mid` in the second, `late` afterwards; then every mask
    that is left takes its proposal of this forward. The region is `length` positions from the offset
    `answer` of the generation, decoded or not, and `answer=None` takes all masks that are left. A
    forward that does not feed all of these decides nothing.
    """

    early: float = 7.5
    mid: float = 5.0
    late: float = 2.5
    answer: int | None = None
    length: int = 5

    def __post_init__(self) -> None:
        check_numbers(self)
        for name in ("early", "mid", "late"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name}={getattr(self, name)}; no best logit trails the second")
        if self.answer is not None and self.answer < 0:
            raise UsageError(f"answer={self.answer}; it is an offset of the generation")
        if self.length < 1:
            raise UsageError(f"length={self.length}; an answer has at least 1 position")

    def unfit(self, decoder: "Decoder") -> str | None:
        """A cache must go on feeding what it looks at."""
        fed = decoder.cache.fed(_LATE, *_SIZES)
        whole, tail, _ = _SIZES
        if self.answer is None and fed < tail:
            return f"{self} looks at all masks that are left, and {decoder.cache} feeds the block alone"
        if self.answer is not None and fed < whole:
            return (
                f"{self} looks at an answer that comes to lie behind the block, and {decoder.cache} "
                "does not feed it then; take no cache or a feature cache, or no answer offset"
            )
        return None

    def check(self, request: Request) -> None:
        """The region must begin inside the generation."""
        if self.answer is not None and self.answer >= request.gen_length:
            raise UsageError(
                f"request {request.id!r}: the answer at offset {self.answer} lies outside "
                f"gen_length={request.gen_length}"
            )

    def look(self, masks: Sequence[int], gen_length: int) -> tuple[int, ...]:
        """The region, and all that an exit fills."""
        return tuple(sorted({*masks, *self._region(masks, gen_length)}))

    def _region(self, masks: Sequence[int], end: int) -> Sequence[int]:
        """A region that would pass the end is the shorter."""
        if self.answer is None:
            return masks
        return range(self.answer, min(self.answer + self.length, end))

    def __call__(self, progress: Progress) -> Halt | None:
        """Compare the mean gap with what this part of the work asks for."""
        if not progress.gaps:
            return None
        seen = list(progress.gaps)
        gaps = [progress.gaps[offset] for offset in self._region(seen, seen[-1] + 1)]
        thirds = (self.early, self.mid, self.late)
        asked = thirds[(progress.done >= 0.33) + (progress.done >= 0.67)]
        return Halt("converged", tuple(seen)) if sum(gaps) >= asked * len(gaps) else None


@dataclass(frozen=True, slots=True)
class SkipAt(Stop):
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
        if any(offset not in progress.watched for offset in self.offsets):
            return None
        seen = [progress.watched[offset][self.token_id] for offset in self.offsets]
        return Halt("skip", self.offsets) if min(seen) >= self.threshold else None


@dataclass(frozen=True, slots=True)
class SlotsEnded(Stop):
    """Over once every slot is decoded to its first end token, or to its last offset.

    `slots` are runs of offsets of the generation that are read apart; `ends` are ids that end one
    besides the model's own end tokens. What stands behind an end is never looked at, so decoding it
    would cost forwards for nothing.
    """

    slots: tuple[tuple[int, ...], ...]
    ends: tuple[int, ...] = ()

    def __call__(self, progress: Progress) -> Halt | None:
        """Look for a slot with a mask before its end."""
        if progress.open:
            return None
        tokens, mask = progress.tokens.tolist(), progress.info.mask_id
        ends = {*self.ends, *progress.info.stop_ids}
        for slot in self.slots:
            for offset in slot:
                if offset >= len(tokens) or tokens[offset] == mask:
                    return None
                if tokens[offset] in ends:
                    break
        return Halt("eos")


@dataclass(frozen=True, slots=True)
class AnyOf(Stop):
    """Over when one of the stops says so; the first one that does gives the reason."""

    stops: tuple[Stop, ...]

    def watch(self) -> Mapping[int, tuple[int, ...]]:
        """What any of them needs."""
        return merge_watch(*(stop.watch() for stop in self.stops))

    def unfit(self, decoder: "Decoder") -> str | None:
        """The first reason that one of them has."""
        reasons = (stop.unfit(decoder) for stop in self.stops)
        return next((reason for reason in reasons if reason is not None), None)

    def check(self, request: Request) -> None:
        """What each of them asks."""
        for stop in self.stops:
            stop.check(request)

    def look(self, masks: Sequence[int], gen_length: int) -> tuple[int, ...]:
        """What any of them needs."""
        looks = [stop.look(masks, gen_length) for stop in self.stops]
        return tuple(sorted({offset for look in looks for offset in look}))

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
