"""Weight-only int8 by torchao: what a layer's linear maps hold, not what is computed in."""

from typing import Any

from torch import nn

from foldctx.errors import UsageError
from foldctx.models.network import Network, Stack
from foldctx.models.quiet import quiet


class Quantizer:
    """Turns linear layers to int8 as soon as they have their weight, one at a time.

    It takes those inside the network's layers: 8 bits a weight and one scale for each output.
    Embedding, norms and head stay as they are, and so do linear layers that are read in parts.
    Raises UsageError where torchao is missing, or where the network keeps its weights in stacks of
    experts, for which torchao has no weight-only form.
    """

    def __init__(self, network: Network) -> None:
        if any(isinstance(module, Stack) for module in network.modules()):
            raise UsageError(
                "quantize='int8': most weights of this model are stacked experts, and torchao "
                "quantises linear layers alone; use dtype bfloat16 or a device map"
            )
        self._quantize, self._config = _torchao()
        self._left = {
            id(module)
            for layer in network.layers
            for name, module in layer.named_modules()
            if type(module) is nn.Linear and name.split(".")[-1] not in network.read_in_parts
        }

    def __call__(self, module: nn.Module) -> None:
        """See the class; a module that is not wanted, or has no weight yet, stays as it is."""
        if id(module) in self._left and isinstance(module, nn.Linear) and not module.weight.is_meta:
            self._left.remove(id(module))
            self._quantize(module, self._config)
            module.requires_grad_(False)


def _torchao() -> tuple[Any, Any]:
    """Its function and what to ask of it. Raises UsageError when it is not installed."""
    # It says which of its GPU kernels do not fit this torch; none of them is used here.
    with quiet("torchao", "torch.utils._pytree"):
        try:
            from torchao.quantization import Int8WeightOnlyConfig, quantize_
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "torchao":
                raise
            raise UsageError(
                "quantize='int8' needs torchao, which is not installed; "
                "pip install 'foldctx[quantize]'"
            ) from None
        return quantize_, Int8WeightOnlyConfig()
