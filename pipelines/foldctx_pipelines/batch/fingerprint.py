"""What a run's records depend on, and what changed of it."""

from collections.abc import Iterator, Mapping
from typing import Any

Fingerprint = Mapping[str, Any]
"""Plain values under names: model, tokenizer, config, prompts, code and what else decides."""


def differences(before: Fingerprint, now: Fingerprint) -> list[str]:
    """What changed, a line for each value: `config.strategy was 'fold' and is 'map'`."""
    old, new = dict(_flat(before)), dict(_flat(now))
    changed = []
    for name in dict.fromkeys((*old, *new)):
        was, is_now = old.get(name), new.get(name)
        if was != is_now:
            changed.append(f"{name} was {was!r} and is {is_now!r}")
    return changed


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by their dotted names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        yield name, [dict(_flat(item)) if isinstance(item, Mapping) else item for item in value]
    else:
        yield name, value
