"""What any number that a user gives must be: finite, and no larger than what is counted here."""

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from foldctx.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LARGEST = 2**31 - 1
"""More than any canvas has tokens; logits times it stay far inside float32."""

_DIGITS = 60  # of a value in a message


def check_number(name: str, value: float) -> None:
    """Raise UsageError unless the number can be counted, multiplied and recorded."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name}={value}; it must be a finite number")
    if abs(value) > LARGEST:
        raise UsageError(f"{name}={shown(value)}; it must lie between -{LARGEST} and {LARGEST}")


def check_numbers(member: "DataclassInstance") -> None:
    """Check every field of a dataclass that is a number."""
    for item in fields(member):
        value = getattr(member, item.name)
        if isinstance(value, int | float):
            check_number(item.name, value)


def shown(value: Any) -> str:
    """The value for a message, cut where it is long; Python writes no integer of any length out."""
    if isinstance(value, int) and value.bit_length() > 4 * _DIGITS:
        return f"an integer of {value.bit_length()} bits"
    return f"{value!r:.{_DIGITS}}"
