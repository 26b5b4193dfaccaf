"""Stored tensors into modules, one at a time, so that a model is never in memory twice."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from foldctx.errors import ModelError, UsageError
from foldctx.models.checkpoint import Checkpoint
from foldctx.models.network import Network, Stack
from foldctx.models.weights import Stored

_STORED_TYPES = ("F64", "F32", "F16", "BF16")
_INITIALISERS = ("kaiming_uniform_", "uniform_", "normal_")


def choose_device(name: str) -> torch.device:
    """The device of "auto", "cpu", "cuda" or "cuda:N". UsageError when the machine has it not."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    found = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= found:
        raise UsageError(f"device={name!r}: torch finds {found} CUDA devices; use 'cpu' or 'auto'")
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The type to compute in; "auto" is bfloat16 on CUDA and float32 elsewhere."""
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    chosen: torch.dtype = getattr(torch, name)
    return chosen


def outline(checkpoint: Checkpoint) -> Network:
    """The network without its weights (on the meta device), held against the stored tensors.

    Raises ModelError naming the first tensors that are missing, unexpected, of another shape or of
    a type that is not a float of 16 bits or more.
    """
    with torch.device("meta"), _NoInitialisation():
        model = checkpoint.family.network(checkpoint.dims)
    prefix, stored = checkpoint.family.weight_prefix, checkpoint.weights.tensors
    expected = {prefix + name: tuple(p.shape) for name, p in model.state_dict().items()}
    _check(checkpoint, expected, stored)
    return model.eval()


def fill(
    model: Network,
    checkpoint: Checkpoint,
    device_of: Callable[[str], torch.device | None],
    dtype: torch.dtype,
    placed: Callable[[nn.Module], None] = lambda module: None,
) -> None:
    """Give each tensor its place on its device, one at a time; None leaves it out.

    On the meta device a tensor keeps its shape and type and has no storage. A tensor that has the
    device and type already stays a view of the mapped file. `placed` is called with the module that
    has got one. Raises ModelError for a file that cannot be read.
    """
    prefix = checkpoint.family.weight_prefix
    for stored, tensor in stored_tensors(checkpoint):
        name = stored.removeprefix(prefix)
        device = device_of(name)
        if device is not None:
            kind = kept_type(model, name, dtype)
            placed(place(model, name, tensor.to(device=device, dtype=kind)))


def stored_tensors(checkpoint: Checkpoint, start: str = "") -> Iterator[tuple[str, Tensor]]:
    """Views of the mapped files: the tensors whose stored names begin with `start`.

    Each has a mapping of its own, which goes with it: what was read of a file for a tensor that is
    not kept (another type, another layout) would stay in memory as long as any view of the file.
    Raises ModelError for a file that cannot be read.
    """
    for name, stored in checkpoint.weights.tensors.items():
        if not name.startswith(start):
            continue
        try:
            with safe_open(stored.file, framework="pt") as handle:
                tensor = handle.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{stored.file}: cannot be read ({error}); download it again"
            ) from None
        yield name, tensor


def kept_type(model: Network, name: str, dtype: torch.dtype) -> torch.dtype:
    """The type of a parameter in a network that computes in `dtype`."""
    return torch.promote_types(dtype, torch.float32) if name.endswith(model.precise) else dtype


def place(model: Network, name: str, tensor: Tensor) -> nn.Module:
    """Make a stored tensor a parameter, or a part of one where a module keeps several as one.

    Returns the module that has it now.
    """
    module: nn.Module = model
    parts = name.split(".")
    for depth, part in enumerate(parts[:-1]):
        if isinstance(module, Stack):
            module.put(".".join(parts[depth:]), tensor)
            return module
        module = module.get_submodule(part)
    setattr(module, parts[-1], nn.Parameter(tensor, requires_grad=False))
    return module


class _NoInitialisation(TorchFunctionMode):
    """Leaves new parameters as they are.

    They have no storage yet, and drawing random numbers for a meta tensor imports torch's compiler,
    more than a second of it.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in _INITIALISERS:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def _check(
    checkpoint: Checkpoint, expected: Mapping[str, tuple[int, ...]], stored: Mapping[str, Stored]
) -> None:
    problems = {
        "missing": [name for name in expected if name not in stored],
        "unexpected": [name for name in stored if name not in expected],
        "of another shape": [
            f"{name} {list(stored[name].shape)} instead of {list(shape)}"
            for name, shape in expected.items()
            if name in stored and stored[name].shape != shape
        ],
        "of an unreadable type": [
            f"{name} {tensor.dtype}"
            for name, tensor in stored.items()
            if tensor.dtype not in _STORED_TYPES
        ],
    }
    told = [
        f"{len(names)} tensors {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
        for what, names in problems.items()
        if names
    ]
    if told:
        raise ModelError(
            f"{checkpoint.folder}: the weights do not fit config.json and the "
            f"{checkpoint.family.name} architecture; {'; '.join(told)}"
        )
