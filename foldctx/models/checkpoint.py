"""A model's name to a checkpoint that is known to be usable, before torch is imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

from foldctx.errors import ModelError, UsageError
from foldctx.models.calibration import read_calibration, template_path
from foldctx.models.dims import Dims
from foldctx.models.families import FAMILIES, family_of
from foldctx.models.family import ID_FIELDS, REQUIRED_IDS, Family
from foldctx.models.hub import PATTERNS, fetch, is_hub_name
from foldctx.models.info import ModelInfo
from foldctx.models.rope import ntk_scale
from foldctx.models.tokenizer import Tokenizer
from foldctx.models.weights import Weights, read_json, read_weights

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parents[1] / "reader" / "weights"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything of a model but its tensors; made by `read_checkpoint`."""

    folder: Path
    config: Mapping[str, Any]
    family: Family
    dims: Dims
    info: ModelInfo
    weights: Weights
    tokenizer: Tokenizer
    calibration: Mapping[str, Any]
    prompts_source: Path


def locate(
    name: str | Path, revision: str | None = None, patterns: Sequence[str] = PATTERNS
) -> tuple[Path, str | None]:
    """The folder of a model and, for a hub model, its commit; `patterns` are the files needed.

    `name` is "embedded", a folder, or `owner/name` on the hub (downloaded where needed); a folder
    of that name wins over the hub. Raises UsageError for anything else, ModelError when the
    embedded reader is not installed or the hub's model cannot be had.
    """
    if name != EMBEDDED and isinstance(name, str) and not Path(name).is_dir() and is_hub_name(name):
        return fetch(name, revision, patterns)
    if revision is not None:
        raise UsageError(f"revision={revision!r}: only models of the hub have one, not {name}")
    if name == EMBEDDED:
        if not EMBEDDED_FOLDER.is_dir():
            raise ModelError(
                f"the embedded reader is not in this installation ({EMBEDDED_FOLDER} is missing); "
                "reinstall foldctx, or name a model folder or a hub model"
            )
        return EMBEDDED_FOLDER, None
    if name != "" and Path(name).is_dir():  # an empty path would be the current folder
        return Path(name), None
    known = [checkpoint for family in FAMILIES.values() for checkpoint in family.checkpoints]
    raise UsageError(
        f"no model {str(name)!r}: give {EMBEDDED!r}, a folder with config.json and safetensors, "
        f"or a hub name owner/name such as {', '.join(known)}"
    )


def read_checkpoint(
    name: str | Path,
    *,
    revision: str | None = None,
    window: int | None = None,
    rope_scale_to: int | None = None,
) -> Checkpoint:
    """Find a model and check all of it that can be checked without its tensors.

    `window` lowers the window of the config; `rope_scale_to` raises it to so many tokens by a
    larger rotary base. Raises UsageError for a name or a window that cannot be used and ModelError
    for a folder that cannot, naming the file, what is wrong and the way out.
    """
    folder, commit = locate(name, revision)
    config = _read_config(folder)
    family = family_of(config, str(folder / "config.json"))
    try:
        dims = family.dims(config)
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from None
    if config.get("quantization_config") is not None:
        raise ModelError(
            f"{folder / 'config.json'}: quantization_config is set; quantised checkpoints "
            "are not read, use the 16-bit one"
        )
    weights = read_weights(folder)
    tokenizer = Tokenizer(folder)
    calibration = read_calibration(folder)
    limit, usual = _windows(config, family, folder)
    scale = 1
    if rope_scale_to is not None:
        scale = _rope_scale(family, dims, usual, rope_scale_to)
        dims = replace(dims, rope_theta=dims.rope_theta * scale)
        limit = usual = rope_scale_to
    info = ModelInfo(
        name=str(name),
        family=family.name,
        window=_window(window, limit, usual),
        vocab_size=dims.embeddings,
        logit_shift=family.logit_shift,
        block_grid=family.block_length if family.block_causal else None,
        rope_scale=scale,
        **_ids(config, family, tokenizer, folder),
        layers=dims.layers,
        width=dims.width,
        heads=dims.heads,
        parameters=weights.parameters,
        revision=commit,
        weights_sha256=_weights_sha256(folder, weights, calibration),
    )
    source = template_path(folder, calibration, family)
    return Checkpoint(folder, config, family, dims, info, weights, tokenizer, calibration, source)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(f"{path}: no such file; {folder} is not the folder of a model")
    return read_json(path)


def _weights_sha256(folder: Path, weights: Weights, calibration: Mapping[str, Any]) -> str:
    """The hash; of the embedded reader the recorded one, which is the same and costs no read."""
    recorded = calibration.get("weights_sha256")
    if folder == EMBEDDED_FOLDER and isinstance(recorded, str):
        return recorded
    return weights.sha256()


def _windows(config: Mapping[str, Any], family: Family, folder: Path) -> tuple[int, int]:
    """The largest window that may be asked for, and the one that holds when none is."""
    trained = config.get(family.window_field)
    if not _is_count(trained) or trained < 2:
        raise ModelError(
            f"{folder / 'config.json'}: {family.window_field}={trained!r}; "
            "it must say how many tokens the model was trained to read"
        )
    return trained, min(trained, family.window) if family.window_inherited else trained


def _window(wanted: int | None, limit: int, usual: int) -> int:
    if wanted is None:
        return usual
    if not 2 <= wanted <= limit:
        raise UsageError(f"window={wanted}: this model takes from 2 to {limit} tokens")
    return wanted


def _rope_scale(family: Family, dims: Dims, trained: int, target: int) -> int:
    if not family.rope_scales:
        able = ", ".join(other.name for other in FAMILIES.values() if other.rope_scales)
        raise UsageError(
            f"rope_scale_to={target}: nothing is known of {family.name} models with another rotary "
            f"base; it works for {able}"
        )
    return ntk_scale(head_dim=dims.head_dim, theta=dims.rope_theta, trained=trained, target=target)


def _ids(
    config: Mapping[str, Any], family: Family, tokenizer: Tokenizer, folder: Path
) -> dict[str, Any]:
    """Ids from the config, the published vocabulary or the tokenizer's texts, in this order."""
    vocab = int(config["vocab_size"])
    if tokenizer.vocab_size > vocab:
        raise ModelError(
            f"{folder}: tokenizer.json has {tokenizer.vocab_size} tokens and config.json "
            f"vocab_size={vocab}; they do not belong together"
        )
    ids: dict[str, int | None] = {}
    for label, field in ID_FIELDS.items():
        value = config.get(field)
        if value is None and vocab == family.vocabulary:
            value = family.ids.get(label)
        if value is None:
            value = tokenizer.find(family.tokens[label])
        if value is None and label in REQUIRED_IDS:
            raise ModelError(
                f"{folder / 'config.json'}: no {field}, and tokenizer.json has no token "
                f"{family.tokens[label]!r}; the ids of the published {family.name} vocabulary hold "
                f"for {family.vocabulary} tokens, not {vocab}. Add {field} to config.json"
            )
        ids[label] = value
    for field, value in (*((ID_FIELDS[k], v) for k, v in ids.items()), _pad(config)):
        if value is not None and not (_is_count(value) and 0 <= value < vocab):
            raise ModelError(
                f"{folder / 'config.json'}: {field}={value!r} is not one of the {vocab} token ids"
            )
    return ids


def _pad(config: Mapping[str, Any]) -> tuple[str, Any]:
    return "pad_token_id", config.get("pad_token_id")


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
