"""What of a canvas one block's forwards may feed, and at which position ids."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from foldctx.decoding.segments import Kind, Range


@dataclass(frozen=True, slots=True)
class Placed:
    """Canvas indices [start, end) of one kind, fed at the position ids from `position` on."""

    kind: Kind
    start: int
    end: int
    position: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What one block's forwards may feed: n rows in canvas order.

    `indices` (ascending) and `positions` (n,); the block is the rows [behind, behind + block_length),
    everything before it is decoded or given, everything after it is read only. The first `given`
    rows are the prompt. The block's logits come from its own rows, and from the `lead` before them
    where the model's rows predict the next token. `bias` (n,) is added to every attention logit of
    a row (None: nothing). Of a block-causal model `blocks` (n,) numbers each row's block: a row sees
    its own and earlier ones, and the masks fed behind the block count as members of it.
    """

    segments: tuple[Placed, ...]
    indices: Tensor
    positions: Tensor
    given: int
    behind: int
    block_length: int
    position_max: int
    lead: int = 0
    bias: Tensor | None = None
    blocks: Tensor | None = None

    @property
    def block(self) -> slice:
        """The rows that the block's logits come from: the block, and the lead before it."""
        return slice(self.behind - self.lead, self.behind + self.block_length)

    def __len__(self) -> int:
        return self.indices.numel()


def lay_out(
    parts: Iterable[Placed], prompt: int, block: Range, *, shift: bool, multiplicity: bool
) -> Layout:
    """The layout of `parts`, in canvas order, for a block; all of them see each other.

    `shift`: the model's rows predict the next token. With `multiplicity` a mask behind the block
    that stands for n gets + ln n.
    """
    segments = tuple(part for part in parts if part.start < part.end)
    indices = torch.cat([torch.arange(part.start, part.end) for part in segments])
    places = [(part.position, part.position + part.end - part.start) for part in segments]
    positions = torch.cat([torch.arange(*place) for place in places])
    behind = int((indices < block[0]).sum())
    return Layout(
        segments=segments,
        indices=indices,
        positions=positions,
        given=prompt,
        behind=behind,
        block_length=block[1] - block[0],
        position_max=int(positions.max()),
        lead=int(shift and behind > 0),
        bias=_log_multiplicity(indices, block[1]) if multiplicity else None,
    )


def _log_multiplicity(indices: Tensor, end: int) -> Tensor:
    """For each fed mask from `end` on, ln of the masks it stands for: those since the one before."""
    before = torch.cat((indices.new_tensor([-1]), indices[:-1]))
    counts = (indices - before.clamp(min=end - 1)).clamp(min=1)
    return torch.where(indices >= end, counts, 1).double().log()
