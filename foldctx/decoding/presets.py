"""Presets: named decoders. Names and options are known without importing torch."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

from foldctx.errors import UsageError

if TYPE_CHECKING:
    from foldctx.decoding.decoder import Decoder
    from foldctx.decoding.stop import Stop

PRESET_NAMES: Mapping[str, str] = {
    "exact": "LLaDA's own sampler, token for token (https://arxiv.org/abs/2502.09992)",
    "parallel": "every confident token at once, no cache (https://arxiv.org/abs/2505.22618)",
    "elastic": "near masks and the terminal one, prefix cache, confident tokens at once "
    "(https://arxiv.org/abs/2605.18165)",
}

StopName = Literal["never", "eos"]


def _stop(name: str) -> "Stop":
    from foldctx.decoding.stop import FirstEos, Never

    stops: dict[str, type[Never] | type[FirstEos]] = {"never": Never, "eos": FirstEos}
    if name not in stops:
        raise UsageError(f"stop={name!r}: choose from {', '.join(stops)}")
    return stops[name]()


def exact(
    *,
    block_length: int = 32,
    steps: int | None = None,
    temperature: float = 0.0,
    cfg_scale: float = 0.0,
    remasking: str = "low_confidence",
    logits_eos_inf: bool = False,
    confidence_eos_eot_inf: bool = False,
    stop: str = "never",
) -> "Decoder":
    """LLaDA's sampler: the whole canvas in every forward, a fixed number of commits per step."""
    from foldctx.decoding.cache import NoCache
    from foldctx.decoding.commit import Quota
    from foldctx.decoding.decoder import Decoder
    from foldctx.decoding.feed import WholeCanvas
    from foldctx.decoding.propose import Proposer

    proposer = Proposer(
        temperature,
        cfg_scale,
        logits_eos_inf,
        confidence_eos_eot_inf,
        remasking,  # type: ignore[arg-type]  # Proposer refuses what is not a name
    )
    return Decoder(
        WholeCanvas(), NoCache(), proposer, Quota(steps), _stop(stop), block_length, name="exact"
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
) -> "Decoder":
    """The whole canvas without a cache, as many commits as pass the threshold."""
    from foldctx.decoding.cache import NoCache
    from foldctx.decoding.commit import Threshold
    from foldctx.decoding.decoder import Decoder
    from foldctx.decoding.feed import WholeCanvas
    from foldctx.decoding.propose import Proposer

    return Decoder(
        WholeCanvas(),
        NoCache(),
        Proposer(temperature, cfg_scale, logits_eos_inf, confidence_eos_eot_inf),
        Threshold(threshold),
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
) -> "Decoder":
    """Folded masks, a prefix cache per block and a threshold; `span_tokens` survive a span fold."""
    from foldctx.decoding.cache import PrefixCache
    from foldctx.decoding.canvas import SpanFold
    from foldctx.decoding.commit import Threshold
    from foldctx.decoding.decoder import Decoder
    from foldctx.decoding.feed import Elastic
    from foldctx.decoding.propose import Proposer

    return Decoder(
        Elastic(near, stride),
        PrefixCache(),
        Proposer(temperature),
        Threshold(threshold),
        _stop(stop),
        block_length,
        SpanFold("first" if span_tokens else "nothing", span_tokens),
        name="elastic",
    )


PRESETS: Mapping[str, "Callable[..., Decoder]"] = {
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
    """Raise UsageError for an unknown preset, an unknown option or a value of the wrong type."""
    known = preset_options(name)
    for key, value in overrides.items():
        if key not in known:
            raise UsageError(
                f"preset {name} has no option {key!r}; it takes {', '.join(sorted(known))}"
            )
        kind = signature(PRESETS[name]).parameters[key].annotation
        allowed = kind | int if kind is float else kind
        if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
            shown = getattr(kind, "__name__", str(kind))
            raise UsageError(f"preset {name}: {key}={value!r} is not of type {shown}")


def preset(name: str, **overrides: Any) -> "Decoder":
    """Build the named decoder with some of its options changed; UsageError lists what there is."""
    check_preset(name, overrides)
    return PRESETS[name](**overrides)
