"""A trained state as a LLaDA checkpoint in the hub's form, stored in 16 bits."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from foldctx.errors import UsageError
from foldctx.models import read_checkpoint
from foldctx.models.architecture import Dims
from foldctx.models.llada import WEIGHT_PREFIX, size_fields
from foldctx.models.weights import read_weights

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def llada_config(dims: Dims, window: int, ids: Mapping[str, int]) -> dict[str, Any]:
    """config.json of the LLaDA family for these sizes."""
    return {
        "architectures": ["LLaDAModelLM"],
        "model_type": "llada",
        "activation_type": "silu",
        "block_type": "llama",
        "layer_norm_type": "rms",
        "rope": True,
        "alibi": False,
        "include_bias": False,
        "include_qkv_bias": dims.qkv_bias,
        **size_fields(dims, window),
        "rms_norm_eps": dims.norm_eps,
        "rope_theta": dims.rope_theta,
        **ids,
    }


def export(
    run: Path,
    target: Path,
    dims: Dims,
    *,
    window: int,
    ids: Mapping[str, int],
    calibration: Mapping[str, Any],
) -> None:
    """Write the run's model to the folder `target`, its weights in one move.

    Raises UsageError when the run has no state yet.
    """
    state_file = run / "state.safetensors"
    if not state_file.exists():
        raise UsageError(f"{run}: no state.safetensors in it; train first")
    state = load_file(state_file)
    weights = {
        WEIGHT_PREFIX + name.removeprefix("model."): tensor.to(torch.float16).contiguous()
        for name, tensor in state.items()
        if name.startswith("model.")
    }
    target.mkdir(parents=True, exist_ok=True)
    copy_tokenizer(run, target)
    config = llada_config(dims, window, ids)
    (target / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    temporary = target / "model.safetensors.tmp"
    save_file(weights, temporary, metadata={"format": "pt"})
    temporary.chmod(0o644)  # save_file makes a file that its owner alone can read
    os.replace(temporary, target / "model.safetensors")
    write_calibration(target, calibration)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer's files from one folder to another. Raises UsageError if one is missing."""
    target.mkdir(parents=True, exist_ok=True)
    for name in _TOKENIZER_FILES:
        if not (source / name).is_file():
            raise UsageError(f"{source}: no {name} in it; name a folder with a whole tokenizer")
        if source != target:
            shutil.copyfile(source / name, target / name)


def write_calibration(target: Path, calibration: Mapping[str, Any]) -> None:
    """Write foldctx.json with the hash of the weights that lie beside it."""
    form = {**calibration, "weights_sha256": read_weights(target).sha256()}
    (target / "foldctx.json").write_text(json.dumps(form, indent=1) + "\n", "utf-8")
    read_checkpoint(target)
