"""Where a model's weights lie, and in which type it computes: names, checked before torch is there."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from foldctx.errors import UsageError

DTYPES = ("auto", "float32", "bfloat16", "float16")
QUANTIZE = ("int8",)
DISK = "disk"
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_PLACE = re.compile(r"cpu|disk|cuda:\d+")
_HOLDER = re.compile(r"cpu|cuda:\d+")
_SIZE = re.compile(r"\d+(\.\d+)?\s*([KMGT]i?B)", re.IGNORECASE)


class PlacementOptions(TypedDict, total=False):
    """The fields of `Placement` as keyword arguments."""

    device: str
    dtype: str
    quantize: str | None
    device_map: str | Mapping[str, str] | None
    max_memory: Mapping[str, str] | None
    offload_folder: str | Path | None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where weights lie and in which form they are used.

    `device` is "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N". `dtype` is the type
    computed in, whatever the files hold: "auto" is float32 on the CPU and bfloat16 on CUDA.
    `quantize` "int8" keeps the layers' linear maps in 8 bits. `device_map` spreads the model over
    devices and disk in place of `device`: "auto" by what there is room for, or the device of each
    module ("cpu", "disk", "cuda:N"), as a mapping or a JSON file of one. `max_memory` limits what
    "auto" may use of each device ("8GiB"); `offload_folder` takes what the files of the model do
    not hold in the form that is read, for as long as the model is loaded.
    Raises UsageError for names that are none, and for options that exclude each other.
    """

    device: str = "auto"
    dtype: str = "auto"
    quantize: str | None = None
    device_map: str | Mapping[str, str] | None = None
    max_memory: Mapping[str, str] | None = None
    offload_folder: str | Path | None = None

    def __post_init__(self) -> None:
        if _DEVICE.fullmatch(self.device) is None:
            raise UsageError(f"device={self.device!r}: choose from auto, cpu, cuda, cuda:N")
        if self.dtype not in DTYPES:
            raise UsageError(f"dtype={self.dtype!r}: choose from {', '.join(DTYPES)}")
        if self.quantize is not None and self.quantize not in QUANTIZE:
            raise UsageError(f"quantize={self.quantize!r}: choose from {', '.join(QUANTIZE)}")
        if self.device_map is None:
            self._check_alone()
        else:
            self._check_spread()

    def _check_alone(self) -> None:
        for name in ("max_memory", "offload_folder"):
            if getattr(self, name) is not None:
                raise UsageError(f"{name} has no meaning without device_map; add device_map")

    def _check_spread(self) -> None:
        if self.device != "auto":
            raise UsageError(f"device={self.device!r} and device_map exclude each other; give one")
        if self.quantize is not None:
            raise UsageError("quantize and device_map exclude each other; give one of them")
        if isinstance(self.device_map, Mapping):
            check_map(self.device_map)
        if self.max_memory is None:
            return
        if self.device_map != "auto":
            raise UsageError("max_memory has a meaning for device_map='auto' alone; leave it out")
        for device, size in self.max_memory.items():
            if _HOLDER.fullmatch(device) is None:
                raise UsageError(f"max_memory names {device!r}; it takes cpu and cuda:N")
            if _SIZE.fullmatch(size) is None:
                raise UsageError(f"max_memory of {device} is {size!r}; give a size such as 8GiB")

    def modules(self) -> Mapping[str, str] | None:
        """The device of each module, or None for "auto".

        Raises UsageError for a file that cannot be read or names what is no device.
        """
        if self.device_map == "auto" or self.device_map is None:
            return None
        if isinstance(self.device_map, Mapping):
            return self.device_map
        try:
            found = json.loads(Path(self.device_map).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"device_map={self.device_map!r}: give auto or a JSON file such as "
                f'{{"": "cpu", "blocks.0": "disk"}} ({error})'
            ) from None
        if not isinstance(found, dict) or not found:
            raise UsageError(f"{self.device_map}: a device map is a JSON object and not empty")
        check_map(found)
        return found


def check_map(devices: Mapping[str, object]) -> None:
    """Refuse what is no device; UsageError names the module."""
    for module, device in devices.items():
        if not isinstance(device, str) or _PLACE.fullmatch(device) is None:
            raise UsageError(
                f"device_map places {module or 'the whole model'!r} on {device!r}; choose from cpu, "
                "disk, cuda:N"
            )


def parse_max_memory(text: str) -> dict[str, str]:
    """`cpu=8GiB,cuda:0=20GiB` as a mapping. Raises UsageError for another form."""
    pairs = [part.partition("=") for part in text.split(",")]
    if any(not (device and equals and size) for device, equals, size in pairs):
        raise UsageError(f"max-memory {text!r}: give it as cpu=8GiB,cuda:0=20GiB")
    return {device.strip(): size.strip() for device, _, size in pairs}
