"""LongWriter's length score."""

from io import BytesIO

import pytest

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.longwriter import bucket, count_words, length_score, load, score


@pytest.mark.parametrize(
    ("wanted", "written", "expected"),
    [
        (1000, 1000, 100),
        (1000, 0, 0),
        (1000, 1, 0),
        (1000, 500, 50),  # 1 - (2 - 1) / 2
        (1000, 800, 87.5),  # 1 - (1.25 - 1) / 2
        (1000, 334, 0.2994),
        (1000, 333, 0),
        (1000, 2500, 50),  # 1 - (2.5 - 1) / 3
        (1000, 4000, 0),
        (1000, 9000, 0),
        (1, 1, 100),
    ],
)
def test_length_score(wanted: int, written: int, expected: float) -> None:
    assert length_score(wanted, written) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("two words", 2), ("don't", 2), ("你好 world", 3), ("12 34", 0), ("A-b c.", 3)],
)
def test_words_are_counted_as_longwriter_does(text: str, expected: int) -> None:
    assert count_words(text) == expected


def test_score_is_of_the_words_written() -> None:
    assert score("longwriter", "one two three four", {"length": 8}) == pytest.approx(0.5)


def test_rows_become_samples() -> None:
    rows = b'{"prompt": "Write 100 words.", "length": 100, "type": "story"}\n'
    sample = load("-", BytesIO(rows), tokens_per_word=1.5)[0]
    assert (sample.prompt, sample.max_gen, sample.targets) == ("Write 100 words.", 150, ("100",))
    assert sample.doc == {"prompt": "Write 100 words.", "type": "story", "length": 100}


def test_buckets() -> None:
    known = [bucket(n) for n in (1, 499, 500, 1999, 2000, 3999, 4000, 20000)]
    assert known == ["[0,500)"] * 2 + ["[500,2k)"] * 2 + ["[2k,4k)"] * 2 + ["[4k,20k)"] * 2


@pytest.mark.parametrize(
    "row", [b'{"prompt": "x"}', b'{"length": 3}', b'{"prompt": "x", "length": 0}']
)
def test_bad_rows_are_named(row: bytes) -> None:
    with pytest.raises(UsageError, match="line 1: prompt="):
        load("-", BytesIO(row))


def test_no_rows() -> None:
    with pytest.raises(UsageError, match="no prompts in it"):
        load("-", BytesIO(b"\n"))
