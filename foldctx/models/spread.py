"""A model over several devices and the disk, by accelerate.

Weights on disk are read from the model's own safetensors when a layer is called, and let go after
it. A layer is never divided: it is called as a whole, and what it is called with follows it.
"""

import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import nn

from foldctx.errors import OutputError, UsageError
from foldctx.models.build import (
    choose_device,
    choose_dtype,
    fill,
    kept_type,
    place,
    stored_tensors,
)
from foldctx.models.checkpoint import Checkpoint
from foldctx.models.network import Network, Stack
from foldctx.models.placement import DISK, Placement
from foldctx.models.quiet import quiet

_META = torch.device("meta")


def spread(
    network: Network, checkpoint: Checkpoint, placement: Placement
) -> tuple[torch.device, torch.dtype, tuple[str, ...]]:
    """Give a network without weights its own; where feeds go, the type computed in, what holds them.

    The first CUDA device of the map computes what the CPU and the disk hold; without one the CPU
    does. Raises UsageError for a map that does not fit the network, naming the module and the way
    out, and ModelError for weights that cannot be read.
    """
    asked = placement.modules()
    usable = _usable(placement) if asked is None else list(asked.values())
    main = _main(usable)
    dtype = choose_dtype(placement.dtype, main)
    devices = _automatic(network, placement, dtype) if asked is None else asked
    _check(network, devices)
    devices = _units(network, devices)
    offloaded = {DISK} if main.type == "cpu" else {DISK, "cpu"}
    names = {name: _device_of(name, devices) for name, _ in network.named_parameters()}
    _check_tied(network, names, offloaded)
    stacks = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, Stack) and _device_of(name, devices) == DISK
    }
    index = _stack_files(checkpoint, network, stacks, placement.offload_folder, dtype)
    for name, device in names.items():
        if device == DISK and name not in index:
            index[name] = _place_on_disk(checkpoint, name, kept_type(network, name, dtype))

    def where(name: str) -> torch.device | None:
        if any(name.startswith(f"{stack}.") for stack in stacks):
            return None
        device = _device_of(name, devices)
        return _META if device == DISK else torch.device(device)

    fill(network, checkpoint, where, dtype)
    _dispatch(network, devices, main, index, names)
    return main, dtype, tuple(dict.fromkeys(devices.values()))


def _usable(placement: Placement) -> list[str]:
    """What an automatic map may use."""
    if placement.max_memory is not None:
        return list(placement.max_memory)
    return ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]


def _main(names: Iterable[str]) -> torch.device:
    """The device that feeds go to: the first CUDA device of these, else the CPU."""
    numbers = [int(name.removeprefix("cuda:")) for name in names if name.startswith("cuda:")]
    return choose_device(f"cuda:{min(numbers)}" if numbers else "cpu")


def _automatic(network: Network, placement: Placement, dtype: torch.dtype) -> dict[str, str]:
    """Accelerate's map for what there is room for, or for what may be used."""
    from accelerate import infer_auto_device_map

    limits: dict[int | str, str] | None = None
    if placement.max_memory is not None:
        for device in placement.max_memory:
            choose_device(device)
        limits = {_number(device): size for device, size in placement.max_memory.items()}
    with quiet("accelerate"):
        found = infer_auto_device_map(
            network, max_memory=limits, no_split_module_classes=_layer_classes(network), dtype=dtype
        )
    return {name: f"cuda:{at}" if isinstance(at, int) else str(at) for name, at in found.items()}


def _number(device: str) -> int | str:
    return int(device.removeprefix("cuda:")) if device.startswith("cuda:") else device


def _layer_classes(network: Network) -> list[str]:
    return sorted({type(layer).__name__ for layer in network.layers})


def _device_of(name: str, devices: Mapping[str, str]) -> str:
    """The device of the longest module name that holds a parameter."""
    parts = name.split(".")
    held = (".".join(parts[:end]) for end in range(len(parts), -1, -1))
    return next((devices[module] for module in held if module in devices), "")


