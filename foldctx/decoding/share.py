"""One request's share of a forward: the feeds of its branches, what they cost, and the window."""

from collections.abc import Sequence

import torch
from torch import Tensor

from foldctx.decoding.asking import Asked, rows_of
from foldctx.decoding.cache import Reuse
from foldctx.decoding.canvas import Canvas
from foldctx.decoding.events import Usage
from foldctx.decoding.layout import Layout
from foldctx.errors import WindowError
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo


def branch_feed(canvas: Canvas, layout: Layout, plan: Reuse, asked: Asked, branch: int) -> Feed:
    """What a guidance branch feeds by its plan, with the rows whose logits are asked for."""
    indices = layout.indices[plan.rows]
    tokens = canvas.tokens[indices]
    if branch:  # the unguided branch sees no prompt
        tokens = tokens.masked_fill(indices < canvas.prompt_length, canvas.mask_id)
    # A quota may outlast the block's masks; its idle forwards still ask for one row.
    named = asked.indices
    wanted = rows_of(layout, named) if named.numel() else torch.tensor([layout.behind])
    return Feed(
        tokens,
        layout.positions[plan.rows],
        wanted - plan.rows.start,
        plan.cache,
        layout.bias,
        _blocks(layout, plan),
    )


def _blocks(layout: Layout, plan: Reuse) -> Tensor | None:
    """The fed tokens' blocks, where some are hidden from others."""
    if layout.blocks is None:
        return None
    blocks = layout.blocks[plan.rows]
    return blocks if bool((blocks != blocks[0]).any()) else None


def _hidden(feed: Feed) -> int:
    """(Query, key) pairs of fed tokens that blocks hide."""
    if feed.blocks is None:
        return 0
    return int((feed.blocks[None] > feed.blocks[:, None]).sum())


def cost_of(layout: Layout, feeds: Sequence[Feed], plans: Sequence[Reuse]) -> Usage:
    """The counters of one forward, before it runs."""
    cost = Usage(forwards=1, position_max=layout.position_max)
    for feed, plan in zip(feeds, plans, strict=True):
        cost += Usage(
            tokens_fed=len(feed),
            fed_max=len(feed),
            keys_attended=len(feed) * plan.keys - _hidden(feed),
            logit_rows=feed.logit_rows.numel(),
        )
    return cost


def check_window(where: str, cost: Usage, info: ModelInfo) -> None:
    """Raise WindowError when a forward would feed more than the window, or a position past it."""
    if cost.fed_max > info.window or cost.position_max >= info.window:
        raise WindowError(
            f"{where}: {cost.fed_max} tokens up to position {cost.position_max} do not fit in the "
            f"window of {info.window}"
        )
