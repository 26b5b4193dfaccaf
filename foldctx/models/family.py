"""What a family of checkpoints has in common, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from foldctx.models.dims import Dims

ID_FIELDS: Mapping[str, str] = {
    "mask_id": "mask_token_id",
    "eos_id": "eos_token_id",
    "eot_id": "eot_token_id",
    "bos_id": "bos_token_id",
}
"""Names of the ids in `ModelInfo`, and the fields of config.json that may give them."""

REQUIRED_IDS = ("mask_id", "eos_id")


@dataclass(frozen=True, slots=True)
class Family:
    """Facts shared by the checkpoints of one architecture.

    `ids` are those of the published vocabulary of `vocabulary` tokens, and are used for no other;
    `tokens` are the texts by which any other tokenizer may name them. `window` is that of the
    published checkpoints. `template` is a file among foldctx's prompt templates. `dims` reads the
    sizes from a config.json, or raises ModelError.
    """

    name: str
    summary: str
    architectures: tuple[str, ...]
    model_types: tuple[str, ...]
    checkpoints: tuple[str, ...]
    links: tuple[str, ...]
    window: int
    vocabulary: int
    ids: Mapping[str, int]
    tokens: Mapping[str, str]
    weight_prefix: str
    template: str
    dims: Callable[[Mapping[str, Any]], Dims]
