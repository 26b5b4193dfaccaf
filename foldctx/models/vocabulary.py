"""The tokenizer of a model folder, in tokenizer.json's form.

Dream's repositories carry no tokenizer.json but the older pair vocab.json and merges.txt, with the
special tokens in tokenizer_config.json, and Qwen2's way of cutting text is known to its code only.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foldctx.errors import ModelError
from foldctx.models.weights import read_json

FILE = "tokenizer.json"
PAIR = ("vocab.json", "merges.txt")
FILES = (FILE, *PAIR, "tokenizer_config.json")
"""All that a tokenizer may be made from."""

# Qwen2's pre-tokenizer (GPT-4's with single digits), as in its published tokenizer.json.
_QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def tokenizer_form(folder: Path) -> dict[str, Any]:
    """The form of a folder's tokenizer, read or made from the older files.

    Raises ModelError naming the file that is missing or cannot be read.
    """
    if (folder / FILE).is_file() or not all((folder / name).is_file() for name in PAIR):
        return read_form(folder / FILE)
    vocabulary = read_json(folder / PAIR[0])
    added = _added_tokens(folder)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": _QWEN2_WORDS},
                    "behavior": "Isolated",
                    "invert": False,
                },
                _byte_level(),
            ],
        },
        "post_processor": None,
        "decoder": _byte_level(),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": _merges(folder / PAIR[1]),
        },
    }


def read_form(path: Path) -> dict[str, Any]:
    """A tokenizer.json; ModelError when it is missing or no JSON object."""
    try:
        form = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{path}: no such file, nor {' and '.join(PAIR)}; the model folder needs the tokenizer "
            "of its hub page"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not a tokenizer.json ({error})") from None
    if not isinstance(form, dict):
        raise ModelError(f"{path}: not a tokenizer.json (it holds no object)")
    return form


def _byte_level() -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": False,
    }


def _merges(path: Path) -> list[list[str]]:
    """The pairs of merges.txt in order; a first line that begins with #version is no pair."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read ({error})") from None
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    for number, pair in enumerate(pairs):
        if len(pair) != 2:
            raise ModelError(f"{path}: merge {number + 1} is {' '.join(pair)!r}, not two tokens")
    return pairs


def _added_tokens(folder: Path) -> list[dict[str, Any]]:
    """The tokens beyond the vocabulary, by rising id, from tokenizer_config.json."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        raise ModelError(f"{path}: no such file; it names the special tokens of {PAIR[0]}")
    listed = read_json(path).get("added_tokens_decoder")
    if not isinstance(listed, Mapping):
        raise ModelError(f"{path}: has no added_tokens_decoder that names the special tokens")
    try:
        return [
            {"id": id, "content": str(token["content"])}
            | {flag: bool(token.get(flag, False)) for flag in _FLAGS}
            for id, token in sorted((int(id), token) for id, token in listed.items())
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: added_tokens_decoder is damaged ({error!r})") from None
