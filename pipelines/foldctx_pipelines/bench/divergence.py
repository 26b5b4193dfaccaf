"""How far a decoder's distributions lie from those of a whole forward, on its own way."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from foldctx.decoding import Decoded, Decoder, Predictor, Request, Step, decode
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo


@dataclass(slots=True)
class Divergence:
    """Sum of KL(whole || own) in nats over `rows` block rows of all forwards."""

    total: float = 0.0
    rows: int = 0


@dataclass(slots=True)
class _Listening:
    """A predictor that keeps the last forward's wanted positions and logits, feed by feed."""

    predictor: Predictor
    heard: deque[tuple[Tensor, Tensor]] = field(default_factory=deque)

    @property
    def info(self) -> ModelInfo:
        return self.predictor.info

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        found = self.predictor.predict(feeds)
        for feed, logits in zip(feeds, found, strict=True):
            self.heard.append((feed.positions[feed.logit_rows], logits.clone()))
        return found


def decode_listening(
    predictor: Predictor, requests: Sequence[Request], decoder: Decoder, *, max_rows: int
) -> Iterator[tuple[Decoded, Divergence]]:
    """Decode and compare every forward with one that is fed the whole canvas without a cache.

    Requests must fit in the window, so that position ids are canvas indices, and be unguided.
    """
    listening = _Listening(predictor)
    canvases = {request.id: _canvas(request, predictor.info) for request in requests}
    sums = {request.id: Divergence() for request in requests}
    due: list[tuple[Feed, Tensor, Divergence]] = []
    finished: list[Decoded] = []
    for event in decode(listening, requests, decoder, max_rows=max_rows, level="steps"):
        if isinstance(event, Step):
            canvas, (asked, own) = canvases[event.id], listening.heard.popleft()
            whole = Feed(canvas.clone(), torch.arange(canvas.numel()), asked)
            due.append((whole, own, sums[event.id]))
            canvas[list(event.positions)] = torch.tensor(event.tokens, dtype=canvas.dtype)
        elif isinstance(event, Decoded):
            finished.append(event)
        if not listening.heard:
            _compare(predictor, due)
            due.clear()
            yield from ((done, sums[done.id]) for done in finished)
            finished.clear()
    yield from ((done, sums[done.id]) for done in finished)


def _canvas(request: Request, info: ModelInfo) -> Tensor:
    canvas = torch.tensor(request.prompt_tokens + [info.mask_id] * request.gen_length)
    for offset, token in request.pinned.items():
        canvas[request.prompt_length + offset] = token
    return canvas


@torch.inference_mode()
def _compare(predictor: Predictor, due: Sequence[tuple[Feed, Tensor, Divergence]]) -> None:
    if not due:
        return
    wholes = predictor.predict([feed for feed, _, _ in due])
    for whole, (_, own, into) in zip(wholes, due, strict=True):
        wanted = whole.float().log_softmax(-1)
        apart = (wanted.exp() * (wanted - own.float().log_softmax(-1))).sum(-1)
        into.total += float(apart.sum())
        into.rows += apart.numel()
