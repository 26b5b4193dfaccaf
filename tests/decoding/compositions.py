"""Every combination that the seams allow, small enough for a tiny network, and a pairwise cover."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

from foldctx.decoding import Decoder, preset
from foldctx.errors import UsageError

Options = Mapping[str, Any]

CHOICES: Mapping[str, Sequence[Options]] = {
    "feed": (
        {},
        {"feed": "elastic", "near": 6},
        {"feed": "elastic", "near": 3, "stride": 5, "multiplicity": True},
        {"feed": "window", "suffix": 5},
        {"feed": "gaussian", "reach": 12, "decay": 2.0},
        {"feed": "uniform", "reach": 12, "count": 4},
    ),
    "cache": (
        {},
        {"cache": "prefix"},
        {"cache": "prefix", "refresh": 3},
        {"cache": "dual"},
        {"cache": "feature", "prompt_interval": 5, "response_interval": 3, "rho": 0.25},
        {"cache": "feature", "prompt_interval": 4, "response_interval": 4, "rho": 0.0},
        {"cache": "sparse", "retention": 0.4},
    ),
    "commit": (
        {},
        {"commit": "threshold", "threshold": 0.25},
        {"commit": "dynamic", "threshold": 0.3, "alpha": 0.5},
        {"commit": "factor"},
    ),
    "stop": (
        {},
        {"stop": "eos"},
        {"stop": "eos-block"},
        {"stop": "converged", "early": 3.0, "mid": 2.0, "late": 1.0},
    ),
    "propose": (
        {},
        {"cfg_scale": 0.5},
        {"cfg_scale": 0.5, "cfg_interval": 3},
        {"temperature": 0.4, "remasking": "margin"},
    ),
    "span": ({}, {"span_tokens": 3}, {"span": "attended", "span_tokens": 3}),
}


def composed(options: Options) -> Decoder | None:
    """The decoder, or None where the combination is refused."""
    try:
        return preset("exact", block_length=8, **options)
    except UsageError:
        return None


def every(**fixed: Options) -> Iterator[Options]:
    """All combinations with the `fixed` choices that are not refused."""
    for parts in product(*({**CHOICES, **{k: (v,) for k, v in fixed.items()}}.values())):
        options = {key: value for part in parts for key, value in part.items()}
        if composed(options) is not None:
            yield options


def pairwise() -> list[Options]:
    """Combinations in which every pair of choices that can meet does; the same ones each time."""
    bits: dict[tuple[tuple[int, int], ...], int] = {}
    left: dict[int, Options] = {}
    for numbers in product(*(range(len(choices)) for choices in CHOICES.values())):
        parts = [choices[n] for choices, n in zip(CHOICES.values(), numbers, strict=True)]
        pairs = combinations(enumerate(numbers), 2)
        key = sum(bits.setdefault(pair, 1 << len(bits)) for pair in pairs)
        left[key] = {key: value for part in parts for key, value in part.items()}
    missing, cover = (1 << len(bits)) - 1, []
    while (best := max(left, key=lambda key: (key & missing).bit_count())) & missing:
        options = left.pop(best)
        if composed(options) is not None:
            cover.append(options)
            missing &= ~best
    return cover


def named(options: Options) -> str:
    """A short name for a test's id."""
    return ",".join(f"{key}={value}" for key, value in options.items()) or "exact"
