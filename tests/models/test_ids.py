"""Where the mask, end and begin ids come from: config, published vocabulary, tokenizer's texts."""

from pathlib import Path
from typing import Any

import pytest

from foldctx.errors import ModelError
from foldctx.models import FAMILIES, ModelInfo, read_checkpoint
from tests.models.checkpoints import SPECIALS, VOCAB, write_checkpoint

TEMPLATES = Path(__file__).parents[2] / "foldctx" / "folding" / "templates"
PUBLISHED = {"vocab_size": 126_464, "embedding_size": 126_464, "d_model": 4, "n_heads": 2}
SMALL: dict[str, Any] = {**PUBLISHED, "n_kv_heads": 1, "mlp_hidden_size": 4, "n_layers": 1}


def info(folder: Path, **fields: Any) -> ModelInfo:
    write_checkpoint(folder, **fields)
    return read_checkpoint(folder).info


def ids(info: ModelInfo) -> tuple[int | None, ...]:
    return info.mask_id, info.eos_id, info.eot_id, info.bos_id


def test_by_the_tokenizers_texts_and_zero_is_an_id(tmp_path: Path) -> None:
    assert ids(info(tmp_path)) == (0, 1, 2, 3)


def test_a_tokenizer_without_end_of_turn(tmp_path: Path) -> None:
    found = info(tmp_path, specials=SPECIALS[:2])
    assert ids(found) == (0, 1, None, None)
    assert found.stop_ids == (1,)


def test_the_config_wins(tmp_path: Path) -> None:
    fields = {"mask_token_id": 7, "eos_token_id": 0, "eot_token_id": 9, "bos_token_id": None}
    found = info(tmp_path, **fields)
    assert ids(found) == (7, 0, 9, 3)
    assert found.stop_ids == (0, 9)


def test_the_published_vocabulary_by_id(tmp_path: Path) -> None:
    """Its tokenizer files name no mask token, and Base names no end of turn."""
    found = info(tmp_path, specials=(), **SMALL)
    assert ids(found) == (126_336, 126_081, 126_348, 126_080)
    named = info(tmp_path / "config", specials=(), mask_token_id=0, eos_token_id=5, **SMALL)
    assert ids(named) == (0, 5, 126_348, 126_080)


def test_published_ids_hold_for_no_other_vocabulary(tmp_path: Path) -> None:
    other = {**SMALL, "vocab_size": 126_465, "embedding_size": 126_592}
    write_checkpoint(tmp_path, specials=(), **other)
    with pytest.raises(ModelError, match=r"no mask_token_id.*<\|mdm_mask\|>.*126464.*126465"):
        read_checkpoint(tmp_path)


def test_no_end_of_sequence(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, specials=SPECIALS[:1])
    with pytest.raises(ModelError, match=r"no eos_token_id.*<\|endoftext\|>.*Add eos_token_id"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "field", ["mask_token_id", "eos_token_id", "eot_token_id", "bos_token_id", "pad_token_id"]
)
@pytest.mark.parametrize("value", [VOCAB, -1, "7", True, [1]])
def test_an_id_outside_the_vocabulary(tmp_path: Path, field: str, value: Any) -> None:
    """Embedding rows beyond the vocabulary are no tokens."""
    write_checkpoint(tmp_path, embedding_size=VOCAB + 50, **{field: value})
    with pytest.raises(
        ModelError, match=f"config.json: {field}=.*not one of the {VOCAB} token ids"
    ):
        read_checkpoint(tmp_path)


def test_families_are_complete() -> None:
    for name, family in FAMILIES.items():
        assert family.name == name
        assert {"mask_id", "eos_id"} <= set(family.ids) <= set(family.tokens)
        assert (TEMPLATES / family.template).is_file()
        assert all(0 <= value < family.vocabulary for value in family.ids.values())
        assert family.checkpoints
        assert all(link.startswith("https://") for link in family.links)
