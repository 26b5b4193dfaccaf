"""Does a checkpoint behave as it should: ids, prompts, tokenizer, decoding, reading, speed."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from foldctx.decoding import Decoder
from foldctx.errors import FoldctxError
from foldctx.models.load import Model
from foldctx.records import VERIFY_SCHEMA
from foldctx_pipelines.runs import model_stamp, peak_memory, versions_of
from foldctx_pipelines.verify.check import Check
from foldctx_pipelines.verify.decoding import check_prompt, compare
from foldctx_pipelines.verify.needle import check_needles
from foldctx_pipelines.verify.tokens import check_ids, check_template, check_tokenizer

__all__ = ["COUNT", "Check", "verify", "verify_record"]

Checking = Callable[[Model, Decoder, int], Iterator[Check]]


def _tokens(model: Model, decoder: Decoder, seed: int) -> Iterator[Check]:
    for check in (check_ids, check_template, check_tokenizer):
        yield check(model)


def _decoding(model: Model, decoder: Decoder, seed: int) -> Iterator[Check]:
    yield check_prompt(model, decoder, seed)
    yield from compare(model, decoder, seed)


_GROUPS: dict[str, Checking] = {
    "tokens": _tokens,
    "decoding": _decoding,
    "reading": check_needles,
}
COUNT = 8
"""Checks that there are, where every group can be begun."""


def verify(model: Model, decoder: Decoder, seed: int = 0) -> Iterator[Check]:
    """Run every check; a group that the model cannot go through has failed, and the rest go on."""
    for group, checks in _GROUPS.items():
        try:
            yield from checks(model, decoder, seed)
        except FoldctxError as error:
            yield Check(group, "failed", str(error), "the checks of this group can be made")


def verify_record(
    model: Model, decoder: Decoder, checks: Sequence[Check], *, seed: int, began: float
) -> dict[str, Any]:
    """The report of all checks; `ok` is false when one has failed. `began` is monotonic time."""
    return {
        "schema": VERIFY_SCHEMA,
        "model": asdict(model_stamp(model)) | {"window": model.info.window},
        "family": model.info.family,
        "ok": all(check.status != "failed" for check in checks),
        "checks": [asdict(check) for check in checks],
        "decoder": decoder.describe(),
        "seed": seed,
        "seconds": round(time.monotonic() - began, 3),
        "peak_memory": peak_memory(),
        "versions": versions_of(model),
    }
