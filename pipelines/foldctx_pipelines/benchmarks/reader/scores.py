"""Scores of the reader's cases: read from records, with Wilson's intervals; no model is loaded."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from foldctx_pipelines.scoring import contains_gold

Record = Mapping[str, Any]

_SLACK = 8  # words that an answer may have beside the gold
_Z = 1.959964  # 95%


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of some cases came out as wanted."""

    right: int
    cases: int

    @property
    def share(self) -> float | None:
        """The rate, or None without a case."""
        return self.right / self.cases if self.cases else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% interval (E. B. Wilson, 1927)."""
        if not self.cases:
            return None
        n, p = self.cases, self.right / self.cases
        middle = p + _Z * _Z / (2 * n)
        half = _Z * math.sqrt(p * (1 - p) / n + _Z * _Z / (4 * n * n))
        scale = 1 + _Z * _Z / n
        return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "right": self.right,
            "cases": self.cases,
            "rate": self.share,
            "interval": self.interval,
        }

    def __str__(self) -> str:
        if self.share is None or self.interval is None:
            return "-"
        low, high = self.interval
        return f"{self.share:.1%} ({low:.1%} to {high:.1%}), {self.right} of {self.cases}"


def is_right(record: Record) -> bool:
    """Whether a case came out as wanted; a failed one did not."""
    if "error" in record:
        return False
    answer, golds = record["answer"], record["golds"]
    if not golds:
        return answer is None
    if answer is None:
        return False
    if record["any_of"] or record["group"] == "lookups":
        return contains_gold(answer, golds, _SLACK)
    if record["group"] == "worlds":
        # As BABILong compares: the right word, and no other that could have been the answer.
        first = re.split(r"[.\n]", answer)[0]
        named = [label for label in (*golds, *record["labels"]) if _holds(first, label)]
        return named == list(golds)
    words = len(answer.split())
    return words <= len(golds) + _SLACK and all(_holds(answer, gold) for gold in golds)


def _holds(answer: str, text: str) -> bool:
    """Whether the text stands in the answer whole: 123 is not in 1234, nor old-oak in old-oaks."""
    form = rf"(?<![\w-]){re.escape(text)}(?![\w-])"
    return re.search(form, answer, re.IGNORECASE) is not None


KINDS = ("failed", "lines lost", "none said", "wrong said", "answered though unanswerable")


def failure(record: Record) -> str | None:
    """What went wrong with a case, as one of KINDS: the notes, or what was made of them."""
    if is_right(record):
        return None
    if "error" in record:
        return "failed"
    if not record["golds"]:
        return "answered though unanswerable"
    kept, lines = record["kept"]
    if kept < lines:
        return "lines lost"
    return "none said" if record["answer"] is None else "wrong said"


def failures(records: Iterable[Record]) -> dict[str, dict[str, int]]:
    """How often each kind of failure came with fold, by task."""
    found: dict[str, dict[str, int]] = {}
    for record in records:
        reader, strategy, _, task = str(record["id"]).split("/")[:4]
        if reader == "reader" and strategy == "fold":
            counts = found.setdefault(task, dict.fromkeys(KINDS, 0))
            kind = failure(record)
            if kind is not None:
                counts[kind] += 1
    return found
