"""Counts the totals of a run again, from the events alone."""

import math
from collections.abc import Iterator, Mapping
from typing import Any


class Recount:
    """The totals of `run.end`, counted from the events before it.

    `peak_memory` is not among them: no event can prove it.
    """

    def __init__(self) -> None:
        """Begin at nothing."""
        self._counts = dict.fromkeys(("document", "skip", "answer", "error", "read"), 0)
        self._folds = {"mask": 0, "span": 0, "chunk": 0}
        self._sums = dict.fromkeys(("forwards", "tokens_fed", "characters", "tokens"), 0)
        self._highest = {"fed_max": 0, "position_max": 0}

    def add(self, event: Mapping[str, Any]) -> None:
        """Count one well-formed event."""
        name = event["event"]
        if name in self._counts:
            self._counts[name] += 1
        if name == "document":
            self._sums["characters"] += event["characters"]
            self._sums["tokens"] += event["tokens"]
        elif name == "fold":
            self._folds[event["kind"]] += 1
        elif name == "window":
            self._counts["read"] += event["kind"] == "read"
            for total in ("forwards", "tokens_fed"):
                self._sums[total] += event[total]
            for total in self._highest:
                self._highest[total] = max(self._highest[total], event[total])

    def totals(self) -> dict[str, Any]:
        """Give every total that events can prove, under its name in `run.end`."""
        sums, counts = self._sums, self._counts
        return {
            "windows": counts["read"],
            "skipped": counts["skip"],
            "forwards": sums["forwards"],
            "tokens_fed": sums["tokens_fed"],
            "passes": sums["tokens_fed"] / sums["tokens"] if sums["tokens"] else None,
            **self._highest,
            "folds": dict(self._folds),
            "documents": counts["document"],
            "answers": counts["answer"],
            "errors": counts["error"],
            "characters": sums["characters"],
        }

    def differences(self, end: Mapping[str, Any]) -> Iterator[str]:
        """Yield one message for each total of `run.end` that the events contradict."""
        for name, counted in (self.totals() | {"seconds": end["t"]}).items():
            if not _same(end[name], counted):
                source = "t of this line is" if name == "seconds" else "the events give"
                yield f"run.end: {name}={end[name]}, but {source} {counted}"


def _same(reported: Any, counted: Any) -> bool:
    if isinstance(reported, float | int) and isinstance(counted, float):
        return math.isclose(reported, counted, rel_tol=1e-6)
    return bool(reported == counted)
