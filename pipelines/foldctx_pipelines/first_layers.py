"""What a network's first layers make of a feed, by the one forward walk."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from foldctx.models.forward import Feed, hidden_states
from foldctx.models.network import Layer, Network


class FirstLayers(Network):
    """The first `depth` layers of a network, without its norm and head."""

    def __init__(self, whole: Network, depth: int) -> None:
        super().__init__()
        self.whole, self.depth = whole, depth
        self.dims = replace(whole.dims, layers=max(depth, 1))

    @property
    def layers(self) -> Sequence[Layer]:
        """See `Network`."""
        return self.whole.layers[: self.depth]

    def embed(self, tokens: Tensor) -> Tensor:
        """See `Network`."""
        return self.whole.embed(tokens)

    def final_norm(self, x: Tensor) -> Tensor:
        """The rows as they are."""
        return x

    def head(self, x: Tensor) -> Tensor:
        """The rows as they are."""
        return x


@torch.inference_mode()
def rows_after(model: Network, feeds: Sequence[Feed], depth: int) -> list[Tensor]:
    """Residual rows (n, width) of each feed after `depth` layers; 0: the embedding's."""
    if depth == 0:
        return [model.embed(feed.tokens) for feed in feeds]
    rows, _ = hidden_states(FirstLayers(model, depth), feeds, every_row=True)
    return list(torch.split(rows, [len(feed) for feed in feeds]))
