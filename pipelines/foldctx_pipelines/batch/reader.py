"""A way of reading, by names and options: what it depends on, and the work it makes.

Plain values, so that it can be sent to other machines, and needs no weights until rows are there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from typing import Any

import torch

import foldctx
from foldctx.api import open_plan
from foldctx.decoding import Decoder, preset
from foldctx.documents import text_document
from foldctx.folding.config import FoldConfig
from foldctx.models import FAMILIES
from foldctx.models.build import choose_device, choose_dtype
from foldctx.models.checkpoint import Checkpoint, read_checkpoint
from foldctx.models.load import load_checkpoint
from foldctx.models.placement import Placement
from foldctx_pipelines.answer import effective_config
from foldctx_pipelines.batch.documents import DocumentWork
from foldctx_pipelines.batch.rows import Row
from foldctx_pipelines.batch.work import Work


def numbers(placement: Placement, rope_scale_to: int | None) -> dict[str, Any]:
    """What changes the numbers that a model computes, for what a run depends on.

    The type is the one that is computed in: "auto" is another one on another machine.
    """
    name = placement.device
    # Another machine may have the device: here only its kind is asked for.
    device = choose_device("auto") if name == "auto" else torch.device(name)
    dtype = choose_dtype(placement.dtype, device)
    return {
        "rope_scale_to": rope_scale_to,
        "dtype": str(dtype).removeprefix("torch."),
        "quantize": placement.quantize,
    }


@dataclass(frozen=True, slots=True)
class ReaderSpec:
    """Which model reads, how, and with which decoder; a preset of None is the model's own."""

    config: FoldConfig
    model: str = "embedded"
    placement: Placement = field(default_factory=Placement)
    revision: str | None = None
    preset: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    rope_scale_to: int | None = None

    @property
    def device(self) -> str:
        """Where the model computes, by the name that was given."""
        return self.placement.device

    def decoder(self, checkpoint: Checkpoint) -> Decoder:
        """The preset, or that of the model's family, with its changed options."""
        name = self.preset or FAMILIES[checkpoint.info.family].preset
        return preset(name, **self.overrides)

    def checkpoint(self) -> Checkpoint:
        """The model without its tensors. Raises UsageError and ModelError where it cannot serve."""
        return read_checkpoint(
            self.model,
            revision=self.revision,
            window=self.config.window,
            rope_scale_to=self.rope_scale_to,
        )

    def check(self, checkpoint: Checkpoint) -> None:
        """Raises UsageError or WindowError for options that no document can be read with."""
        probe = text_document("probe", "Nothing is read here.")
        decoder = self.decoder(checkpoint)
        open_plan(checkpoint, probe, ["What?"], config=self.config, decoder=decoder)

    def fingerprint(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """All that decides a record, but the rows themselves.

        The name and the place of a model decide nothing; its weights do.
        """
        decoder = self.decoder(checkpoint)
        return {
            "model": {
                "weights_sha256": checkpoint.info.weights_sha256,
                "revision": checkpoint.info.revision,
                **numbers(self.placement, self.rope_scale_to),
            },
            "tokenizer": checkpoint.tokenizer.sha256,
            "prompts": sha256(checkpoint.prompts_source.read_bytes()).hexdigest(),
            "config": {
                "preset": decoder.name,
                **effective_config(checkpoint, self.config, decoder),
                "seed": self.seed,
            },
            "code": foldctx.__version__,
        }

    def load(self, checkpoint: Checkpoint | None = None) -> DocumentWork:
        """The work itself, with the model loaded."""
        found = checkpoint or self.checkpoint()
        model = load_checkpoint(found, packed=True, placement=self.placement)
        return DocumentWork(model, self.config, self.decoder(found), self.seed)

    def local(self, checkpoint: Checkpoint) -> Work:
        """Work in this process; the model is loaded when there is a row for it."""

        def work(blocks: Iterable[Sequence[Row]]) -> Iterator[object]:
            waiting = iter(blocks)
            first = next(waiting, None)
            if first is not None:
                yield from self.load(checkpoint)(chain([first], waiting))

        return work
