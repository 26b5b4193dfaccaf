"""foldctx.json of a model folder: which prompts a checkpoint reads, and its measured thresholds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foldctx.errors import ModelError
from foldctx.models.family import Family
from foldctx.models.weights import read_json

CALIBRATION_FILE = "foldctx.json"
_TEMPLATES = Path(__file__).parents[1] / "folding" / "templates"
_PROBABILITIES = ("skip_threshold", "abstain_threshold")


def read_calibration(folder: Path) -> dict[str, Any]:
    """The object in foldctx.json; empty where the folder has none.

    `template` names a prompt template, `skip_threshold` and `abstain_threshold` are probabilities
    or null, `memory_tokens` is a count; other fields are handed on. Raises ModelError otherwise.
    """
    path = folder / CALIBRATION_FILE
    if not path.is_file():
        return {}
    form = read_json(path)
    template, memory = form.get("template"), form.get("memory_tokens")
    if template is not None and not isinstance(template, str):
        raise ModelError(f"{path}: template={template!r} is not a file name")
    for field in _PROBABILITIES:
        value = form.get(field)
        if value is not None and not (_is_number(value) and 0 <= value <= 1):
            raise ModelError(f"{path}: {field}={value!r}; give a probability from 0 to 1, or null")
    if memory is not None and not (isinstance(memory, int) and _is_number(memory) and memory > 0):
        raise ModelError(f"{path}: memory_tokens={memory!r}; give a number of tokens from 1 up")
    return form


def template_path(folder: Path, calibration: Mapping[str, Any], family: Family) -> Path:
    """The prompt template of a model: the one that its foldctx.json names, or its family's.

    A name is looked up in the model's folder, then among foldctx's own templates. Raises ModelError
    for one that is in neither, or that points outside the folder.
    """
    name = calibration.get("template")
    if name is None:
        return _TEMPLATES / family.template
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise ModelError(
            f"{folder / CALIBRATION_FILE}: template={name!r} points outside the model's folder"
        )
    for home in (folder, _TEMPLATES):
        if (home / relative).is_file():
            return home / relative
    own = ", ".join(sorted(path.name for path in _TEMPLATES.glob("*.toml")))
    raise ModelError(
        f"{folder / CALIBRATION_FILE}: template={name!r} is neither in the folder nor one of: {own}"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
