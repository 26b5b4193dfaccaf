"""LongWriter's length score: how close a long text comes to the length that was asked for.

The score's other half is a judge's opinion and is not computed here (arXiv 2408.07055,
https://github.com/THUDM/LongWriter, evaluation/eval_length.py).
"""

import re
from collections.abc import Mapping
from typing import Any, BinaryIO

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.sample import Sample, row_id, unique
from foldctx_pipelines.jobs import read_rows

TASK = "longwriter"
BUCKETS = ((500, "[0,500)"), (2000, "[500,2k)"), (4000, "[2k,4k)"))
LAST_BUCKET = "[4k,20k)"

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH = re.compile(r"\b[a-zA-Z]+\b")


def load(
    path: str,
    stdin: BinaryIO | None = None,
    *,
    tokens_per_word: float = 1.5,
    limit: int | None = None,
) -> list[Sample]:
    """Samples of a JSONL file of rows with `prompt` and `length`, the number of words asked for.

    A text may take `tokens_per_word` times that many tokens. Raises UsageError naming the line that
    cannot be used.
    """
    samples = []
    for number, row in read_rows(path, stdin):
        prompt, length = row.get("prompt"), row.get("length")
        if not (isinstance(prompt, str) and prompt.strip()) or not (
            isinstance(length, int) and not isinstance(length, bool) and length > 0
        ):
            raise UsageError(
                f"{path}, line {number}: prompt={prompt!r:.50}, length={length!r}; each row needs a "
                "prompt that is text and a length in words of at least 1"
            )
        kept = {key: row[key] for key in ("prompt", "type", "length") if key in row}
        samples.append(
            Sample(
                id=f"{TASK}/{row_id(row)}",
                task=TASK,
                prompt=prompt,
                question=prompt,
                document="",
                targets=(str(length),),
                max_gen=max(1, round(tokens_per_word * length)),
                doc=kept,
            )
        )
    if not samples:
        raise UsageError(f"{path}: no prompts in it")
    return unique(samples[:limit])


def count_words(text: str) -> int:
    """Words as LongWriter counts them: Chinese characters and words in Latin letters."""
    return len(_CHINESE.findall(text)) + len(_ENGLISH.findall(text))


def length_score(wanted: int, written: int) -> float:
    """100 for the length asked for; 0 from four times as much, from a third, and for no text."""
    if written > wanted:
        return 100 * max(0.0, 1 - (written / wanted - 1) / 3)
    if not written:
        return 0.0
    return 100 * max(0.0, 1 - (wanted / written - 1) / 2)


def score(task: str, prediction: str, doc: Mapping[str, Any]) -> float:
    """The length score, 0 to 1."""
    return length_score(doc["length"], count_words(prediction)) / 100


def bucket(length: int) -> str:
    """LongBench-Write's bucket of a length asked for."""
    return next((label for end, label in BUCKETS if length < end), LAST_BUCKET)
