"""Models whose row at a position predicts the token after it (Dream), seen as if it did not.

Dream's own code moves the logits one place to the right and lets the first keep its own:
`cat(logits[:, :1], logits[:, :-1])`. The head runs on wanted rows alone, so the rows are moved
instead.
"""

from dataclasses import replace

import torch

from foldctx.errors import ModelError
from foldctx.models.forward import Feed


def aligned(feed: Feed) -> Feed:
    """The feed that asks for the row before each wanted one.

    Position 0 has no row before it and keeps its own. Raises ModelError when the token before a
    wanted position is not fed, since its row is nowhere to be had.
    """
    wanted, positions = feed.logit_rows, feed.positions
    rows = torch.where(positions[wanted] == 0, wanted, wanted - 1)
    fed_before = (rows >= 0) & (positions[rows] == (positions[wanted] - 1).clamp(min=0))
    if not bool(fed_before.all()):
        missing = int(positions[wanted][~fed_before][0]) - 1
        raise ModelError(
            f"this model's logits for position {missing + 1} come from the row at {missing}, which "
            "is not fed; use a cache that feeds the token before the block, or none"
        )
    return replace(feed, logit_rows=rows)
