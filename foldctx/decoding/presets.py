"""Presets: named decoders. Their names and options are known without importing torch."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, get_args

from foldctx import decoding  # resolves its names when a preset is built, not before
from foldctx.decoding.presets_families import block, dream
from foldctx.errors import UsageError

if TYPE_CHECKING:
    from foldctx.decoding.propose import Remasking

DEFAULT_PRESET = "elastic"

PRESET_NAMES: Mapping[str, str] = {
    "exact": "LLaDA's own sampler, token for token (https://arxiv.org/abs/2502.09992)",
    "dream": "Dream's own sampler, for its models (https://arxiv.org/abs/2508.15487)",
    "block": "LLaDA2's own sampler and exact cache, for its models "
    "(https://arxiv.org/abs/2512.15745)",
    "parallel": "every confident token at once, no cache (https://arxiv.org/abs/2505.22618)",
    "elastic": "near masks and the terminal one, prefix cache, confident tokens at once "
    "(https://arxiv.org/abs/2605.18165)",
}


def _stop(name: str) -> "decoding.Never | decoding.FirstEos":
    if name not in ("never", "eos"):
        raise UsageError(f"stop={name!r}: choose from never, eos")
    return decoding.FirstEos() if name == "eos" else decoding.Never()


def exact(
    *,
    block_length: int = 32,
    steps: int | None = None,
    temperature: float = 0.0,
    cfg_scale: float = 0.0,
    remasking: "Remasking" = "low_confidence",
    logits_eos_inf: bool = False,
    confidence_eos_eot_inf: bool = False,
    stop: str = "never",
) -> "decoding.Decoder":
    """LLaDA's sampler: the whole canvas in every forward, a fixed number of commits per step."""
    return decoding.Decoder(
        decoding.WholeCanvas(),
        decoding.NoCache(),
        decoding.Proposer(
            temperature, cfg_scale, logits_eos_inf, confidence_eos_eot_inf, remasking
        ),
        decoding.Quota(steps),
        _stop(stop),
        block_length,
        name="exact",
    )


def parallel(
    *,
    block_length: int = 32,
    threshold: float = 0.9,
    temperature: float = 0.0,
    cfg_scale: float = 0.0,
    logits_eos_inf: bool = False,
    confidence_eos_eot_inf: bool = False,
    stop: str = "eos",
) -> "decoding.Decoder":
    """The whole canvas without a cache; as many commits as pass the threshold."""
    return decoding.Decoder(
        decoding.WholeCanvas(),
        decoding.NoCache(),
        decoding.Proposer(temperature, cfg_scale, logits_eos_inf, confidence_eos_eot_inf),
        decoding.Threshold(threshold),
        _stop(stop),
        block_length,
        name="parallel",
    )


def elastic(
    *,
    block_length: int = 32,
    near: int = 64,
    stride: int | None = None,
    threshold: float = 0.9,
    temperature: float = 0.0,
    span_tokens: int = 0,
    stop: str = "eos",
) -> "decoding.Decoder":
    """Folded masks, a prefix cache per block and a threshold; `span_tokens` survive a span fold."""
    return decoding.Decoder(
        decoding.Elastic(near, stride),
        decoding.PrefixCache(),
        decoding.Proposer(temperature),
        decoding.Threshold(threshold),
        _stop(stop),
        block_length,
        decoding.SpanFold("first" if span_tokens else "nothing", span_tokens),
        name="elastic",
    )


PRESETS: Mapping[str, "Callable[..., decoding.Decoder]"] = {
    "dream": dream,
    "block": block,
    "exact": exact,
    "parallel": parallel,
    "elastic": elastic,
}


def preset_options(name: str) -> dict[str, Any]:
    """A preset's options and their defaults. Raises UsageError for an unknown name."""
    if name not in PRESETS:
        raise UsageError(f"preset {name!r}: choose from {', '.join(PRESETS)}")
    return {key: option.default for key, option in signature(PRESETS[name]).parameters.items()}


def check_preset(name: str, overrides: Mapping[str, Any]) -> None:
    """Raise UsageError for an unknown preset, an unknown option or a value of another type."""
    known = preset_options(name)
    for key, value in overrides.items():
        if key not in known:
            raise UsageError(
                f"preset {name} has no option {key!r}; it takes {', '.join(sorted(known))}"
            )
        kinds = _kinds(signature(PRESETS[name]).parameters[key].annotation)
        if type(value) not in kinds:
            names = " or ".join(kind.__name__ for kind in kinds)
            raise UsageError(f"preset {name}: {key}={value!r} is not of type {names}")


def _kinds(annotation: Any) -> tuple[type, ...]:
    """The types an option takes: a whole number will do for a fraction, a bool for neither."""
    if isinstance(annotation, str):  # a name out of a list, checked where it is used
        return (str,)
    return (float, int) if annotation is float else get_args(annotation) or (annotation,)


def preset(name: str, **overrides: Any) -> "decoding.Decoder":
    """Build the named decoder with some of its options changed; UsageError lists what there is."""
    check_preset(name, overrides)
    return PRESETS[name](**overrides)
