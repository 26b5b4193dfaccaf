"""Counts over the records of a run."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from foldctx_pipelines.batch.work import Record

_USAGE = ("document_tokens", "windows", "skipped", "forwards", "tokens_fed", "seconds")


@dataclass(slots=True)
class Tally:
    """Rows done and failed, and the sums of what they cost; work may leave out what it lacks."""

    done: int = 0
    failed: int = 0
    abstained: int = 0
    usage: Counter[str] = field(default_factory=Counter)

    def add(self, records: Iterable[Record]) -> None:
        """Count records."""
        for record in records:
            if "error" in record:
                self.failed += 1
                continue
            self.done += 1
            self.abstained += "answer" in record and record["answer"] is None
            used: Mapping[str, Any] = record.get("usage", {})
            for name in _USAGE:
                self.usage[name] += used.get(name) or 0

    @property
    def skip_rate(self) -> float | None:
        """Windows that cost one forward only, over all windows."""
        windows = self.usage["windows"]
        return self.usage["skipped"] / windows if windows else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        counts = {"done": self.done, "failed": self.failed, "abstained": self.abstained}
        usage = {name: self.usage[name] for name in _USAGE if name != "seconds"}
        return {**counts, **{k: round(v, 3) for k, v in usage.items()}}
