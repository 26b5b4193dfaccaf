"""Whose logits a forward is asked for: the masks that may be committed, and what is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from foldctx.decoding.canvas import Canvas
from foldctx.decoding.layout import Layout

_NONE = torch.empty(0, dtype=torch.long)


@dataclass(frozen=True, slots=True)
class Asked:
    """Canvas indices: `masks` may be committed, `edits` overwritten, `others` are only looked at.

    `looked` are the offsets that the stop wanted to see, where the forward feeds them all.
    """

    masks: Tensor = _NONE
    edits: Tensor = _NONE
    others: Tensor = _NONE
    looked: tuple[int, ...] = ()

    @property
    def indices(self) -> Tensor:
        """All of them: masks, edits, others."""
        return torch.cat((self.masks, self.edits, self.others))

    def also(self, indices: Tensor) -> "Asked":
        """Look at these too."""
        fresh = indices[~torch.isin(indices, self.indices)]
        return replace(self, others=torch.cat((self.others, fresh)))


def rows_of(layout: Layout, indices: Tensor) -> Tensor:
    """The layout's row of each canvas index; -1 where it has none."""
    rows = torch.searchsorted(layout.indices, indices).clamp(max=len(layout) - 1)
    return torch.where(layout.indices[rows] == indices, rows, -1)


def ask(canvas: Canvas, block: int, layout: Layout, fed: slice, looks: Sequence[int]) -> Asked:
    """What a forward that feeds the rows `fed` is asked for in `block`; `looks` are offsets.

    Masks before the block are there only where a rule left them; they can be committed as well.
    """
    pending = canvas.pending(block)
    rows = rows_of(layout, pending)
    asked = Asked(pending[(rows >= fed.start) & (rows < fed.stop)])
    if not looks:
        return asked
    wanted = torch.tensor(looks) + canvas.prompt_length
    rows = rows_of(layout, wanted)
    if not bool(((rows >= fed.start) & (rows < fed.stop)).all()):
        return asked
    return replace(asked.also(wanted), looked=tuple(looks))
