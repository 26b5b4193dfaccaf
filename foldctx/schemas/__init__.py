"""The JSON Schemas (2020-12) of everything foldctx writes, one file each."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import orjson

from foldctx.errors import TraceError

NAMES = ("answer", "trace", "chunk", "generate", "run", "sample", "verify", "bench")


def load(name: str) -> dict[str, Any]:
    """Read the schema `name`, one of NAMES. Raises TraceError for another name."""
    if name not in NAMES:
        raise TraceError(f"no schema {name!r}; there are: {', '.join(NAMES)}")
    text = files("foldctx.schemas").joinpath(f"{name}.schema.json").read_bytes()
    schema: dict[str, Any] = orjson.loads(text)
    return schema


class Validator:
    """Says what is wrong with a value under the definitions of one schema file.

    A definition is named, not searched for, so that a message speaks of the field at fault
    instead of every form the value might have had.
    """

    def __init__(self, name: str) -> None:
        """Read the schema `name`, one of NAMES."""
        from jsonschema import Draft202012Validator  # 0.1 s: only those who validate pay for it

        self._whole = load(name)
        self._make = Draft202012Validator
        self._parts: dict[str, Any] = {}

    @property
    def definitions(self) -> Mapping[str, Any]:
        """The `$defs` of the file."""
        parts: Mapping[str, Any] = self._whole["$defs"]
        return parts

    def problems(self, value: object, definition: str) -> Iterator[str]:
        """Yield one message for each field of `value` that breaks the named definition."""
        if definition not in self._parts:
            schema = {"$ref": f"#/$defs/{definition}", "$defs": self._whole["$defs"]}
            self._parts[definition] = self._make(schema)
        for error in self._parts[definition].iter_errors(value):
            place = ".".join(str(part) for part in error.absolute_path)
            message = error.message if len(error.message) <= 300 else error.message[:297] + "..."
            yield f"{place}: {message}" if place else message
