"""The decode loop: rows of any phase share one packed forward; there is no other loop."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal, Protocol

import torch
from torch import Tensor

from foldctx.decoding.decoder import Decoder
from foldctx.decoding.events import Decoded, Event
from foldctx.decoding.layout import Layout
from foldctx.decoding.propose import HostProposal, Proposal
from foldctx.decoding.row import Row
from foldctx.decoding.segments import Request
from foldctx.errors import UsageError
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo


class Predictor(Protocol):
    """A model as the decoder sees it."""

    @property
    def info(self) -> ModelInfo:
        """Ids and window."""
        ...

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        """Logits (m, V) of each feed's m wanted rows. Feeds are on the host."""
        ...


def check_request(request: Request, decoder: Decoder, info: ModelInfo) -> Layout:
    """The layout of the first block; UsageError or WindowError when `decode` would refuse."""
    row = Row(request, decoder, info)
    row.begin()
    row.feeds()  # the cache's first plan: an exact one takes block-causal models alone
    return row.layout


def decode(
    predictor: Predictor,
    requests: Iterable[Request],
    decoder: Decoder,
    *,
    max_rows: int = 8,
    level: Literal["result", "steps"] = "result",
) -> Iterator[Event]:
    """Decode requests, at most `max_rows` at once; results come in the order they finish.

    Yields every Fold, a Decoded per request, and with `level="steps"` a Step per forward and row.
    Requests are pulled when a place is free. What a request becomes does not depend on the others.
    Raises UsageError or WindowError for a request that cannot be decoded (see `check_request`).
    """
    if max_rows < 1:
        raise UsageError(f"max_rows={max_rows}; it must be at least 1")
    if level not in ("result", "steps"):
        raise UsageError(f"level={level!r}: choose from result, steps")
    return _decode(predictor, iter(requests), decoder, max_rows, level == "steps")


def _decode(
    predictor: Predictor,
    waiting: Iterator[Request],
    decoder: Decoder,
    max_rows: int,
    with_steps: bool,
) -> Iterator[Event]:
    rows: list[Row] = []
    while True:
        for request in islice(waiting, max_rows - len(rows)):
            rows.append(Row(request, decoder, predictor.info))
        if not rows:
            return
        for row in rows:
            yield from row.begin()
        for row, proposal in zip(rows, _forward(predictor, rows), strict=True):
            step = row.accept(proposal)
            if with_steps:
                yield step
            if row.finished is not None:
                yield row.result()
        rows = [row for row in rows if row.finished is None]


@torch.inference_mode()
def _forward(predictor: Predictor, rows: Sequence[Row]) -> list[HostProposal]:
    """One packed forward of all rows, and their proposals brought to the host together."""
    shares = [row.feeds() for row in rows]
    logits = iter(predictor.predict([feed for share in shares for feed in share]))
    proposals = [
        row.propose(list(islice(logits, len(share))))
        for row, share in zip(rows, shares, strict=True)
    ]
    seen = [
        (row.read_watched(proposal), row.read_gaps(proposal))
        for row, proposal in zip(rows, proposals, strict=True)
    ]
    return [
        HostProposal(*pair, *read) for pair, read in zip(_to_host(proposals), seen, strict=True)
    ]


def _to_host(proposals: Sequence[Proposal]) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens and confidences (m,) of each proposal, in one copy: float64 holds ids exactly."""
    pairs = [torch.stack((p.tokens.double(), p.confidence.double())) for p in proposals]
    packed = torch.cat(pairs, dim=1).cpu()
    for part in torch.split(packed, [pair.shape[1] for pair in pairs], dim=1):
        yield part[0].long(), part[1]


def decode_one(predictor: Predictor, request: Request, decoder: Decoder) -> Decoded:
    """Decode a single request and return its result."""
    for event in decode(predictor, [request], decoder):
        if isinstance(event, Decoded):
            return event
    raise AssertionError("a request ends with its result")
