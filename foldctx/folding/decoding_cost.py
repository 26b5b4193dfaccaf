"""What decoding one canvas feeds, by the decoder's own rules: least, expected and most."""

import math
from dataclasses import dataclass

from foldctx.decoding import Decoder


@dataclass(frozen=True, slots=True)
class Cost:
    """Expected forwards and tokens fed, their bounds `low` and `high`, and the largest feed."""

    forwards: float = 0.0
    tokens: float = 0.0
    low: float = 0.0
    high: float = 0.0
    fed_max: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.forwards + other.forwards,
            self.tokens + other.tokens,
            self.low + other.low,
            self.high + other.high,
            max(self.fed_max, other.fed_max),
        )


def decoding_cost(
    decoder: Decoder,
    prompts: tuple[float, float, float],
    length: int,
    *,
    forwards: float,
    masks: int | None = None,
    hits: float = 1.0,
    window: int | None = None,
) -> Cost:
    """The cost of decoding `length` tokens behind a prompt of least, expected and most tokens.

    `forwards` is how many are expected where a threshold decides; a quota takes its own. `masks` of
    the tokens are to be decoded (None: all). A share of 1 - `hits` ends after one forward. A canvas
    longer than the `window` is fed in part.
    """
    block = min(decoder.block_length, length)
    blocks, most = math.ceil(length / block), masks or length
    if (planned := decoder.commit.planned(most)) is not None:
        forwards = most = planned
    forwards = 1 + hits * (min(forwards, most) - 1)
    ahead = sum(end - start for start, end in decoder.feed.kept(block, length))
    branches = decoder.propose.branches

    def fed(prompt: float, canvas: float, forwards: float) -> float:
        """Each block's first forwards feed all, the others what no cache holds."""
        whole = prompt + canvas if window is None else min(window, prompt + canvas)
        tail, left, step, total = min(whole, canvas), forwards, 0, 0.0
        while left > 0:
            ran = min(blocks, left)  # this step of so many blocks
            total += ran * decoder.cache.fed(step, whole, tail, min(tail, block))
            left, step = left - ran, step + 1
        return branches * total

    least, expected, highest = prompts
    return Cost(
        forwards,
        fed(expected, block + ahead, forwards),
        branches * (least + block),
        fed(highest, length, max(most, blocks)),
        math.ceil(highest + length if window is None else min(window, highest + length)),
    )
