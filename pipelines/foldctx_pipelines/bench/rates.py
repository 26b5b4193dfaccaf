"""What the matrix products of a model cost by themselves: overhead is counted from there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from foldctx.decoding import Usage, flops
from foldctx.models.dims import Dims
from foldctx.models.load import Model
from foldctx.models.packing import PackedLinear
from foldctx_pipelines.bench.measure import threads, timed

_POINTS = 7  # row counts measured where there are more; those between are interpolated
_REPEATS = 3
_SQUARE = 1024


def model_flops(dims: Dims, usage: Usage) -> int:
    """FLOPs of what was fed, by formula."""
    return flops(
        usage,
        layers=dims.layers,
        width=dims.width,
        kv_width=dims.kv_heads * dims.head_dim,
        mlp=dims.mlp,
        vocab=dims.embeddings,
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds by number of rows: measured points, straight lines between."""

    points: Mapping[int, float]

    def at(self, rows: int) -> float:
        """Seconds of `rows`, which lie among the points."""
        below = max((x for x in self.points if x <= rows), default=min(self.points))
        above = min((x for x in self.points if x >= rows), default=max(self.points))
        if above == below:
            return self.points[below]
        share = (rows - below) / (above - below)
        return self.points[below] * (1 - share) + self.points[above] * share


class Rates:
    """Times a model's own weight shapes at the row counts that were used, with the best threads."""

    def __init__(self, model: Model, thread_counts: Sequence[int]) -> None:
        self._model, self._threads = model, thread_counts
        self._measured: dict[tuple[str, int], float] = {}
        self._layers = [
            module
            for layer in model.transformer.layers
            for module in layer.modules()
            if isinstance(module, nn.Linear | PackedLinear)
        ]
        self._dims = model.transformer.dims

    @torch.inference_mode()
    def layers(self, rows: Iterable[int]) -> Curve:
        """All products of all layers."""
        return self._curve("layers", rows, self._products)

    @torch.inference_mode()
    def head(self, rows: Iterable[int]) -> Curve:
        """The head's product."""

        def head(count: int) -> Callable[[], object]:
            x = self._input(count, self._dims.width)
            return lambda: self._model.transformer.head(x)

        return self._curve("head", rows, head)

    @torch.inference_mode()
    def square(self) -> float:
        """FLOPs a second of a square product."""
        x = self._input(_SQUARE, _SQUARE)
        return 2 * _SQUARE**3 / self._best(lambda: x @ x)

    def _products(self, rows: int) -> Callable[[], object]:
        inputs = {layer.in_features: self._input(rows, layer.in_features) for layer in self._layers}

        def run() -> None:
            for layer in self._layers:
                layer(inputs[layer.in_features])

        return run

    def _input(self, rows: int, width: int) -> Tensor:
        return torch.ones(rows, width, dtype=self._model.dtype, device=self._model.device)

    def _curve(
        self, what: str, rows: Iterable[int], make: Callable[[int], Callable[[], object]]
    ) -> Curve:
        """Measured where it has not been yet."""
        counts = _spread(sorted(set(rows)))
        for count in counts:
            if (what, count) not in self._measured:
                self._measured[what, count] = self._best(make(count))
        return Curve({count: self._measured[what, count] for count in counts})

    def _best(self, action: Callable[[], object]) -> float:
        """The least seconds over thread counts and repeats, after one run to warm up."""
        device, best = self._model.device, []
        for count in self._threads:
            with threads(count):
                action()
                best += [timed(action, device).deciding(device) for _ in range(_REPEATS)]
        return min(best)


def _spread(counts: Sequence[int]) -> Sequence[int]:
    """All counts, or some of them from the least to the most."""
    if len(counts) <= _POINTS:
        return counts
    last = len(counts) - 1
    return [counts[round(i * last / (_POINTS - 1))] for i in range(_POINTS)]


def ideal_seconds(
    model: Model, rates: Rates, forwards: Mapping[tuple[int, int], int], usage: Usage
) -> float:
    """The seconds of all products of these forwards, attention at the rate of the layers' products.

    `forwards` counts (rows of the layers, rows of the head).
    """
    dims = model.transformer.dims
    fed = {rows: 0 for rows, _ in forwards}
    layers, head = rates.layers(fed), rates.head(rows for _, rows in forwards)
    products = sum(count * layers.at(rows) for (rows, _), count in forwards.items())
    heads = sum(count * head.at(rows) for (_, rows), count in forwards.items())
    whole = model_flops(dims, usage)
    attention = 4 * dims.width * (dims.layers * usage.keys_attended - usage.keys_reused)
    linear = whole - attention - 2 * usage.logit_rows * dims.width * dims.embeddings
    return products * (1 + attention / linear) + heads
