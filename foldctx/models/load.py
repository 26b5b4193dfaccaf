"""Loading a model: its name to something that predicts.

Importing this module does not import torch: bad input is refused before that second is spent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from foldctx.models.checkpoint import Checkpoint, read_checkpoint
from foldctx.models.info import ModelInfo
from foldctx.models.placement import Placement, PlacementOptions
from foldctx.models.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from foldctx.models.forward import Feed
    from foldctx.models.network import Network


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A loaded model; `predict` makes it the decoder's predictor.

    `prompts_source` is its template file, `calibration` what its folder's foldctx.json says (empty
    without one): `skip_threshold`, `abstain_threshold`, `memory_tokens` and whatever else is there.
    `spread` names what holds the weights where that is not `device` alone.
    """

    info: ModelInfo
    transformer: "Network"
    tokenizer: Tokenizer
    prompts_source: Path
    calibration: Mapping[str, Any]
    device: "torch.device"
    dtype: "torch.dtype"
    quantize: str | None = None
    spread: tuple[str, ...] = ()

    def predict(self, feeds: "Sequence[Feed]") -> "list[Tensor]":
        """Logits (m, V) of each feed's m wanted rows, on the model's device. Feeds may be anywhere."""
        from foldctx.models.forward import forward
        from foldctx.models.shift import aligned

        asked = map(aligned, feeds) if self.info.logit_shift else feeds
        found = forward(self.transformer, [feed.to(self.device) for feed in asked])
        return [logits.to(self.device) for logits in found]


def load_model(
    name: str | Path,
    *,
    revision: str | None = None,
    window: int | None = None,
    rope_scale_to: int | None = None,
    packed: bool = False,
    **where: Unpack[PlacementOptions],
) -> Model:
    """Load "embedded", a model folder or a hub model `owner/name`.

    `revision` is a hub commit, tag or branch; `window` lowers the window and `rope_scale_to` raises
    it by a larger rotary base. `packed` lays float32 weights on the CPU out for speed (see
    `packing.pack`); such a network serves for inference alone, and rounds differently. `where` are
    the fields of `Placement`: `device`, `dtype`, `quantize`, `device_map`, `max_memory`,
    `offload_folder`.
    Raises UsageError for an argument that cannot be used and ModelError for a model that cannot.
    """
    placement = Placement(**where)
    checkpoint = read_checkpoint(
        name, revision=revision, window=window, rope_scale_to=rope_scale_to
    )
    return load_checkpoint(checkpoint, packed=packed, placement=placement)


def load_checkpoint(
    checkpoint: Checkpoint,
    *,
    packed: bool = False,
    placement: Placement | None = None,
    **where: Unpack[PlacementOptions],
) -> Model:
    """Load the tensors of a checkpoint; the options are those of `load_model`.

    A `placement` may be given in place of its fields.
    """
    from foldctx.models.build import outline

    chosen, network = placement or Placement(**where), outline(checkpoint)
    if chosen.device_map is None:
        device, dtype = _fill(network, checkpoint, chosen, packed=packed)
        holders: tuple[str, ...] = ()
    else:
        from foldctx.models.spread import spread

        device, dtype, holders = spread(network, checkpoint, chosen)
    return Model(
        info=checkpoint.info,
        transformer=network,
        tokenizer=checkpoint.tokenizer,
        prompts_source=checkpoint.prompts_source,
        calibration=checkpoint.calibration,
        device=device,
        dtype=dtype,
        quantize=chosen.quantize,
        spread=holders,
    )


def _fill(
    network: "Network", checkpoint: Checkpoint, placement: Placement, *, packed: bool
) -> "tuple[torch.device, torch.dtype]":
    """All weights on one device; it, and the type computed in."""
    from foldctx.models.build import choose_device, choose_dtype, fill

    device = choose_device(placement.device)
    dtype = choose_dtype(placement.dtype, device)
    changes: list[Callable[[nn.Module], None]] = []
    if placement.quantize is not None:
        from foldctx.models.quantize import Quantizer

        changes.append(Quantizer(network))
    if packed:
        from foldctx.models.packing import Packer

        changes.append(Packer(network))

    def placed(module: "nn.Module") -> None:
        for change in changes:
            change(module)

    fill(network, checkpoint, lambda name: device, dtype, placed)
    return device, dtype
