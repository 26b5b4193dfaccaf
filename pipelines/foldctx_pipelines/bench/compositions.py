"""Names for decoders: a preset, or feed + cache + commit, each with options in parentheses.

`elastic`, `exact(stop=eos)`, `whole+dual+threshold`, `elastic(near=16)+prefix+threshold(tau=0.8)`.
Nothing here imports torch before a decoder is built.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from foldctx.decoding.presets import check_preset
from foldctx.errors import UsageError

if TYPE_CHECKING:
    from foldctx.decoding import Decoder

# Per seam: a member's short name, and the module and class that it stands for.
FEEDS: Mapping[str, tuple[str, str]] = {
    "whole": ("feed", "WholeCanvas"),
    "elastic": ("feed", "Elastic"),
    "window": ("feed", "SuffixWindow"),
    "dpad": ("feed", "GaussianDropout"),
    "dpad-uniform": ("feed", "UniformDropout"),
}
CACHES: Mapping[str, tuple[str, str]] = {
    "none": ("cache", "NoCache"),
    "prefix": ("cache", "PrefixCache"),
    "dual": ("cache", "DualCache"),
    "feature": ("features", "FeatureCache"),
    "sparse": ("sparse", "SparseCache"),
}
COMMITS: Mapping[str, tuple[str, str]] = {
    "quota": ("commit", "Quota"),
    "threshold": ("commit", "Threshold"),
    "dynamic": ("commit", "DynamicThreshold"),
    "factor": ("commit", "Factor"),
}
STOPS: Mapping[str, tuple[str, str]] = {
    "never": ("stop", "Never"),
    "eos": ("stop", "FirstEos"),
    "eos-in-block": ("stop", "EosInBlock"),
    "converged": ("stop", "Converged"),
}
_SEAMS = (("feed", FEEDS), ("cache", CACHES), ("commit", COMMITS), ("stop", STOPS))
_PART = re.compile(r"([a-z][a-z0-9_-]*)(?:\((.*)\))?")
_WORDS: Mapping[str, Any] = {"none": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Part:
    """A name with options."""

    name: str
    options: Mapping[str, Any]


def split_names(text: str) -> list[str]:
    """The names in a list joined by commas; those in parentheses do not count."""
    return [name for name in re.split(r",\s*(?![^()]*\))", text) if name]


def parse(name: str) -> tuple[Part, ...]:
    """The parts of a decoder's name: one preset, or feed, cache, commit and perhaps a stop.

    Raises UsageError for anything else, listing what there is.
    """
    parts = tuple(_part(text, name) for text in re.split(r"\+(?![^()]*\))", name))
    if len(parts) == 1:
        check_preset(parts[0].name, parts[0].options)
        return parts
    if len(parts) not in (3, 4):
        raise UsageError(f"{name!r}: give a preset, or feed+cache+commit such as whole+dual+threshold")
    for part, (seam, known) in zip(parts, _SEAMS, strict=False):
        if part.name not in known:
            raise UsageError(f"{name!r}: {seam} {part.name!r}: choose from {', '.join(known)}")
    return parts


def _part(text: str, name: str) -> Part:
    match = _PART.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{name!r}: {text!r} is not of the form name or name(option=value,...)")
    options = {}
    for setting in (match[2] or "").split(","):
        key, equals, value = setting.partition("=")
        if setting and not (key.strip() and equals):
            raise UsageError(f"{name!r}: {setting!r} is not of the form option=value")
        if setting:
            options[key.strip()] = _value(value.strip())
    return Part(match[1], options)


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def build_decoder(name: str, *, block_length: int) -> "Decoder":
    """The decoder of a name; UsageError for an option that it does not take or cannot work."""
    from foldctx.decoding import Decoder, Proposer, preset

    parts = parse(name)
    if len(parts) == 1:
        built = preset(parts[0].name, **{"block_length": block_length, **parts[0].options})
        return replace(built, name=name)
    members = [_member(part, known, name) for part, (_, known) in zip(parts, _SEAMS, strict=False)]
    feed, cache, commit, stop = [*members, _member(Part("eos", {}), STOPS, name)][:4]
    return Decoder(feed, cache, Proposer(), commit, stop, block_length, name=name)


def _member(part: Part, known: Mapping[str, tuple[str, str]], name: str) -> Any:
    module, kind = known[part.name]
    make: Callable[..., Any] = getattr(import_module(f"foldctx.decoding.{module}"), kind)
    options = [item.name for item in fields(make)]  # type: ignore[arg-type]
    if unknown := sorted(set(part.options) - set(options)):
        takes = ", ".join(options) or "none"
        raise UsageError(f"{name!r}: {part.name} has no option {unknown[0]!r}; it takes {takes}")
    try:
        return make(**part.options)
    except TypeError as error:  # a value of another type, found by a comparison
        raise UsageError(f"{name!r}: {part.name}: {error}") from None


def build_decoders(names: Sequence[str], *, block_length: int) -> dict[str, "Decoder"]:
    """Decoders by their names, each once, the exact one first."""
    ordered = dict.fromkeys(["exact", *names])
    return {name: build_decoder(name, block_length=block_length) for name in ordered}
