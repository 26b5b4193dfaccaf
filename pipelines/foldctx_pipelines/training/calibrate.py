"""Thresholds of an exported reader, chosen on relations and prose that training never saw."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from foldctx.decoding import Request, Segment, decode_one, preset
from foldctx.errors import UsageError
from foldctx.folding.answering import mean_confidence
from foldctx.folding.reading import for_text
from foldctx.models.forward import Feed
from foldctx.models.load import Model
from foldctx_pipelines.training.sources import World
from foldctx_pipelines.training.tasks import answer_window, read_window
from foldctx_pipelines.training.windows import Window


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What was chosen, and what it gave on the validation windows.

    `missed` is the share of helping windows that the skip would lose, `skipped` the share of other
    windows it saves. `false_answers` is the share of unanswerable questions answered, `answered`
    the share of answerable ones, `right` the share of those answered that are right.
    """

    skip_threshold: float
    abstain_threshold: float
    missed: float
    skipped: float
    false_answers: float
    answered: float
    right: float


def calibrate(
    model: Model, world: World, *, cases: int, seed: int, length: int = 480
) -> Thresholds:
    """Choose both thresholds on `cases` windows each; deterministic for a seed.

    The skip loses at most one helping window in a hundred. The abstention maximises right answers
    less false ones, with a false answer counted twice. Raises UsageError where `cases` are so few
    that no window helps.
    """
    rng = random.Random(f"calibration/{seed}")
    helping, other = _none_probabilities(model, world, rng, cases, length)
    if not helping:
        raise UsageError(f"cases={cases}: no window of so few holds an answer; take 20 or more")
    skip = _skip_threshold(helping, 0.01)
    rows = [_answered(model, answer_window(rng, world, 112), world) for _ in range(cases)]
    abstain = _abstain_threshold(rows, 0.2)
    kept = [row for row in rows if row[0] >= abstain and not row[2]]
    known = [row for row in rows if row[1]]
    unknown = [row for row in rows if not row[1]]
    return Thresholds(
        skip_threshold=skip,
        abstain_threshold=abstain,
        missed=_share([p >= skip for p in helping]),
        skipped=_share([p >= skip for p in other]),
        false_answers=_share([row in kept for row in unknown]),
        answered=_share([row in kept for row in known]),
        right=_share([row[3] for row in kept if row[1]]),
    )


Row = tuple[float, bool, bool, bool]
"""Confidence, whether the notes hold an answer, whether none was said, whether it was right."""


def _none_probabilities(
    model: Model, world: World, rng: random.Random, cases: int, length: int
) -> tuple[list[float], list[float]]:
    """p(none) of windows that help and of windows that do not."""
    none = world.prompts.none_ids[0]
    helping: list[float] = []
    other: list[float] = []
    for case in range(cases):
        window = read_window(rng, world, length, 1 if case % 2 else 3)
        ids = torch.tensor(window.ids)
        slots = [(at, token) for at, token, weight in window.targets if weight > 0.5]
        rows = torch.tensor([at for at, _ in slots], dtype=torch.long)
        if not slots:
            continue
        logits = model.predict([Feed(ids, torch.arange(len(ids)), rows)])[0].float()
        found = logits.softmax(-1)[:, none].tolist()
        for (_, token), p in zip(slots, found, strict=True):
            (other if token == none else helping).append(p)
    return helping, other


def _skip_threshold(helping: Sequence[float], loss: float) -> float:
    """The smallest threshold that skips at most a share `loss` of the helping windows."""
    ranked = sorted(helping, reverse=True)
    edge = ranked[min(int(loss * len(ranked)), len(ranked) - 1)]
    return min(0.9999, max(0.5, math.ceil(edge * 1e4 + 1) / 1e4))


def _answered(model: Model, window: Window, world: World) -> Row:
    """Decode the answer of a window from its prompt, with the default preset."""
    first = min(at for at, _, _ in window.targets)
    answer_token = world.tokenizer.token_id("<|answer|>")
    start = window.ids.index(answer_token) + 1
    wanted = list(window.ids)
    for at, token, _ in window.targets:
        wanted[at] = token
    target = wanted[start:]
    target = target[: target.index(world.eos_id)]
    assert first >= start
    memory = window.ids.index(world.tokenizer.token_id("<|memory|>")) + 1
    prompt = (
        Segment("template", tuple(window.ids[:memory])),
        Segment("memory", tuple(window.ids[memory : start - 1])),
        Segment("template", tuple(window.ids[start - 1 : start])),
    )
    decoded = decode_one(
        model,
        Request("0", prompt, world.prompts.answer_length),
        for_text(preset("elastic"), world.prompts),
    )
    said_none = not decoded.text or world.prompts.says_none(decoded.text)
    known = not world.prompts.says_none(target)
    return mean_confidence(decoded), known, said_none, decoded.text == target


def _abstain_threshold(rows: Sequence[Row], allowed: float) -> float:
    """The lowest threshold, in fiftieths, that leaves a share `allowed` of false answers."""
    unknown = [row for row in rows if not row[1]]
    for step in range(50):
        said = [row[0] >= step / 50 and not row[2] for row in unknown]
        if _share(said) <= allowed:
            return step / 50
    return 0.98


def _share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), 4) if flags else 0.0


def calibration_form(thresholds: Thresholds, **fixed: float | str) -> dict[str, object]:
    """The fields of foldctx.json."""
    return {
        **fixed,
        "skip_threshold": thresholds.skip_threshold,
        "abstain_threshold": thresholds.abstain_threshold,
    }


__all__ = ["Thresholds", "calibrate", "calibration_form"]
