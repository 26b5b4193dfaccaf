"""Every maker gives a value that a statement can hold and an answer can be found by."""

import random
import re

import pytest

from foldctx_pipelines.training.values import MAKERS

FORMS = {
    "ordinal": r"[a-z]+|\d+(st|nd|rd|th)",
    "roman": r"[IVX]+",
    "letter": r"[A-Z]",
    "digits": r"[1-9]\d{0,3}",
    "age": r"[1-9]\d",
    "decimal": r"\d+\.\d{1,2}",
    "span": r"\d+(-| to )\d+",
    "years": r"\d{4}(-| to )\d{4}",
    "postcode": r"[A-Z]{2}\d+ \d[A-Z]{2}|\d{5}",
    "website": r"(www\.)?[a-z]+\.[a-z]+(/[a-z]+)?",
    "version": r"v?\d+\.\d+(\.\d+|-rc\d)?",
    "dose": r"\d+(\.\d)? (mg|micrograms|ml|mg/kg|drops|tablets)",
    "section": r"(section|clause|paragraph|article|rule|schedule|annex) \S+",
    "page": r"(page|p\.|pages|folio|sheet|chapter) \S+",
    "hours": r"\d.*\d.*",
    "titled": r"[A-Z][a-z]+( [A-Z][a-z]+){1,2}",
}


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_maker_varies_and_leaves_no_edges(name: str) -> None:
    rng = random.Random(0)
    values = [MAKERS[name](rng) for _ in range(300)]
    assert len(set(values)) >= 7
    for value in values:
        assert value == value.strip() and "  " not in value and not set("{}\n") & set(value)
    again = random.Random(0)
    assert [MAKERS[name](again) for _ in range(300)] == values


@pytest.mark.parametrize("name", sorted(FORMS))
def test_a_maker_keeps_to_its_forms(name: str) -> None:
    rng = random.Random(1)
    for _ in range(500):
        value = MAKERS[name](rng)
        assert re.fullmatch(FORMS[name], value), value


def test_ordinals_in_digits_take_the_right_ending() -> None:
    rng = random.Random(2)
    seen = {MAKERS["ordinal"](rng) for _ in range(3000)}
    assert {"11th", "12th", "13th", "21st", "22nd", "23rd", "93rd"} <= seen
    assert not {"11st", "12nd", "13rd", "21th"} & seen


def test_a_range_runs_upwards() -> None:
    rng = random.Random(3)
    for name in ("span", "years"):
        for _ in range(500):
            low, high = map(int, re.findall(r"\d+", MAKERS[name](rng)))
            assert low < high
