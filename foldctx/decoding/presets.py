"""Presets: named decoders. Their names and options are known without importing torch.

A preset names a member for each seam and what differs from its defaults; all of it can be changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foldctx import decoding  # resolves its names when a preset is built, not before
from foldctx.decoding.parts import SEAMS, Option, Part
from foldctx.errors import UsageError
from foldctx.numeric import check_number, shown

DEFAULT_PRESET = "elastic"


@dataclass(frozen=True, slots=True)
class Preset:
    """What a preset is, with its source, and the options it sets."""

    summary: str
    options: Mapping[str, Any]


def _llada(summary: str, **options: Any) -> Preset:
    """LLaDA's own sampler but for `options`."""
    return Preset(summary, options)


PRESETS: Mapping[str, Preset] = {
    "exact": _llada("LLaDA's own sampler, token for token (https://arxiv.org/abs/2502.09992)"),
    "parallel": _llada(
        "every confident token at once, no cache (https://arxiv.org/abs/2505.22618)",
        commit="threshold",
        stop="eos",
    ),
    "elastic": _llada(
        "near masks and the terminal one, prefix cache, confident tokens at once "
        "(https://arxiv.org/abs/2605.18165)",
        feed="elastic",
        cache="prefix",
        commit="threshold",
        stop="eos",
        fresh_answers=True,
    ),
    "elastic-cache": _llada(
        "near masks and the terminal one, features at intervals, confident tokens at once "
        "(https://arxiv.org/abs/2605.18165, https://arxiv.org/abs/2506.06295)",
        feed="elastic",
        cache="feature",
        commit="threshold",
        stop="eos",
    ),
    "fast-dllm": _llada(
        "Fast-dLLM: dual cache, confident tokens at once (https://arxiv.org/abs/2505.22618)",
        cache="dual",
        commit="threshold",
    ),
    "fast-dllm-prefix": _llada(
        "Fast-dLLM: prefix cache, confident tokens at once (https://arxiv.org/abs/2505.22618)",
        cache="prefix",
        commit="threshold",
    ),
    "fast-dllm-factor": _llada(
        "Fast-dLLM: dual cache, as many tokens as can be trusted together "
        "(https://arxiv.org/abs/2505.22618)",
        cache="dual",
        commit="factor",
    ),
    "dllm-cache": _llada(
        "dLLM-Cache: features of prompt and response at intervals "
        "(https://arxiv.org/abs/2506.06295)",
        cache="feature",
        block_length=8,
    ),
    "streaming": _llada(
        "Streaming-dLLM: suffix window and last position, falling threshold, exit at the end of "
        "the text (https://arxiv.org/abs/2601.17917)",
        feed="window",
        cache="prefix",
        commit="dynamic",
        stop="eos-block",
    ),
    "dpad": _llada(
        "DPad: suffix dropped at random, the more the farther, prefix cache, confident tokens at "
        "once (https://arxiv.org/abs/2508.14148)",
        feed="gaussian",
        cache="prefix",
        commit="threshold",
        stop="eos-block",
    ),
    "sparse": _llada(
        "Sparse-dLLM: half of the keys outside the block, chosen once a block "
        "(https://arxiv.org/abs/2508.02558)",
        cache="sparse",
    ),
    "dream": _llada(
        "Dream's own sampler: one block, as many tokens as its time passes "
        "(https://arxiv.org/abs/2508.15487)",
        propose="dream",
        commit="timesteps",
        block_length=2048,
    ),
    "block": _llada(
        "LLaDA2's own sampler: block by block, finished blocks kept exactly "
        "(https://arxiv.org/abs/2512.15745)",
        feed="elastic",
        near=0,
        terminal=False,
        cache="finished",
        commit="threshold-or-quota",
        stop="eos-block",
    ),
    "block-edit": _llada(
        "LLaDA2.1's: as block, and decoded tokens of an open block are edited "
        "(https://arxiv.org/abs/2512.15745)",
        feed="elastic",
        near=0,
        terminal=False,
        cache="finished",
        commit="editing",
        stop="eos-block",
    ),
    "block-terminal": _llada(
        "LLaDA2's with one mask at the end of the budget beside every block "
        "(https://arxiv.org/abs/2605.18165)",
        feed="elastic",
        near=0,
        cache="finished",
        commit="threshold-or-quota",
        stop="eos-block",
    ),
    "prophet": _llada(
        "Prophet: all that is left at once, when the logits have settled "
        "(https://arxiv.org/abs/2508.19982)",
        stop="converged",
    ),
}

