"""Vectors of what tokens mean, from a sentence encoder: the start of the reader's embedding.

A reader of few million parameters sees too little text to learn that a fee is a price. A small
public encoder has learnt it; its vector of a word alone, cut to the directions in which words
differ most, is where the token's code begins (as static embeddings are distilled by model2vec).
The encoder is read once, before the first step, and is no part of the reader.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from foldctx.errors import UsageError

DIMENSIONS = 96
_WORD = re.compile(r"\u0120?[A-Za-z][A-Za-z'-]{2,}")


def token_meanings(tokens: Sequence[str], encoder: Path) -> Mapping[int, Tensor]:
    """Vectors (96,), of unit variance over the vocabulary, of the tokens that are words.

    `encoder` is a folder with a BERT-like sentence encoder in safetensors (all-MiniLM-L6-v2).
    Raises UsageError where it is none.
    """
    if not (encoder / "model.safetensors").is_file() or not (encoder / "config.json").is_file():
        raise UsageError(f"{encoder}: no config.json and model.safetensors of a sentence encoder")
    words = {i: token.lstrip("\u0120") for i, token in enumerate(tokens) if _WORD.fullmatch(token)}
    vectors = _encode(encoder, list(words.values()))
    centred = vectors - vectors.mean(0)
    _, spread, directions = torch.pca_lowrank(centred, DIMENSIONS, center=False, niter=8)
    # Half whitened: rare directions tell words apart, and weigh less than they would alone.
    scaled = (centred @ directions) / spread.clamp(min=1e-6).sqrt()
    scaled = scaled / scaled.square().mean(1, keepdim=True).sqrt().clamp(min=1e-6)
    return dict(zip(words, scaled, strict=True))


@torch.inference_mode()
def _encode(encoder: Path, words: Sequence[str]) -> Tensor:
    """Mean of the last layer's rows of each word alone (words, width)."""
    from transformers import AutoModel, AutoTokenizer

    model_type = json.loads((encoder / "config.json").read_text("utf-8")).get("model_type")
    if model_type != "bert":
        raise UsageError(f"{encoder}: model_type={model_type!r}; a bert encoder is expected")
    options = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(encoder, **options)
    model = AutoModel.from_pretrained(encoder, use_safetensors=True, **options).eval()
    rows = []
    for start in range(0, len(words), 256):
        batch = tokenizer(list(words[start : start + 256]), padding=True, return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].to(hidden.dtype)
        rows.append((hidden * mask).sum(1) / mask.sum(1))
    return torch.cat(rows)
