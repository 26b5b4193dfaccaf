"""Presets of model families with a sampler of their own: Dream's and LLaDA2's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from foldctx import decoding  # resolves its names when a preset is built, not before
from foldctx.errors import UsageError

if TYPE_CHECKING:
    from foldctx.decoding.propose import Remasking

DREAM_ALGS: "Mapping[str, Remasking]" = {
    "origin": "random",
    "maskgit_plus": "low_confidence",
    "topk_margin": "margin",
    "entropy": "entropy",
}
"""Dream's names for its rankings."""

# Masks fed behind the block: (near, terminal) of the elastic feed.
_TERMINALS = {"none": (0, False), "end": (0, True), "next": (1, False)}
_STOPS = ("never", "eos", "eos_in_block")


def dream(
    *,
    block_length: int = 2048,
    steps: int | None = None,
    alg: str = "entropy",
    eps: float = 1e-3,
    temperature: float = 0.0,
    top_p: float | None = None,
    top_k: int | None = None,
    stop: str = "never",
) -> "decoding.Decoder":
    """Dream's sampler: one block, as many commits per step as its time passes."""
    if alg not in DREAM_ALGS:
        raise UsageError(f"alg={alg!r}: choose from {', '.join(DREAM_ALGS)}")
    return decoding.Decoder(
        decoding.WholeCanvas(),
        decoding.NoCache(),
        decoding.Tempered(temperature, top_p, top_k, DREAM_ALGS[alg]),
        decoding.Timesteps(steps, eps, independent=alg == "origin"),
        _stop(stop),
        block_length,
        name="dream",
    )


def block(
    *,
    block_length: int = 32,
    steps: int = 32,
    threshold: float = 0.95,
    editing_threshold: float | None = None,
    max_post_steps: int = 16,
    terminal: str = "none",
    temperature: float = 0.0,
    stop: str = "eos_in_block",
) -> "decoding.Decoder":
    """LLaDA2's sampler with its exact cache; `editing_threshold` edits as LLaDA2.1 does.

    `terminal` feeds one protected mask with every block: at the `end` of the budget, or `next` to
    the block (Elastic-dLLM).
    """
    if terminal not in _TERMINALS:
        raise UsageError(f"terminal={terminal!r}: choose from {', '.join(_TERMINALS)}")
    near, last = _TERMINALS[terminal]
    commit: decoding.Commit = decoding.ThresholdOrQuota(threshold, steps)
    if editing_threshold is not None:
        commit = decoding.Editing(threshold, editing_threshold, max_post_steps)
    return decoding.Decoder(
        decoding.Elastic(near, terminal=last),
        decoding.BlockCausalCache(),
        decoding.Proposer(temperature),
        commit,
        _stop(stop),
        block_length,
        name="block",
    )


def _stop(name: str) -> "decoding.Stop":
    if name not in _STOPS:
        raise UsageError(f"stop={name!r}: choose from {', '.join(_STOPS)}")
    if name == "never":
        return decoding.Never()
    return decoding.FirstEos() if name == "eos" else decoding.EosInBlock()
