"""Predictors for tests: a tiny random network, and a script of tokens and probabilities."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from foldctx.decoding import Request, Segment
from foldctx.models.architecture import Dims, Transformer
from foldctx.models.forward import Feed, forward
from foldctx.models.info import ModelInfo

VOCAB, MASK, EOS, EOT = 48, 40, 41, 42


def info(window: int) -> ModelInfo:
    return ModelInfo("toy", "llada", window, VOCAB, MASK, EOS, EOT, None)


def request(name: str, prompt: int, gen_length: int, **options: object) -> Request:
    """A request whose prompt of `prompt` tokens depends on its name alone."""
    generator = torch.Generator().manual_seed(sum(map(ord, name)) + 1000 * prompt)
    tokens = torch.randint(0, MASK, (prompt,), generator=generator).tolist()
    half = prompt // 2
    segments = (Segment("template", tuple(tokens[:half])), Segment("chunk", tuple(tokens[half:])))
    return Request(name, segments, gen_length, **options)  # type: ignore[arg-type]


class RandomModel:
    """A float64 network with weights large enough for clear choices; keeps what it was fed."""

    def __init__(
        self,
        window: int = 64,
        layers: int = 2,
        seed: int = 0,
        *,
        jitter: float = 0.0,
        ends: float = 1.5,
    ) -> None:
        self.info = info(window)
        dims = Dims(width=16, layers=layers, heads=2, kv_heads=1, mlp=24, embeddings=VOCAB)
        self.model = Transformer(dims).double().eval()
        generator = torch.Generator().manual_seed(seed)
        for weight in self.model.parameters():
            if weight.ndim > 1:
                values = torch.randn(weight.shape, dtype=torch.float64, generator=generator)
                weight.data = values * (1.6 / math.sqrt(weight.shape[1]))
        noise = torch.Generator().manual_seed(1)
        for weight in self.model.parameters():
            values = torch.randn(weight.shape, dtype=torch.float64, generator=noise)
            weight.data = weight.data * (1 + jitter * values)
        self.model.ff_out.weight.data[EOS : EOT + 1] *= ends  # the larger, the sooner texts end
        self.calls = 0
        self.feeds: list[tuple[int, int]] = []

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        self.calls += 1
        self.feeds += [(len(feed), int(feed.positions.max())) for feed in feeds]
        return forward(self.model, feeds)


class Scripted:
    """Says, per position id and call, which token is best and with which probability."""

    def __init__(self, script: Callable[[int, int], tuple[int, float]], window: int = 64):
        self.info = info(window)
        self.script = script
        self.calls = 0

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        logits = []
        for feed in feeds:
            rows = torch.zeros(feed.logit_rows.numel(), VOCAB)
            for row, position in zip(rows, feed.positions[feed.logit_rows].tolist(), strict=True):
                token, p = self.script(position, self.calls)
                row[token] = math.log(p / (1 - p) * (VOCAB - 1))
            logits.append(rows)
        self.calls += 1
        return logits
