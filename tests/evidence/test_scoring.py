import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldctx_pipelines.scoring import contains_gold, normalise_answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Quick, brown fox!", "quick brown fox"),
        ("An apple a day", "apple day"),
        ("theatre", "theatre"),
        ("“Don’t” — wait…", "dont wait"),
        ("1,250.50", "125050"),
    ],
)
def test_answers_are_normalised_as_squad_does(text, expected):
    assert normalise_answer(text) == expected


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    once = normalise_answer(text)
    assert normalise_answer(once) == once


@pytest.mark.parametrize(
    ("answer", "golds", "right"),
    [
        ("in the Kitchen", ["kitchen"], True),
        ("It is w w w w w w kitchen", ["kitchen"], True),  # 8 words besides
        ("It is w w w w w w w kitchen", ["kitchen"], False),  # 9
        ("kitchen", ["garden", "kitchen"], True),
        ("party", ["art"], False),
        ("312", ["12"], False),
        ("", ["kitchen"], False),
        ("kitchen", [], False),
        ("A", ["A"], True),
        ("B", ["A"], False),
        ("B", ["!"], False),
        ("北京市", ["北京"], True),
        ("这是一个很长很长很长的关于北京的回答", ["北京"], False),
        ("서울은", ["서울"], True),
    ],
)
def test_right_answers_contain_gold_and_little_else(answer, golds, right):
    assert contains_gold(answer, golds) is right


def test_slack_is_a_count_of_words():
    assert contains_gold("the big kitchen", ["kitchen"], slack_words=1)
    assert not contains_gold("the big kitchen", ["kitchen"], slack_words=0)
    with pytest.raises(ValueError, match="slack_words=-1"):
        contains_gold("kitchen", ["kitchen"], slack_words=-1)
