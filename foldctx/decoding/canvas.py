"""The canvas of one request: its tokens, and at each block's start what of them is fed, and where.

Position ids are the canvas indices while the canvas fits in the window. When it does not, a span
fold takes the oldest generated blocks out of the feed and the rest moves up behind the seam, so that
no position id reaches the window; distances inside each surviving span stay what they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from foldctx.decoding.feed import SuffixFeed
from foldctx.decoding.layout import Layout, Placed, lay_out
from foldctx.decoding.segments import (
    Fold,
    Kind,
    Range,
    Request,
    count,
    fold_span,
    merge_ranges,
    within,
    without,
)
from foldctx.errors import UsageError, WindowError
from foldctx.models.info import ModelInfo
from foldctx.numeric import check_numbers

SpanKept = Literal["nothing", "first", "attended"]


@dataclass(frozen=True, slots=True)
class SpanFold:
    """What a folded span of generated text leaves in the feed: nothing, or `tokens` of its tokens.

    They are its first ones, or those that the last block's queries attended to most.
    """

    kept: SpanKept = "nothing"
    tokens: int = 0

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.kept not in get_args(SpanKept):
            choices = ", ".join(get_args(SpanKept))
            raise UsageError(f"span kept={self.kept!r}: choose from {choices}")
        if (self.tokens > 0) != (self.kept != "nothing"):
            raise UsageError(
                f"span kept={self.kept!r} with tokens={self.tokens}: 'first' and 'attended' need at "
                "least 1 token and 'nothing' takes 0"
            )

    @property
    def needs_attention(self) -> bool:
        """Whether it must be known which tokens were attended to."""
        return self.kept == "attended"


class Canvas:
    """Tokens (prompt then generation) on the host, and the span of them that is folded away."""

    def __init__(self, request: Request, block_length: int, info: ModelInfo) -> None:
        self.id = request.id
        self.prompt = request.prompt
        self.prompt_length = request.prompt_length
        # A block-causal model has its blocks from index 0 on, whole ones: the first one holds the
        # prompt's tail, and the last one may hold masks past the length asked for, where the window
        # has room for them.
        self.grid = block_length if info.block_grid is not None else None
        self.start, self.block_length = self.prompt_length, min(block_length, request.gen_length)
        if self.grid:
            self.start, self.block_length = self.start - self.start % self.grid, self.grid
        asked = self.prompt_length + request.gen_length - self.start
        self.blocks = -(-asked // self.block_length)
        self.first_position = request.first_position
        self.capacity = info.window - request.first_position
        self.gen_length = request.gen_length
        if self.grid:
            whole = self.start + self.blocks * self.grid - self.prompt_length
            self.gen_length = min(whole, max(self.capacity - self.prompt_length, self.gen_length))
        self.seed = request.seed
        self.mask_id = info.mask_id
        self.logit_shift = info.logit_shift
        self.tokens = torch.tensor(request.prompt_tokens + [info.mask_id] * self.gen_length)
        self.pinned = [self.prompt_length + offset for offset in request.pinned]
        self.tokens[self.pinned] = torch.tensor(list(request.pinned.values()), dtype=torch.long)
        self.folded: Range = (self.prompt_length, self.prompt_length)
        self.kept: tuple[Range, ...] = ()  # what is still fed of the folded span

    def __len__(self) -> int:
        return self.prompt_length + self.gen_length

    def bounds(self, block: int) -> Range:
        """Canvas indices [s, e) of a block; the last one may be short.

        The first one begins with the prompt's tail where the grid begins at index 0.
        """
        start = self.start + block * self.block_length
        return start, min(start + self.block_length, len(self))

    def masked(self, block: int) -> Tensor:
        """Canvas indices of the block's masks, ascending."""
        start, end = self.bounds(block)
        return (self.tokens[start:end] == self.mask_id).nonzero().flatten() + start

    def check(self, reserve: int, span: SpanFold) -> None:
        """Raise WindowError unless every block can be laid out inside the window."""
        if len(self) <= self.capacity:
            return
        # A fold needs room for the block, what lies ahead of it and one block of text behind it.
        ahead = min(reserve, self.gen_length - self.block_length)
        needed = self.prompt_length + span.tokens + 2 * self.block_length + ahead
        if self.blocks == 1:
            needed = len(self)
        if needed > self.capacity:
            raise WindowError(
                f"request {self.id!r}: a prompt of {self.prompt_length} tokens needs {needed} to "
                f"generate {self.gen_length} in blocks of {self.block_length}, and "
                f"{self.capacity} fit in the window; shorten the prompt or the generation"
            )

    def editable(self, block: int) -> Tensor:
        """Canvas indices of the block's decoded tokens: no masks, nothing that was given."""
        start, end = self.bounds(block)
        decoded = self.tokens[start:end] != self.mask_id
        decoded[: max(self.prompt_length - start, 0)] = False
        for index in self.pinned:
            if start <= index < end:
                decoded[index - start] = False
        return decoded.nonzero().flatten() + start

    def pending(self, block: int) -> Tensor:
        """Canvas indices of the masks up to the block's end, ascending."""
        end = self.bounds(block)[1]
        return (self.tokens[:end] == self.mask_id).nonzero().flatten()

    @property
    def folds(self) -> bool:
        """Whether some block will not fit in the window beside all that came before."""
        return len(self) > self.capacity

    def open(
        self, block: int, feed: SuffixFeed, span: SpanFold, attended: Tensor | None = None
    ) -> tuple[Layout, list[Fold]]:
        """Lay a block out, folding what does not fit; returns the folds made for it.

        `attended` (canvas,) says how much each token was attended to, where the span asks for it.
        """
        start, end = self.bounds(block)
        folds = self._fold_behind(start, end, feed.reserve, span, attended)
        ahead = self._ahead(end, feed)
        kept = [(part.start, part.end) for part in ahead]
        if count(kept) < len(self) - end:
            reason = "masks behind the block are represented by few"
            folds.append(fold_span(self.id, "mask", (end, len(self)), kept, reason))
        live = [
            self._placed("answer", self.folded[1], start),
            self._placed("mask", max(start, self.prompt_length), end),
        ]
        layout = lay_out(
            [*self._given(), *live, *ahead],
            self.prompt_length,
            (start, end),
            shift=self.logit_shift,
            multiplicity=feed.multiplicity,
        )
        return replace(layout, blocks=self._numbered(layout)), folds

    def _numbered(self, layout: Layout) -> Tensor | None:
        """Each row's block, for a block-causal model."""
        if self.grid is None:
            return None
        ahead = len(layout) - layout.behind - layout.block_length
        if ahead > 1:
            raise UsageError(
                f"request {self.id!r}: {ahead} masks behind the block are fed, and a block-causal "
                "model takes one, the terminal mask, or none; use the preset 'block'"
            )
        blocks = (layout.positions - self.first_position) // self.grid
        blocks[layout.behind :] = blocks[layout.behind]
        return blocks

    @property
    def shift(self) -> int:
        """How far everything behind the seam has moved forward."""
        return self.folded[1] - self.folded[0] - count(self.kept)

    def _placed(self, kind: Kind, start: int, end: int) -> Placed:
        shift = self.shift if start >= self.folded[1] else 0
        return Placed(kind, start, end, self.first_position + start - shift)

    def _given(self) -> list[Placed]:
        """The prompt's segments, and behind them without gaps what is kept of the folded span."""
        placed, at = [], 0
        for segment in self.prompt:
            placed.append(Placed(segment.kind, at, at + len(segment), self.first_position + at))
            at += len(segment)
        for start, end in self.kept:
            placed.append(Placed("answer", start, end, self.first_position + at))
            at += end - start
        return placed

    def _ahead(self, end: int, feed: SuffixFeed) -> list[Placed]:
        """The suffix masks that are fed, those past the window left out but for the terminal one."""
        total, limit = len(self), self.capacity + self.shift
        kept = feed.kept(end, total, self.seed)
        if total <= limit or not kept:
            return [self._placed("mask", *part) for part in kept]
        terminal = [Placed("mask", total - 1, total, self.first_position + self.capacity - 1)]
        if kept[-1][1] < total:
            terminal = []
        limit -= len(terminal)
        inside = [(start, min(stop, limit)) for start, stop in kept if start < limit]
        return [self._placed("mask", *part) for part in inside] + terminal

    def _fold_behind(
        self, start: int, end: int, reserve: int, span: SpanFold, attended: Tensor | None
    ) -> list[Fold]:
        """The span fold before the block [start, end), when its layout would pass the window.

        It goes down to half of what the window leaves for text, so that the next one is far away.
        """
        ahead = min(reserve, len(self) - end)
        if not self.folds or end - self.shift + ahead <= self.capacity:
            return []
        room = self.capacity - self.prompt_length - span.tokens - (end - start) - ahead
        # On a grid the positions behind the seam move by whole blocks, so that they stay on it.
        origin = self.prompt_length + (span.tokens if self.grid else 0)
        blocks = -(-(start - origin - room // 2) // self.block_length)
        if self.grid:
            blocks = min(blocks, (start - origin) // self.block_length)
        fresh = (self.folded[1], origin + blocks * self.block_length)
        before = self.kept
        self.kept = self._keep(merge_ranges([*before, fresh]), span, attended)
        self.folded = (self.prompt_length, fresh[1])
        reason = f"block [{start}, {end}) would pass the window of {self.capacity} tokens"
        return [self._span_fold(merge_ranges([*before, fresh]), reason)]

    def _keep(
        self, ranges: Sequence[Range], span: SpanFold, attended: Tensor | None
    ) -> tuple[Range, ...]:
        """Which of the tokens in `ranges` stay in the feed; ties go to the earliest."""
        inside = torch.cat([torch.arange(*part) for part in ranges])
        if span.needs_attention:
            assert attended is not None, "a block was decoded before a span is folded"
            order = attended[inside].sort(descending=True, stable=True).indices
            inside = inside[order]
        return merge_ranges((i, i + 1) for i in inside[: span.tokens].tolist())

    def _span_fold(self, fed: Sequence[Range], reason: str) -> Fold:
        """The record of a fold of what was fed of a span into what is kept of it."""
        dropped = tuple(part for run in fed for part in without(run, within(self.kept, run)))
        before, after = count(fed), count(self.kept)
        return Fold(self.id, "span", before, after, self.kept, dropped, reason, self.shift)
