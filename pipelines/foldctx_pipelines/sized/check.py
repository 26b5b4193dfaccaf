"""Load a checkpoint by the real path, read one feed, and hold its first layers against float32."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from foldctx.errors import UsageError
from foldctx.models.checkpoint import Checkpoint, read_checkpoint
from foldctx.models.forward import Feed
from foldctx.models.load import load_checkpoint
from foldctx_pipelines.first_layers import rows_after
from foldctx_pipelines.runs import peak_memory

TOLERANCES: Mapping[str, float] = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 2e-2}
"""How far a row may lie from the float32 one, as a share of its length.

A number of 16 bits is rounded by up to 2**-9 (bfloat16) or 2**-12 (float16) of itself, and a row
is rounded about ten times on its way through a layer.
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What was read, how it compares, and what it took.

    `errors` are, for each of the first layers, the largest error of a row's residual stream
    (length of the difference over length) against float32. `peak_memory` is that of the process,
    in bytes, the float32 layers included.
    """

    parameters: int
    dtype: str
    tokens: int
    errors: tuple[float, ...]
    tolerance: float
    finite: bool
    load_seconds: float
    read_seconds: float
    peak_memory: int | None

    @property
    def ok(self) -> bool:
        """Whether every row is near enough and every logit a number."""
        return self.finite and max(self.errors) <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "ok": self.ok}


def check_checkpoint(
    folder: str, *, dtype: str = "bfloat16", layers: int = 2, tokens: int = 256, seed: int = 0
) -> Report:
    """Read random tokens on the CPU, the first `layers` of it in float32 too.

    Raises UsageError for more layers or tokens than the model has, and ModelError for a folder
    that cannot be loaded.
    """
    checkpoint = read_checkpoint(folder)
    if dtype not in TOLERANCES:
        raise UsageError(f"dtype={dtype!r}: choose from {', '.join(TOLERANCES)}")
    if not 1 <= layers <= checkpoint.dims.layers:
        raise UsageError(f"layers={layers}: the model has {checkpoint.dims.layers}")
    if not 1 <= tokens <= checkpoint.info.window:
        raise UsageError(f"tokens={tokens}: the window has {checkpoint.info.window}")
    drawn = torch.Generator().manual_seed(seed)
    ids = torch.randint(checkpoint.info.vocab_size, (tokens,), generator=drawn)
    feed = Feed(ids, torch.arange(tokens), torch.arange(tokens))
    depths = range(1, layers + 1)
    short = load_checkpoint(first_layers(checkpoint, layers), device="cpu", dtype="float32")
    wanted = [rows_after(short.transformer, [feed], depth)[0] for depth in depths]
    del short  # the whole is loaded without it
    began = time.monotonic()
    model = load_checkpoint(checkpoint, device="cpu", dtype=dtype, packed=True)
    loaded = time.monotonic()
    (logits,) = model.predict([feed])
    read = time.monotonic()
    found = [rows_after(model.transformer, [feed], depth)[0] for depth in depths]
    return Report(
        parameters=model.info.parameters,
        dtype=dtype,
        tokens=tokens,
        errors=tuple(_worst(own, row) for own, row in zip(found, wanted, strict=True)),
        tolerance=TOLERANCES[dtype],
        finite=bool(logits.isfinite().all()),
        load_seconds=loaded - began,
        read_seconds=read - loaded,
        peak_memory=peak_memory(),
    )


def first_layers(checkpoint: Checkpoint, count: int) -> Checkpoint:
    """The same checkpoint as if it had ended after `count` layers."""
    family, dims = checkpoint.family, replace(checkpoint.dims, layers=count)
    with torch.device("meta"):
        names = {family.weight_prefix + name for name in family.network(dims).state_dict()}
    tensors = {name: t for name, t in checkpoint.weights.tensors.items() if name in names}
    return replace(checkpoint, dims=dims, weights=replace(checkpoint.weights, tensors=tensors))


def _worst(found: Tensor, wanted: Tensor) -> float:
    return float(((found.float() - wanted).norm(dim=-1) / wanted.norm(dim=-1)).max())
