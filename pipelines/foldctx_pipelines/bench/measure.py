"""Clocks, memory and the machine."""

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch

import foldctx

_STATUS, _REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Seconds:
    """What something took, on the wall and on this process's CPUs."""

    wall: float
    cpu: float

    def deciding(self, device: torch.device) -> float:
        """The one that ratios are taken from: a shared CPU is throttled, a GPU does not count."""
        return self.cpu if device.type == "cpu" else self.wall


class Watch:
    """Times a stretch, the device's queue included."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._wait()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def seconds(self) -> Seconds:
        """Since the watch was made."""
        self._wait()
        return Seconds(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def timed(action: Callable[[], object], device: torch.device) -> Seconds:
    """What an action takes."""
    watch = Watch(device)
    action()
    return watch.seconds()


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of some runs."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(median(values), min(values), max(values))

    def to_dict(self) -> dict[str, float]:
        """Rounded to six significant digits."""
        values = {"median": self.median, "min": self.least, "max": self.most}
        return {name: float(f"{value:.6g}") for name, value in values.items()}


class PeakMemory:
    """The most memory held since `begin`: of the GPU, or resident where the system can say.

    Linux alone lets a process forget its peak; elsewhere there is no number.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._known = device.type == "cuda"

    def begin(self) -> None:
        """Forget what was held before."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return
        try:
            _REFS.write_text("5")  # proc(5): resets the peak resident size
            self._known = True
        except OSError:
            self._known = False

    def bytes(self) -> int | None:
        """The peak; None where the system does not say."""
        if not self._known:
            return None
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return None


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads for torch's operators, for a while; None changes nothing."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine(device: torch.device) -> Mapping[str, Any]:
    """What a number was measured on."""
    on_gpu = device.type == "cuda"
    return {
        "device": str(device),
        "name": torch.cuda.get_device_name(device) if on_gpu else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": version("torch"),
        "python": platform.python_version(),
        "foldctx": foldctx.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
