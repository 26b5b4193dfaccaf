"""What one check of a model found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

Status = Literal["passed", "failed", "information"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what must hold (`demand`, empty where nothing must), and what was found.

    `found` is one line for people, `measured` the same and more as plain values. `information` is
    measured and told, and can neither pass nor fail.
    """

    name: str
    status: Status
    found: str
    demand: str = ""
    measured: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        demand: str,
        problems: Iterable[str],
        found: str,
        measured: Mapping[str, Any],
    ) -> Self:
        """Passed when there are no problems; otherwise they are what was found."""
        told = "; ".join(problems)
        return cls(name, "failed" if told else "passed", told or found, demand, measured)
