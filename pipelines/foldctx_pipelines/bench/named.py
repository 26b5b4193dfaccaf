"""Names for decoders on a command line: a preset, with changed options in parentheses.

`elastic`, `exact(stop=eos)`, `exact(cache=dual, commit=threshold, threshold=0.8)`. Nothing here
imports torch before a decoder is built.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from foldctx.decoding.parts import SEAMS
from foldctx.decoding.presets import check_preset
from foldctx.errors import UsageError

if TYPE_CHECKING:
    from foldctx.decoding import Decoder

_FORM = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\((.*)\))?\s*")
_WORDS: Mapping[str, Any] = {"none": None, "true": True, "false": False}


def split_names(text: str) -> list[str]:
    """The names in a list joined by commas; commas in parentheses do not part them."""
    return [name.strip() for name in re.split(r",(?![^()]*\))", text) if name.strip()]


def parse_name(name: str) -> tuple[str, dict[str, Any]]:
    """A preset and its changed options, checked. Raises UsageError for anything else."""
    match = _FORM.fullmatch(name)
    if match is None:
        raise UsageError(f"{name!r} is not of the form preset or preset(option=value, ...)")
    options: dict[str, Any] = {}
    for setting in filter(str.strip, (match[2] or "").split(",")):
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not (key and equals):
            raise UsageError(f"{name!r}: {setting.strip()!r} is not of the form option=value")
        options[key] = value if key in SEAMS else _value(value)
    check_preset(match[1], options)
    return match[1], options


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
    """The decoder of a name; UsageError for what cannot work."""
    from foldctx.decoding import preset

    base, options = parse_name(name)
    return replace(preset(base, **{"block_length": block_length, **options}), name=name)


def build_decoders(names: Sequence[str], *, block_length: int) -> dict[str, "Decoder"]:
    """Decoders by their names, each once, the exact one first."""
    ordered = dict.fromkeys(["exact", *names])
    return {name: build_decoder(name, block_length=block_length) for name in ordered}
