"""Reading a config.json: the fields a family needs, and those that describe another network."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from foldctx.errors import ModelError


def check_fields(
    config: Mapping[str, Any], allowed: Mapping[str, tuple[Any, ...]], family: str
) -> None:
    """Raise ModelError for a field whose value asks for what the walk does not compute."""
    for field, values in allowed.items():
        if field in config and config[field] not in values:
            raise ModelError(
                f"config.json: {field}={config[field]!r} is not {family}'s architecture "
                f"(expected {values[0]!r})"
            )


def given(config: Mapping[str, Any], field: str, default: Any) -> Any:
    """A field's value, or the default where it is absent or null; zero is a value."""
    value = config.get(field)
    return default if value is None else value


@contextmanager
def sizes_of(family: str) -> Iterator[None]:
    """Turn a missing field or a size that is no number into a ModelError that says so."""
    try:
        yield
    except KeyError as missing:
        raise ModelError(
            f"config.json has no field {missing}; it is not a {family} config"
        ) from None
    except (TypeError, ValueError) as error:
        raise ModelError(f"config.json: a size is not a number ({error})") from None
