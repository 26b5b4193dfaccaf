"""Models of named sizes with random weights, made on the fly: speed needs no training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from foldctx.errors import UsageError
from foldctx.models.dims import Dims

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from foldctx.models.load import Model
    from foldctx.models.network import Network

_WINDOW = 4096  # as LLaDA was trained

# LLaDA's architecture; 8b has the sizes of LLaDA-8B (arXiv 2502.09992, appendix B.2).
SHAPES: Mapping[str, Dims] = {
    "30m": Dims(width=512, layers=8, heads=8, kv_heads=8, mlp=1408, embeddings=8192),
    "110m": Dims(width=768, layers=12, heads=12, kv_heads=12, mlp=2048, embeddings=16384),
    "1b": Dims(width=2048, layers=16, heads=16, kv_heads=16, mlp=5632, embeddings=32768),
    "8b": Dims(width=4096, layers=32, heads=32, kv_heads=32, mlp=12288, embeddings=126464),
}


@dataclass(frozen=True, slots=True)
class Where:
    """Where a model runs and in which type, by the names that `load_model` takes.

    `seed` is that of the weights; `packed` as in `load_model`.
    """

    device: str = "auto"
    dtype: str = "auto"
    seed: int = 0
    packed: bool = True


def shape_dims(name: str) -> Dims:
    """The sizes of a named shape. Raises UsageError for an unknown name."""
    if name not in SHAPES:
        raise UsageError(f"shape {name!r}: choose from {', '.join(SHAPES)}")
    return SHAPES[name]


def random_model(name: str, dims: Dims, where: Where, *, window: int = _WINDOW) -> "Model":
    """A model of these sizes with random weights, and the embedded reader's tokenizer and prompts.

    The weights keep the residual stream at its scale, so that no number overflows; what it says
    means nothing. Nothing is downloaded.
    """
    from foldctx.folding.prompts import TEMPLATES
    from foldctx.models.build import choose_device, choose_dtype
    from foldctx.models.checkpoint import EMBEDDED, locate
    from foldctx.models.info import ModelInfo
    from foldctx.models.load import Model
    from foldctx.models.packing import pack
    from foldctx.models.tokenizer import Tokenizer

    tokenizer = Tokenizer(locate(EMBEDDED)[0])
    if dims.embeddings < tokenizer.vocab_size:
        dims = replace(dims, embeddings=tokenizer.vocab_size)
    device = choose_device(where.device)
    dtype = choose_dtype(where.dtype, device)
    network = _network(dims, device, dtype, where.seed)
    parameters = sum(weight.numel() for weight in network.parameters())
    if where.packed:
        pack(network)
    info = ModelInfo(
        name=f"random {name}",
        family="llada",
        window=window,
        vocab_size=dims.embeddings,
        mask_id=tokenizer.token_id("<|mdm_mask|>"),
        eos_id=tokenizer.token_id("<|endoftext|>"),
        eot_id=tokenizer.find("<|eot_id|>"),
        layers=dims.layers,
        width=dims.width,
        heads=dims.heads,
        parameters=parameters,
    )
    return Model(info, network, tokenizer, TEMPLATES / "reader.toml", {}, device, dtype)


def _network(dims: Dims, device: "torch.device", dtype: "torch.dtype", seed: int) -> "Network":
    import torch

    from foldctx.models.architecture import Transformer
    from foldctx.models.build import place

    with torch.device("meta"):
        network = Transformer(dims)
    generator = torch.Generator(device).manual_seed(seed)
    for weight_name, weight in list(network.named_parameters()):
        place(network, weight_name, random_tensor(tuple(weight.shape), dtype, generator))
    return network.eval()


def random_tensor(
    shape: tuple[int, ...], dtype: "torch.dtype", generator: "torch.Generator"
) -> "Tensor":
    """A weight that keeps its input's scale, on the generator's device; norms are ones."""
    import torch

    tensor = torch.ones(shape, dtype=dtype, device=generator.device)
    return tensor.normal_(0, shape[1] ** -0.5, generator=generator) if len(shape) > 1 else tensor
