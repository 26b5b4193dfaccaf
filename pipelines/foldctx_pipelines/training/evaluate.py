"""Evaluation in the loop: pointers, `none` and answers on relations and prose never trained on."""

import random
from collections.abc import Sequence

import torch

from foldctx.models.forward import Feed, forward
from foldctx.models.network import Network
from foldctx_pipelines.training.sources import World
from foldctx_pipelines.training.tasks import answer_window, read_window
from foldctx_pipelines.training.windows import Window


def quick_scores(
    model: Network, world: World, *, length: int, questions: int, cases: int, seed: int
) -> dict[str, float]:
    """Shares of right first slots (present and absent apart) and of answers filled in one forward."""
    rng = random.Random(f"evaluation/{seed}")
    none = world.prompts.none_ids[0]
    right: dict[str, list[bool]] = {"pointer": [], "none": [], "answer": [], "no_answer": []}
    for window in (read_window(rng, world, length, questions) for _ in range(cases)):
        for (_, token, weight), guess in zip(window.targets, guesses(model, window), strict=True):
            if weight > 0.5:
                right["none" if token == none else "pointer"].append(token == guess)
    for _ in range(cases):
        window = answer_window(rng, world, 112)
        picked = guesses(model, window)
        parts = [(t, g) for (_, t, w), g in zip(window.targets, picked, strict=True) if w >= 0.1]
        name = "no_answer" if any(t == none for t, _ in parts) else "answer"
        right[name].append(all(t == g for t, g in parts))
    return {name: sum(rows) / max(1, len(rows)) for name, rows in right.items()}


def guesses(model: Network, window: Window) -> Sequence[int]:
    """The best token at each trained position of a window, from one forward."""
    ids = torch.tensor(window.ids)
    rows = torch.tensor([at for at, _, _ in window.targets])
    logits = forward(model, [Feed(ids, torch.arange(len(ids)), rows)])[0]
    found: list[int] = logits.argmax(-1).tolist()
    return found
