"""Sentence units: an exact partition, with boundaries where a reader sees them."""

import time

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from foldctx.documents import sentences

# Characters that make boundaries, join graphemes, or look like structure.
ALPHABET = st.sampled_from(
    [
        *"abzAZ019 .!?,;:()\"'”」。！？、\n\r\t\f#-*|_=\u00a0\u2028",
        "漢",
        "か",
        "と",
        "\u0301",
        "\u200d",
    ]
    + [
        "👨",
        "👩",
        "🏽",
        "🇩",
        "🇪",
        "é",
        "한",
        "ำ",
        "Dr. ",
        "\n\n",
        "\r\n",
        "- ",
        "1. ",
        "No. ",
        "e.g. ",
    ]
)
TEXTS = st.lists(ALPHABET, max_size=80).map("".join) | st.text(max_size=80)


def units(text: str) -> list[str]:
    """Cut a text and give the units without the white space behind them."""
    return [text[start:end].rstrip() for start, end in sentences(text)]


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.integers(0, 50))
def test_units_partition_the_text_between_graphemes(text: str, start: int) -> None:
    spans = sentences(text, start)
    edges = [start, *(end for _, end in spans)]
    assert [left for left, _ in spans] == edges[:-1]
    assert edges[-1] == start + len(text)
    assert all(left < right for left, right in spans)
    graphemes = {match.start() for match in regex.finditer(r"\X", text)}
    assert {left - start for left, _ in spans} <= graphemes


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_white_space_belongs_to_the_unit_before(text: str) -> None:
    for start, _ in sentences(text)[1:]:
        assert not text[start].isspace()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. J. Smith paid No. 3.5 to Mr. Jones.", 1),
        ("See Fig. 3 and pp. 5-7, e.g. the U.S. Senate vs. the rest.", 1),
        ("Edgar A. Poe wrote it.", 1),
        ("It costs 3.50 at example.com/a.b today.", 1),
        ('"Stop!" he cried.', 1),
        ("Well... maybe not.", 1),
    ],
)
def test_abbreviations_numbers_and_quotes_do_not_end_a_sentence(text: str, expected: int) -> None:
    assert len(units(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said "go." She went.', ['He said "go."', "She went."]),
        ("(It rained.) We left.", ["(It rained.)", "We left."]),
        ("Did he? No. He left.", ["Did he?", "No.", "He left."]),
        ("At 5 p.m. The bell rang.", ["At 5 p.m.", "The bell rang."]),
        ("It was 1999. Then came 2000.", ["It was 1999.", "Then came 2000."]),
        ("A fact.[12] Another.", ["A fact.[12]", "Another."]),
        ("mary went. john moved.", ["mary went.", "john moved."]),
        ("今日は雨。明日は？はい！", ["今日は雨。", "明日は？", "はい！"]),
        ("「すごい。」と言った。次。", ["「すごい。」と言った。", "次。"]),
        ("  lead. next", ["  lead.", "next"]),
    ],
)
def test_sentences_end_at_their_ends(text: str, expected: list[str]) -> None:
    assert units(text) == expected


def test_structure_makes_boundaries() -> None:
    text = (
        "# Title\nOne. Two\n\n- item a. Not cut\n- item b\n  goes on\n1. first\n2. second\n\n"
        "| a. B | b |\n|---|---|\n| 1 | 2 |\nAfter\n\nSetext\n======\nBody\r\n\r\nLast"
    )
    assert units(text) == [
        "# Title",
        "One.",
        "Two",
        "- item a. Not cut",
        "- item b\n  goes on",
        "1. first",
        "2. second",
        "| a. B | b |\n|---|---|",
        "| 1 | 2 |",
        "After",
        "Setext\n======",
        "Body",
        "Last",
    ]


def test_a_long_item_is_cut_at_its_sentences() -> None:
    clause = "The supplier shall deliver the goods within thirty days of the order"
    text = f"1. {clause}. {clause}. {clause}. {clause}.\n2. Short. Item.\n"
    found = units(text)
    assert len(found) == 5
    assert found[0].startswith("1. The supplier")
    assert found[-1] == "2. Short. Item."


def test_wrapped_lines_are_one_sentence_and_short_lines_are_not() -> None:
    wrapped = (
        "It was a poky, little, shabby-genteel place, where four lines of\n"
        "Dingy brick houses looked out into a small railed-in enclosure,\n"
        "and nothing else was there to see. Then he left the place.\n"
    )
    assert len(units(wrapped)) == 2
    assert units("apples\nbananas\nred cherries\n") == ["apples", "bananas", "red cherries"]
    assert units("Name: Bob\nAge: 5\n") == ["Name: Bob", "Age: 5"]


def test_a_sentence_crosses_a_page_break() -> None:
    text = "It began on the first page of this quite long report and\n\fended on the second. Next."
    assert len(units(text)) == 2


@pytest.mark.parametrize("text", ["." * 100_000, "a. " * 50_000, '."' * 50_000, "(" * 100_000])
def test_time_grows_with_the_text_only(text: str) -> None:
    began = time.process_time()
    assert sentences(text)
    assert time.process_time() - began < 3