def _check(network: Network, devices: Mapping[str, str]) -> None:
    modules = dict(network.named_modules())
    for name, device in devices.items():
        if name not in modules:
            known = ", ".join(name for name, _ in network.named_children())
            raise UsageError(
                f"device_map names {name!r}, which this model does not have; its parts are {known}"
            )
        if device != DISK:
            choose_device(device)
    for name, _ in network.named_parameters():
        if not _device_of(name, devices):
            raise UsageError(
                f"device_map places no module that holds {name}; add "
                f'{name.rpartition(".")[0]!r}, or "" for all that is not named'
            )


def _units(network: Network, devices: Mapping[str, str]) -> dict[str, str]:
    """The device of each layer, and of each module with weights that lies outside of them."""
    layers = {id(layer) for layer in network.layers}
    units: dict[str, str] = {}
    for name, module in network.named_modules():
        if id(module) in layers:
            inside = {_device_of(f"{name}.{own}", devices) for own, _ in module.named_parameters()}
            if len(inside) > 1:
                raise UsageError(
                    f"device_map divides the layer {name} over {', '.join(sorted(inside))}; a layer "
                    "goes to one device as a whole"
                )
            units[name] = inside.pop()
        elif not any(name.startswith(f"{unit}.") for unit in units):
            for own, _ in module.named_parameters(recurse=False):
                units[name] = _device_of(f"{name}.{own}", devices)
    return units


def _check_tied(network: Network, names: Mapping[str, str], offloaded: set[str]) -> None:
    """An embedding that is the head too is read without being called."""
    if not network.dims.tied:
        return
    embedding = next(m for m in network.modules() if isinstance(m, nn.Embedding))
    name = next(name for name, weight in network.named_parameters() if weight is embedding.weight)
    if names[name] in offloaded:
        raise UsageError(
            f"device_map places {name} on {names[name]}, but it is the head as well and must stay "
            "where it is computed with; place it on a device, or give max_memory room for it"
        )


def _place_on_disk(checkpoint: Checkpoint, name: str, dtype: torch.dtype) -> dict[str, str]:
    """Where accelerate finds a parameter: in the model's own file."""
    stored = checkpoint.family.weight_prefix + name
    return {
        "safetensors_file": str(checkpoint.weights.tensors[stored].file),
        "weight_name": stored,
        "dtype": str(dtype).removeprefix("torch."),
    }


def _stack_files(
    checkpoint: Checkpoint,
    network: Network,
    stacks: Mapping[str, Stack],
    folder: str | Path | None,
    dtype: torch.dtype,
) -> dict[str, dict[str, str]]:
    """Write stacks that go to disk as they are read, one at a time; where accelerate finds them.

    The files go with the network.
    """
    if not stacks:
        return {}
    if folder is None:
        raise UsageError(
            f"device_map places {next(iter(stacks))} on disk, and the model's files hold its "
            "experts one by one; name an offload_folder for them"
        )
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        files = TemporaryDirectory(prefix="foldctx-", dir=folder)
    except OSError as error:
        raise OutputError(f"offload_folder {folder}: {error.strerror or error}") from None
    weakref.finalize(network, files.cleanup)
    index, prefix = {}, checkpoint.family.weight_prefix
    for number, (name, stack) in enumerate(stacks.items()):
        path = Path(files.name) / f"{number:05d}.safetensors"
        for stored, tensor in stored_tensors(checkpoint, f"{prefix}{name}."):
            place(network, stored.removeprefix(prefix), tensor.to(dtype=dtype))
        try:
            save_file(dict(stack.named_parameters()), path)
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror or error}") from None
        for own, weight in list(stack.named_parameters()):
            entry = {"safetensors_file": str(path), "weight_name": own}
            index[f"{name}.{own}"] = {**entry, "dtype": str(dtype).removeprefix("torch.")}
            setattr(stack, own, nn.Parameter(weight.to("meta"), requires_grad=False))
    return index


def _dispatch(
    network: Network,
    devices: dict[str, str],
    main: torch.device,
    index: dict[str, dict[str, str]],
    names: Mapping[str, str],
) -> None:
    """Hang accelerate's hooks on the modules."""
    from accelerate import dispatch_model

    held = None
    if main.type != "cpu":
        held = {n: p.data for n, p in network.named_parameters() if names[n] == "cpu"} or None
    with quiet("accelerate"):
        dispatch_model(
            network,
            devices,
            main_device=str(main),
            state_dict=held,
            offload_index=index or None,
            preload_module_classes=_layer_classes(network),
        )