PRESET_NAMES: Mapping[str, str] = {name: preset.summary for name, preset in PRESETS.items()}

# What every preset is where it says nothing else.
_CHOICES: Mapping[str, str] = {
    "feed": "whole",
    "cache": "none",
    "propose": "llada",
    "commit": "quota",
    "stop": "never",
}
_COMMON: Mapping[str, Option] = {
    "block_length": Option(32, (int,), "block_length"),
    "span": Option("first", (str,), "kept"),
    "span_tokens": Option(0, (int,), "tokens"),
    "fresh_answers": Option(False, (bool,), "fresh_answers"),
    "compat_least": Option(1, (int,), "least"),
    "compat_steps": Option(None, (int, type(None)), "steps"),
}


def _chosen(options: Mapping[str, Any]) -> dict[str, Part]:
    """The member of each seam. Raises UsageError for one that is not there."""
    chosen = {}
    for seam, default in _CHOICES.items():
        name = options.get(seam, default)
        if not isinstance(name, str) or name not in SEAMS[seam]:
            raise UsageError(f"{seam}={shown(name)}: choose from {', '.join(SEAMS[seam])}")
        chosen[seam] = SEAMS[seam][name]
    return chosen


def _known(options: Mapping[str, Any]) -> dict[str, Option]:
    """The options of the composition that `options` names."""
    known = {seam: Option(default, (str,), seam) for seam, default in _CHOICES.items()}
    for part in _chosen(options).values():
        known |= part.options
    return {**known, **_COMMON}


def preset_options(name: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A preset's options and their values, after `overrides`; another member has other options.

    A cache that is named serves answers too, unless `fresh_answers` is named beside it.
    Raises UsageError for an unknown preset, an unknown option, a value of another type, and a number
    that is not finite or beyond counting.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise UsageError(f"preset {shown(name)}: choose from {', '.join(PRESETS)}")
    given = {**PRESETS[name].options, **(overrides or {})}
    if "cache" in (overrides or {}) and "fresh_answers" not in (overrides or {}):
        given["fresh_answers"] = False  # a cache that is named is wanted for answers too
    known = _known(given)
    for key, value in (overrides or {}).items():
        if key not in known:
            told = f"it takes {', '.join(sorted(known))}{_owners(key)}"
            raise UsageError(f"preset {name} has no option {key!r}; {told}")
        if type(value) not in known[key].kinds:
            kinds = " or ".join(kind.__name__ for kind in known[key].kinds)
            raise UsageError(f"preset {name}: {key}={shown(value)} is not of type {kinds}")
        if isinstance(value, int | float):
            check_number(f"preset {name}: {key}", value)
    return {key: given.get(key, option.default) for key, option in known.items()}


def _owners(key: str) -> str:
    """Which members would take an option, for the message that refuses it."""
    owners = [
        f"{seam}={name}"
        for seam, parts in SEAMS.items()
        for name, part in parts.items()
        if key in part.options
    ]
    return f"; {key} belongs to {', '.join(owners)}" if owners else ""


def check_preset(name: str, overrides: Mapping[str, Any]) -> None:
    """Raise UsageError for options that `preset_options` refuses."""
    preset_options(name, overrides)


def preset(name: str, **overrides: Any) -> "decoding.Decoder":
    """Build the named decoder with some of its options changed; UsageError lists what there is."""
    options = preset_options(name, overrides)
    members = {seam: part.build(options) for seam, part in _chosen(options).items()}
    least, steps = options["compat_least"], options["compat_steps"]
    if (least, steps) != (1, None):
        members["commit"] = decoding.Bounded(members["commit"], least, steps)
    kept, tokens = options["span"], options["span_tokens"]
    return decoding.Decoder(
        **members,
        block_length=options["block_length"],
        span=decoding.SpanFold("nothing" if kept == "first" and not tokens else kept, tokens),
        fresh_answers=options["fresh_answers"],
        name=name,
    )
