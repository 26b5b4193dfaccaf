"""RULER's metrics: plain substrings, without regard to case."""

import re
from collections.abc import Mapping
from typing import Any

from foldctx_pipelines.benchmarks.ruler.tasks import kinds, tasks

_CONTROL = re.compile(r"[\x00-\x1f]")


def score(task: str, prediction: str, doc: Mapping[str, Any]) -> float:
    """The share of the references found (QA: whether any is), 0 to 1."""
    text = _CONTROL.sub("\n", prediction.strip()).strip().lower()
    found = [str(reference).lower() in text for reference in doc["outputs"]]
    if kinds()[tasks()[task].kind].metric == "part":
        return float(any(found))
    return sum(found) / len(found)
