"""Loading a model: its name to something that predicts.

Importing this module does not import torch: bad input is refused before that second is spent.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldctx.errors import UsageError
from foldctx.models.checkpoint import Checkpoint, read_checkpoint
from foldctx.models.info import ModelInfo
from foldctx.models.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from foldctx.models.forward import Feed
    from foldctx.models.network import Network

DTYPES = ("auto", "float32", "bfloat16", "float16")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A loaded model; `predict` makes it the decoder's predictor.

    `prompts_source` is its template file, `calibration` what its folder's foldctx.json says (empty
    without one): `skip_threshold`, `abstain_threshold`, `memory_tokens` and whatever else is there.
    """

    info: ModelInfo
    transformer: "Network"
    tokenizer: Tokenizer
    prompts_source: Path
    calibration: Mapping[str, Any]
    device: "torch.device"
    dtype: "torch.dtype"

    def predict(self, feeds: "Sequence[Feed]") -> "list[Tensor]":
        """Logits (m, V) of each feed's m wanted rows, on the model's device. Feeds may be anywhere."""
        from foldctx.models.forward import forward
        from foldctx.models.shift import aligned

        asked = map(aligned, feeds) if self.info.logit_shift else feeds
        return forward(self.transformer, [self._here(feed) for feed in asked])

    def _here(self, feed: "Feed") -> "Feed":
        moved = {
            item.name: value.to(self.device)
            for item in fields(feed)
            if (value := getattr(feed, item.name)) is not None and item.name != "cache"
        }
        return replace(feed, **moved)


def load_model(
    name: str | Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    window: int | None = None,
    rope_scale_to: int | None = None,
    packed: bool = False,
) -> Model:
    """Load "embedded", a model folder or a hub model `owner/name`.

    `device` is "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N"; the whole model goes to
    one device. `dtype` is the type computed in, whatever the files hold: "auto" is float32 on the
    CPU and bfloat16 on CUDA. `revision` is a hub commit, tag or branch; `window` lowers the window
    and `rope_scale_to` raises it by a larger rotary base. `packed` lays float32 weights on the CPU
    out for speed; such a network serves for inference alone, and rounds differently.
    Raises UsageError for an argument that cannot be used and ModelError for a model that cannot.
    """
    check_placement(device, dtype)
    return load_checkpoint(
        read_checkpoint(name, revision=revision, window=window, rope_scale_to=rope_scale_to),
        device=device,
        dtype=dtype,
        packed=packed,
    )


def check_placement(device: str, dtype: str) -> None:
    """Refuse a name that is no device or no type; UsageError lists what there is."""
    if _DEVICE.fullmatch(device) is None:
        raise UsageError(f"device={device!r}: choose from auto, cpu, cuda, cuda:N")
    if dtype not in DTYPES:
        raise UsageError(f"dtype={dtype!r}: choose from {', '.join(DTYPES)}")


def load_checkpoint(
    checkpoint: Checkpoint, *, device: str = "auto", dtype: str = "auto", packed: bool = False
) -> Model:
    """Load the tensors of a checkpoint; the options are those of `load_model`."""
    from foldctx.models.build import build, choose_device, choose_dtype

    where = choose_device(device)
    kind = choose_dtype(dtype, where)
    network = build(checkpoint, where, kind)
    if packed:
        from foldctx.models.packing import pack

        pack(network)
    return Model(
        info=checkpoint.info,
        transformer=network,
        tokenizer=checkpoint.tokenizer,
        prompts_source=checkpoint.prompts_source,
        calibration=checkpoint.calibration,
        device=where,
        dtype=kind,
    )
