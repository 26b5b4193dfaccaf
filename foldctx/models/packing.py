"""Linear layers whose weights are laid out for oneDNN once, not read as they are stored.

Torch gives float32 products on the CPU to MKL, which is slow at them for few rows, and on
processors of other makers for many. The layout is made when a model is loaded; sums are formed in
another order, so results differ from those of the plain layers in the last bits.
"""

import torch
from torch import Tensor, nn

from foldctx.models.network import Network

_ROWS = 256  # what the layout is made for; it serves fewer and more
_STEPS = 8  # row counts between a power of two and the next
_LEAST = 16


class PackedLinear(nn.Module):
    """A linear layer in oneDNN's layout, for inference.

    A copy (`copy.deepcopy`) is an ordinary layer again, whose weights can be changed.
    """

    def __init__(self, plain: nn.Linear) -> None:
        """Take over the layer's weights; the plain layer may go."""
        super().__init__()
        self.in_features, self.out_features = plain.in_features, plain.out_features
        self.bias = plain.bias
        packed = torch.ops.mkldnn._reorder_linear_weight(plain.weight.detach(), _ROWS)
        self.weight = nn.Parameter(packed, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n, in) to rows (n, out)."""
        # oneDNN keeps code and working memory for every row count that it has met, up to a gigabyte.
        rows = x.shape[0]
        if more := rows_for(rows) - rows:
            x = nn.functional.pad(x, (0, 0, 0, more))
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return out[:rows]

    def __deepcopy__(self, memo: dict[int, object]) -> nn.Linear:
        with torch.device("meta"):
            plain = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None)
        plain.weight = nn.Parameter(self.weight.detach().to_dense(), requires_grad=False)
        if self.bias is not None:
            plain.bias = nn.Parameter(self.bias.detach().clone(), requires_grad=False)
        return plain


def rows_for(rows: int) -> int:
    """The rows that so many are computed with: few different counts, at most an eighth more."""
    step = max(_LEAST, (1 << (rows - 1).bit_length()) // (2 * _STEPS))
    return -(-rows // step) * step


def can_pack() -> bool:
    """Whether this torch was built with oneDNN and has the operators."""
    names = ("_reorder_linear_weight", "_linear_pointwise")
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return built and all(hasattr(torch.ops.mkldnn, name) for name in names)


class Packer:
    """Replaces linear layers that compute in float32 on the CPU as soon as they have their weight.

    One at a time, so that a network is not in memory twice. Those that the network reads in parts
    stay as they are, and so does everything where torch cannot pack.
    """

    def __init__(self, network: Network) -> None:
        self._left = {
            id(child): (module, name)
            for module in network.modules()
            for name, child in module.named_children()
            if type(child) is nn.Linear and name not in network.read_in_parts and can_pack()
        }

    def __call__(self, module: nn.Module) -> None:
        """See the class; a module that is not wanted, or has no weight yet, stays as it is."""
        if id(module) in self._left and isinstance(module, nn.Linear) and _serves(module):
            parent, name = self._left.pop(id(module))
            setattr(parent, name, PackedLinear(module))


def pack(network: Network) -> None:
    """Replace the linear layers of a network that has its weights."""
    packer = Packer(network)
    for module in list(network.modules()):
        packer(module)


def _serves(layer: nn.Linear) -> bool:
    weight = layer.weight
    plain = type(weight) is nn.Parameter  # a quantised one says that it is float32
    return plain and weight.device.type == "cpu" and weight.dtype == torch.float32
