"""A network whose layers and final norm stand in a body beside the head, as the hub's models do."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from foldctx.models.dims import Dims
from foldctx.models.network import Layer, Network


class BodyNetwork(Network):
    """Body and head; the head is the embedding where weights are tied.

    The body is `model`, with `layers` and `norm`; its embedding has a name of the family's own.
    """

    def __init__(self, dims: Dims, body: nn.Module) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
        self.dims = dims
        self.model = body
        if not dims.tied:
            self.lm_head = nn.Linear(dims.width, dims.embeddings, bias=False)

    @property
    @abstractmethod
    def embedding(self) -> nn.Embedding:
        """The body's embedding."""

    @property
    def layers(self) -> Sequence[Layer]:
        """See `Network`."""
        return cast(Sequence[Layer], self.model.layers)

    def embed(self, tokens: Tensor) -> Tensor:
        """See `Network`."""
        return cast(Tensor, self.embedding(tokens))

    def final_norm(self, x: Tensor) -> Tensor:
        """See `Network`."""
        norm = cast(nn.Module, self.model.norm)
        return cast(Tensor, norm(x))

    def head(self, x: Tensor) -> Tensor:
        """See `Network`."""
        if self.dims.tied:
            return functional.linear(x.to(self.embedding.weight.device), self.embedding.weight)
        return cast(Tensor, self.lm_head(x))
