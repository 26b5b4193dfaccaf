"""Thresholds of an exported reader, chosen on relations and prose that training never saw."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from foldctx.errors import UsageError
from foldctx.models.forward import Feed
from foldctx.models.load import Model
from foldctx_pipelines.training.biases import abstain_threshold, answered, choose_biases
from foldctx_pipelines.training.sources import World
from foldctx_pipelines.training.tasks import answer_window, read_window

_LENGTHS = 112, 288  # of answering windows: few notes, and many


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What was chosen, and what it gave on the validation windows.

    `missed` is the share of helping windows that the skip would lose, `skipped` the share of other
    windows it saves. `false_answers` is the share of unanswerable questions answered, `answered`
    the share of answerable ones, `right` the share of those answered that are right.
    """

    skip_threshold: float
    none_bias: float
    abstain_threshold: float
    end_bias: float
    refusal_bias: float
    missed: float
    skipped: float
    false_answers: float
    answered: float
    right: float


def calibrate(
    model: Model, world: World, *, cases: int, seed: int, length: int = 480
) -> Thresholds:
    """Choose thresholds and biases on `cases` windows each; deterministic for a seed.

    The skip loses at most one helping window in a hundred, none at most one in twenty of the slots
    whose best pointer is right. The biases of answers and the
    abstention make most windows come out right, answers and abstentions alike. Raises UsageError where `cases` are so few
    that no window helps.
    """
    rng = random.Random(f"calibration/{seed}")
    helping, other, gaps = _none_probabilities(model, world, rng, cases, length)
    if not helping:
        raise UsageError(f"cases={cases}: no window of so few holds an answer; take 20 or more")
    skip = _skip_threshold(helping, 0.01)
    windows = [answer_window(rng, world, _LENGTHS[case % 2]) for case in range(cases)]
    biases = choose_biases(model, world, windows[: max(1, cases // 3)])
    rows = [answered(model, world, window, biases) for window in windows]
    abstain = abstain_threshold(rows)
    kept = [row for row in rows if row.given and row.confidence >= abstain]
    known = [row for row in rows if row.known]
    return Thresholds(
        skip_threshold=skip,
        none_bias=_none_bias(gaps, 0.05),
        abstain_threshold=abstain,
        end_bias=biases.end_bias,
        refusal_bias=biases.refusal_bias,
        missed=_share([p >= skip for p in helping]),
        skipped=_share([p >= skip for p in other]),
        false_answers=_share([row in kept for row in rows if not row.known]),
        answered=_share([row in kept for row in known]),
        right=_share([row.right for row in kept if row.known]),
    )


def _none_probabilities(
    model: Model, world: World, rng: random.Random, cases: int, length: int
) -> tuple[list[float], list[float], list[float]]:
    """p(none) of slots that have a pointer to find and of others; the lead of none over right ones."""
    none = world.prompts.none_ids[0]
    helping: list[float] = []
    other: list[float] = []
    gaps: list[float] = []
    markers = torch.tensor(sorted(world.prompts.markers))
    for case in range(cases):
        window = read_window(rng, world, length, 1 if case % 2 else 3)
        ids = torch.tensor(window.ids)
        slots = [(at, token) for at, token, weight in window.targets if weight > 0.5]
        rows = torch.tensor([at for at, _ in slots], dtype=torch.long)
        if not slots:
            continue
        logits = model.predict([Feed(ids, torch.arange(len(ids)), rows)])[0].float()
        found = logits.softmax(-1)[:, none].tolist()
        for (_, token), p, row in zip(slots, found, logits, strict=True):
            (other if token == none else helping).append(p)
            if token == markers[row[markers].argmax()]:
                gaps.append(float(row[none] - row[token]))
    return helping, other, gaps


def _skip_threshold(helping: Sequence[float], loss: float) -> float:
    """The smallest threshold that skips at most a share `loss` of the helping windows."""
    return min(0.9999, max(0.5, math.ceil(_passed_by(helping, loss) * 1e4 + 1) / 1e4))


def _none_bias(gaps: Sequence[float], loss: float) -> float:
    """The least bias, up to 2 nats in tenths, at which none wins a share `loss` of these slots."""
    edge = _passed_by(gaps, loss) if gaps else 0.0
    return min(2.0, max(0.0, math.ceil(10 * edge) / 10))


def _passed_by(values: Sequence[float], share: float) -> float:
    """The value that at most a share of them passes."""
    return sorted(values, reverse=True)[min(int(share * len(values)), len(values) - 1)]


def _share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), 4) if flags else 0.0


def calibration_form(thresholds: Thresholds, **fixed: float | str) -> dict[str, object]:
    """The fields of foldctx.json."""
    return {
        **fixed,
        "skip_threshold": thresholds.skip_threshold,
        "none_bias": thresholds.none_bias,
        "abstain_threshold": thresholds.abstain_threshold,
        "end_bias": thresholds.end_bias,
        "refusal_bias": thresholds.refusal_bias,
    }


__all__ = ["Thresholds", "calibrate", "calibration_form"]
