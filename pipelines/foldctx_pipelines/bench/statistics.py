"""Paired comparison of two decoders on the same cases."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_Z = 1.959964  # of the normal distribution at 95 %


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two shares with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float

    def within(self, margin: float) -> bool:
        """Whether the whole interval lies inside +- `margin`."""
        return -margin < self.low and self.high < margin


def paired_difference(own: Sequence[bool], base: Sequence[bool]) -> Difference:
    """The share of right cases less that of the baseline, on the same cases in the same order.

    The interval is Wald's with half a case added to each discordant cell (Agresti and Min 2005,
    doi 10.1002/sim.1781), so that it has a width where the two never differ.
    """
    gained = sum(a and not b for a, b in zip(own, base, strict=True))
    lost = sum(b and not a for a, b in zip(own, base, strict=True))
    n = len(own) + 2
    middle = (gained - lost) / n
    half = _Z * math.sqrt((gained + lost + 1) / n - middle**2) / math.sqrt(n)
    return Difference((gained - lost) / len(own), middle - half, middle + half)
