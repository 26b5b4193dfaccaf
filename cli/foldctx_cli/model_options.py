"""Options that say which model, where its weights lie and in which form they are used.

Nothing here imports torch, so that help and wrong options stay quick.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx.models.placement import DTYPES, QUANTIZE, Placement, parse_max_memory

if TYPE_CHECKING:
    from foldctx.models.checkpoint import Checkpoint
    from foldctx.models.load import Model

MODEL = "Model"

ModelName = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="embedded, a folder, or owner/name on the hub.", rich_help_panel=MODEL
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(help="Commit, tag or branch of a hub model.", rich_help_panel=MODEL),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=MODEL)]
Dtype = Annotated[str, typer.Option(help=f"{', '.join(DTYPES)}.", rich_help_panel=MODEL)]
Quantize = Annotated[
    str | None,
    typer.Option(
        help=f"Weights of the layers in fewer bits: {', '.join(QUANTIZE)} (foldctx\\[quantize]).",
        rich_help_panel=MODEL,
    ),
]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        metavar="auto|FILE",
        help="Spread the model over devices and disk: by room, or as a JSON file says.",
        rich_help_panel=MODEL,
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="DEVICE=SIZE,...",
        help="What --device-map auto may use: cpu=8GiB,cuda:0=20GiB.",
        rich_help_panel=MODEL,
    ),
]
OffloadFolder = Annotated[
    Path | None,
    typer.Option(
        help="For experts on disk, which a model's files hold one by one.", rich_help_panel=MODEL
    ),
]
RopeScaleTo = Annotated[
    int | None,
    typer.Option(
        help="Raise the window to so many tokens by a larger rotary base (LLaDA).",
        rich_help_panel=MODEL,
    ),
]


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """Which model, where none of its weights is needed."""

    model: ModelName = "embedded"
    revision: Revision = None
    rope_scale_to: RopeScaleTo = None

    def read(self, window: int | None = None) -> "Checkpoint":
        """The checked checkpoint."""
        from foldctx.models.checkpoint import read_checkpoint

        return read_checkpoint(
            self.model, revision=self.revision, window=window, rope_scale_to=self.rope_scale_to
        )


@dataclass(frozen=True, slots=True)
class WhereOptions:
    """Where a model runs, and in which form its weights are used."""

    device: Device = "auto"
    dtype: Dtype = "auto"
    quantize: Quantize = None
    device_map: DeviceMap = None
    max_memory: MaxMemory = None
    offload_folder: OffloadFolder = None

    def placement(self) -> Placement:
        """The same, checked. Raises UsageError for what cannot be used."""
        limits = None if self.max_memory is None else parse_max_memory(self.max_memory)
        return Placement(
            device=self.device,
            dtype=self.dtype,
            quantize=self.quantize,
            device_map=self.device_map,
            max_memory=limits,
            offload_folder=self.offload_folder,
        )


@dataclass(frozen=True, slots=True)
class ModelOptions(WhereOptions):
    """Which model, and where it runs."""

    model: ModelName = "embedded"
    revision: Revision = None
    rope_scale_to: RopeScaleTo = None

    def load(self, window: int | None = None) -> "Model":
        """Load the model; what is wrong with the options is told before torch is imported."""
        placement = self.placement()

        from foldctx.models.load import load_checkpoint

        return load_checkpoint(self.read(window), packed=True, placement=placement)

    def read(self, window: int | None = None) -> "Checkpoint":
        """The same model without its tensors."""
        return CheckpointOptions(self.model, self.revision, self.rope_scale_to).read(window)

    @property
    def numbers(self) -> dict[str, Any]:
        """What changes the numbers that a model computes, for what a run depends on."""
        from foldctx_pipelines.batch.reader import numbers

        return numbers(self.placement(), self.rope_scale_to)
