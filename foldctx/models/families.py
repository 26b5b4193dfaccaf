"""The families of checkpoints that can be read. Needs no torch."""

from collections.abc import Mapping
from typing import Any

from foldctx.errors import ModelError
from foldctx.models import dream, llada, llada2
from foldctx.models.family import Family

FAMILIES: Mapping[str, Family] = {
    family.name: family for family in (llada.FAMILY, dream.FAMILY, llada2.FAMILY)
}
"""Family by name; `foldctx models list` and every error message read this."""


def family_of(config: Mapping[str, Any], where: str) -> Family:
    """The family that a config.json belongs to, by `architectures`, else by `model_type`.

    `where` names the file in the ModelError that says what was found and what is supported.
    """
    architectures, model_type = config.get("architectures"), config.get("model_type")
    for family in FAMILIES.values():
        if isinstance(architectures, list) and architectures:
            if any(name in family.architectures for name in architectures):
                return family
        elif model_type in family.model_types:
            return family
    known = "; ".join(
        f"{family.name} (architectures {', '.join(family.architectures)})"
        for family in FAMILIES.values()
    )
    raise ModelError(
        f"{where}: architectures={architectures!r}, model_type={model_type!r} is not a model that "
        f"foldctx can run; supported: {known}"
    )
