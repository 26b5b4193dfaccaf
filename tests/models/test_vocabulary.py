"""Dream's tokenizer files against transformers' Qwen2 tokenizer, and what is wrong with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import models, pre_tokenizers, trainers

from foldctx.errors import ModelError
from foldctx.models import read_checkpoint
from foldctx.models.tokenizer import Tokenizer
from tests.models.checkpoints import DREAM, write_checkpoint

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|beginoftext|>", "<|mask|>"]
TEXTS = [
    "The hall's number is 1234, isn't it?",
    "  two  spaces\n\n\tand a tab  \n",
    "Größe, naïve café, e\u0301 in two parts",
    "数字 12 と 漢字。",
    "x=1;y_2 = [3.14]\r\n",
    "<|im_end|> as text",
]


def write_pair(folder: Path) -> None:
    """vocab.json, merges.txt and tokenizer_config.json as Dream's repositories have them."""
    trained = RawTokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(["the number of the hall is the hall's number " * 9], trainer)
    model = json.loads(trained.to_str())["model"]
    vocabulary = model["vocab"]
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    added = {
        str(len(vocabulary) + i): {"content": token, "special": True, "normalized": False}
        for i, token in enumerate(SPECIALS)
    }
    config = {"added_tokens_decoder": added, "eos_token": SPECIALS[0]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def test_equal_to_transformers_tokenizer(tmp_path: Path) -> None:
    from transformers import Qwen2TokenizerFast

    write_pair(tmp_path)
    theirs = Qwen2TokenizerFast(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    ours = Tokenizer(tmp_path)
    for text in TEXTS:
        ids = ours.encode_text(text)
        assert ids == theirs.encode(text, add_special_tokens=False)
    assert max(map(len, (ours.encode_text(text) for text in TEXTS))) > 5
    assert ours.decode(ours.encode_text(TEXTS[0])) == TEXTS[0]


def test_special_tokens_are_known_to_templates_only(tmp_path: Path) -> None:
    write_pair(tmp_path)
    tokenizer = Tokenizer(tmp_path)
    ends = tokenizer.token_id("<|im_end|>")
    assert tokenizer.encode_template("<|im_end|>") == [ends]
    assert ends not in tokenizer.encode_text("<|im_end|>")
    assert tokenizer.vocab_size == ends + 3


def test_a_dream_folder_without_tokenizer_json(tmp_path: Path) -> None:
    given: dict[str, Any] = {"vocab_size": 340, "mask_token_id": None, "eos_token_id": None}
    write_checkpoint(tmp_path, base=DREAM, **given)
    (tmp_path / "tokenizer.json").unlink()
    write_pair(tmp_path)
    found = read_checkpoint(tmp_path)
    names = ("<|mask|>", "<|endoftext|>", "<|im_end|>")
    ids = tuple(found.tokenizer.token_id(name) for name in names)
    assert (found.info.mask_id, found.info.eos_id, found.info.eot_id) == ids


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no merges": (
        lambda folder: (folder / "merges.txt").unlink(),
        r"nor vocab.json and merges.txt",
    ),
    "three tokens": (
        lambda folder: (folder / "merges.txt").write_text("a b\na b c\n"),
        r"merges\.txt: merge 2 is 'a b c', not two tokens",
    ),
    "no config": (
        lambda folder: (folder / "tokenizer_config.json").unlink(),
        r"tokenizer_config\.json: no such file",
    ),
    "no specials": (
        lambda folder: (folder / "tokenizer_config.json").write_text("{}"),
        r"has no added_tokens_decoder",
    ),
    "damaged specials": (
        lambda folder: (folder / "tokenizer_config.json").write_text(
            '{"added_tokens_decoder": {"one": {}}}'
        ),
        r"added_tokens_decoder is damaged",
    ),
    "unknown merge": (
        lambda folder: (folder / "merges.txt").write_text("zzz yyy\n"),
        r"the tokenizer cannot be built",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_refusals(tmp_path: Path, name: str) -> None:
    write_pair(tmp_path)
    spoil, message = SPOILED[name]
    spoil(tmp_path)
    with pytest.raises(ModelError, match=message):
        Tokenizer(tmp_path)
