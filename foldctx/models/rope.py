"""Raising a window by a larger rotary base (the NTK rule of LongLLaDA, arXiv 2506.14429)."""

import math

from foldctx.errors import UsageError


def ntk_scale(*, head_dim: int, theta: float, trained: int, target: int) -> int:
    """What to multiply the rotary base by, so that `target` positions look like `trained` ones.

    The dimensions that turned fully within the trained length are the critical ones; the base grows
    until the last of them turns once in the target length. For LLaDA-8B: 4, 14, 31, 55 for 8k, 16k,
    24k and 32k. Raises UsageError for a target that is not longer than the trained length.
    """
    if target <= trained:
        raise UsageError(
            f"rope_scale_to={target}: the model takes {trained} tokens as it is; give more than "
            "that, or lower its window instead"
        )
    turns = math.log(trained / math.tau) / math.log(theta)
    critical = 2 * math.ceil(head_dim / 2 * turns)
    base: float = (target / math.tau) ** (head_dim / critical)
    return max(1, math.ceil(base / theta))
