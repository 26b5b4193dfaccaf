import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foldctx.errors import ModelError, UsageError
from foldctx.folding.config import Calibration, FoldConfig
from foldctx.folding.prompts import TEMPLATES, Prompts
from foldctx.models.tokenizer import Tokenizer
from tests.folding.toys import Toy

MakeToy = Callable[..., Toy]


def form() -> dict[str, Any]:
    return tomllib.loads((TEMPLATES / "reader.toml").read_text())


def test_a_slot_names_units_by_their_markers_alone(make_toy: MakeToy) -> None:
    toy = make_toy()
    token = toy.tokenizer.token_id
    slot = [token("<|s3|>"), token("<|q2|>"), token("<|s3|>"), token("<|s9|>"), token("<|s1|>")]
    assert toy.prompts.pointed(slot, 5) == (2, 0)
    assert toy.prompts.pointed(toy.tokenizer.encode_text("2"), 5) == ()
    assert toy.prompts.pointed([token("<|none|>"), token("<|s1|>")], 5) == ()
    assert toy.prompts.pointed([], 5) == ()


def test_a_template_of_words_names_units_by_number(tokenizer: Tokenizer) -> None:
    prompts = Prompts.from_file(TEMPLATES / "llada.toml", tokenizer)
    assert prompts.pointed(tokenizer.encode_text("2, 4 and 99"), 5) == (1, 3)
    assert prompts.pointed(tokenizer.encode_text("None."), 5) == ()
    with pytest.raises(ModelError, match="is not one token"):
        _ = prompts.markers


@pytest.mark.parametrize("template", ["reader.toml", "llada.toml"])
@pytest.mark.parametrize("task", ["read", "write"])
def test_units_stand_where_their_places_say(tokenizer: Tokenizer, template: str, task: str) -> None:
    prompts = Prompts.from_file(TEMPLATES / template, tokenizer)
    units = prompts.text_ids([f"The price of thing {i} is {i}." for i in range(12)])
    pieces = prompts.read([(300,)], [], units, task=task)
    (chunk,) = (ids for kind, ids in pieces if kind == "chunk")
    places, length = prompts.unit_places(units, task=task)
    assert [chunk[start:end] for start, end in places] == units
    assert length == len(chunk)
    assert length <= sum(len(unit) + prompts.unit_overhead() for unit in units)


def test_the_text_of_a_special_token_is_text(make_toy: MakeToy) -> None:
    toy = make_toy()
    (ids,) = toy.prompts.text_ids(["<|mdm_mask|>  and\n<|s1|>"])
    assert toy.info.mask_id not in ids
    assert not set(ids) & set(toy.prompts.markers)
    assert toy.prompts.decode(ids) == "<|mdm_mask|> and <|s1|>"


def broken(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    made = form()
    change(made)
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (broken(lambda f: f.pop("none")), "field 'none' is missing"),
        (broken(lambda f: f["read"].pop("canvas")), "field 'canvas' is missing"),
        (broken(lambda f: f["read"].update(unit="{k}")), r"read.unit: '\{k\}' has no \{text\}"),
        (broken(lambda f: f["read"].update(unit="{x}{text}")), "another place"),
        (broken(lambda f: f["read"].update(template="{questions}{memory}")), r"lacks \{chunk\}"),
        (broken(lambda f: f.update(max_units=0)), "max_units=0"),
        (broken(lambda f: f.update(max_units="x")), "wrong kind"),
        (broken(lambda f: f.update(answer="x")), "wrong kind"),
    ],
)
def test_a_template_that_cannot_serve_is_refused(
    tokenizer: Tokenizer, made: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Prompts(made, tokenizer)


def test_a_file_that_is_no_template_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    for data in (b"none = ", b"\xff"):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=r"t\.toml: not a template file"):
            Prompts.from_file(path, tokenizer)
    with pytest.raises(UsageError, match="not a template file"):
        Prompts.from_file(tmp_path / "missing.toml", tokenizer)


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "guess"},
        {"note_kind": "x"},
        {"question_policy": "x"},
        {"window": 0},
        {"memory_tokens": 0},
        {"gen_length": 0},
        {"retrieve_windows": 0},
        {"rows": 0},
        {"reread_windows": -1},
        {"max_quotes": -1},
        {"skip_threshold": 0.0},
        {"skip_threshold": float("nan")},
        {"abstain_threshold": 1.5},
        {"abstain_threshold": -0.1},
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=name):
        FoldConfig(**options)


@pytest.mark.parametrize(
    "measured",
    [{"skip_threshold": 2.0}, {"hit_share": "x"}, {"memory_tokens": 0}, {"note_tokens": -1.0}],
)
def test_measurements_that_cannot_be_are_refused(measured: dict[str, Any]) -> None:
    (name,) = measured
    with pytest.raises(ModelError, match=name):
        Calibration(**measured)


def test_the_memory_fills_window_by_window_until_it_is_full() -> None:
    measured = Calibration(note_tokens=2.0)
    assert [measured.carried(n, 3, 40) for n in (0, 1, 5, 20)] == [0, 6, 30, 40]
    assert Calibration().carried(0, 3, 40) == 40
