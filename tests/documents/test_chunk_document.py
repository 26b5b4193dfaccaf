"""Chunks: exact, within budget, well filled, and a partition of the document."""

import itertools
import random
import re
from collections.abc import Sequence

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from foldctx.documents import Chunk, Document, Page, Unit, chunk_document, sentences
from foldctx.documents.pieces import AT_ONCE
from foldctx.errors import DocumentError, UsageError

MARKER = 2
WORD = re.compile(r"\w{1,5}|[^\w\s]|\s{2,}")


def count(texts: Sequence[str]) -> list[int]:
    """Cost like a tokenizer: pieces of words, each mark, and a marker."""
    return [len(WORD.findall(text)) + MARKER for text in texts]


def characters(texts: Sequence[str]) -> list[int]:
    return [len(text) + MARKER for text in texts]


def superadditive(texts: Sequence[str]) -> list[int]:
    """Cost more for a whole than for its parts, as no sane tokenizer does."""
    return [1 + len(text) ** 2 // 9 for text in texts]


def document(text: str, cuts: Sequence[int] = ()) -> Document:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pages = tuple(
        Page(number, start, end)
        for number, (start, end) in enumerate(itertools.pairwise(edges), start=1)
    )
    return Document("test.txt", text, pages, "text/plain", "0" * 64, ())


def check(doc: Document, chunks: list[Chunk], budget: int, max_units: int) -> None:
    """Hold everything that is promised of chunks."""
    graphemes = {match.start() for match in regex.finditer(r"\X", doc.text)} | {len(doc.text)}
    place = 0
    for index, chunk in enumerate(chunks):
        assert chunk.index == index
        assert chunk.text == doc.text[chunk.start : chunk.end]
        assert chunk.start + chunk.overlap == place < chunk.end
        assert chunk.pages == doc.spans(chunk.start, chunk.end)
        edges = [chunk.start, *(unit.end for unit in chunk.units)]
        assert [unit.start for unit in chunk.units] == edges[:-1]
        assert edges[-1] == chunk.end
        assert set(edges) <= graphemes
        assert chunk.cost == sum(unit.cost for unit in chunk.units) <= budget
        assert 1 <= len(chunk.units) <= max_units
        if chunk.overlap:
            last = chunks[index - 1].units[-1]
            assert chunk.units[0] == last
            assert last.cost <= 0.05 * budget
        place = chunk.end
    assert place == len(doc.text)


PARTS = st.sampled_from(
    [
        "Dr. No came. ",
        "Short. ",
        "A somewhat longer sentence, with commas; and more. ",
        "word ",
        " ",
    ]
    + [
        "漢字。",
        "漢字かな",
        "👨‍👩‍👧‍👦",
        "🏽",
        "e\u0301",
        "\u0301",
        "\r\n",
        "\n\n",
        "\n",
        "\f",
        "- x\n",
        "| a | b |\n",
    ]
    + [
        "# Head\n",
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=" * 3 + "\n",
        "pneumonoultramicroscopic" * 4,
    ]
)
TEXTS = st.lists(PARTS, max_size=60).map("".join) | st.text(max_size=120)


@settings(max_examples=300, deadline=None)
@given(
    text=TEXTS,
    cuts=st.lists(st.integers(0, 400), max_size=4),
    budget=st.integers(30, 120),
    max_units=st.integers(1, 12),
    overlap=st.booleans(),
    cost=st.sampled_from([count, characters]),
)
def test_chunks_are_exact(text, cuts, budget, max_units, overlap, cost) -> None:  # type: ignore[no-untyped-def]
    doc = document(text, cuts)
    chunks = chunk_document(doc, cost=cost, budget=budget, max_units=max_units, overlap=overlap)
    check(doc, chunks, budget, max_units)
    for unit in {unit for chunk in chunks for unit in chunk.units}:
        assert cost([text[unit.start : unit.end]]) == [unit.cost]
    if not overlap:
        assert "".join(chunk.text for chunk in chunks) == text


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, budget=st.integers(60, 300), max_units=st.integers(1, 6))
def test_budgets_hold_for_a_cost_that_does_not_add_up(text, budget, max_units) -> None:  # type: ignore[no-untyped-def]
    doc = document(text)
    try:
        chunks = chunk_document(doc, cost=superadditive, budget=budget, max_units=max_units)
    except DocumentError:
        longest = max(regex.findall(r"\X", text), key=len)
        assert superadditive([longest])[0] > budget
    else:
        check(doc, chunks, budget, max_units)


def prose(length: int, seed: int = 0) -> str:
    """Make paragraphs of sentences of 4 to 40 words."""
    rng = random.Random(seed)
    words = re.findall(r"\w+", "the river ran past an old mill where grain was ground for bread")
    parts, size = [], 0
    while size < length:
        body = " ".join(rng.choice(words) for _ in range(rng.randint(4, 40)))
        parts.append(body.capitalize() + rng.choice([". ", ". ", ". ", ".\n\n"]))
        size += len(parts[-1])
    return "".join(parts)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(("budget", "max_units"), [(300, 26), (400, 26), (3000, 250)])
def test_chunks_of_prose_are_well_filled(budget: int, max_units: int, overlap: bool) -> None:
    doc = document(prose(200_000))
    chunks = chunk_document(doc, cost=count, budget=budget, max_units=max_units, overlap=overlap)
    check(doc, chunks, budget, max_units)
    assert sum(chunk.cost for chunk in chunks[:-1]) >= 0.9 * budget * (len(chunks) - 1)
    assert all(re.search(r"\.\s*$", chunk.text) for chunk in chunks)
    whole = sum(count([doc.text[start:end] for start, end in sentences(doc.text)]))
    assert sum(chunk.cost for chunk in chunks) <= 1.05 * whole


def test_short_lines_are_merged_so_that_few_units_fill_a_chunk() -> None:
    doc = document("".join(f"- item {number}\n" for number in range(2000)))
    chunks = chunk_document(doc, cost=count, budget=300, max_units=12, overlap=False)
    check(doc, chunks, 300, 12)
    assert sum(chunk.cost for chunk in chunks[:-1]) >= 0.9 * 300 * (len(chunks) - 1)
    roomy = chunk_document(doc, cost=count, budget=300, max_units=300, overlap=False)
    assert all(unit.end - unit.start < 15 for chunk in roomy for unit in chunk.units)


@pytest.mark.parametrize(
    "text", ["Zm9vYmFy" * 2000, "alpha beta gamma " * 1500, "漢字" * 4000, "👨‍👩‍👧‍👦" * 1500]
)
def test_text_without_sentences_still_fills_chunks(text: str) -> None:
    doc = document(text)
    chunks = chunk_document(doc, cost=characters, budget=300, max_units=20)
    check(doc, chunks, 300, 20)
    assert sum(chunk.cost for chunk in chunks[:-1]) >= 0.85 * 300 * (len(chunks) - 1)


def test_a_long_sentence_is_cut_between_words() -> None:
    text = "One short sentence. " + "several words, with commas, " * 40 + "end. Another one."
    chunks = chunk_document(document(text), cost=characters, budget=200, max_units=50)
    words = set(re.findall(r"\S+", text))
    units = [text[unit.start : unit.end] for chunk in chunks for unit in chunk.units]
    assert all(set(unit.split()) <= words for unit in units)
    assert units[0] == "One short sentence. "
    assert units[-1] == "Another one."


def test_a_mark_stays_with_the_space_it_combines_with() -> None:
    doc = document("word, \u0301" * 100)
    check(doc, chunk_document(doc, cost=characters, budget=60, max_units=9), 60, 9)


def test_a_nearly_full_chunk_ends_before_a_heading() -> None:
    body = "A sentence of ten short words is here to fill. " * 9
    section = f"# Part\n\n{body.strip()}\n\n"
    cost = sum(count([section[start:end] for start, end in sentences(section)]))
    doc = document(section * 20)
    nearly = chunk_document(doc, cost=count, budget=3 * cost + 20, max_units=60)
    assert [chunk.text for chunk in nearly] == [section * 3] * 6 + [section * 2]
    far = chunk_document(doc, cost=count, budget=3 * cost + cost // 2, max_units=60)
    assert not far[0].text.endswith(section)


def test_the_next_chunk_begins_with_a_small_last_sentence() -> None:
    text = "".join(f"Sentence {number} is quite short. " for number in range(400))
    chunks = chunk_document(document(text), cost=count, budget=200, max_units=60)
    assert len(chunks) > 5
    assert all(chunk.overlap for chunk in chunks[1:])
    tight = chunk_document(document(text), cost=count, budget=60, max_units=60)
    assert not any(chunk.overlap for chunk in tight)


def test_cost_is_asked_in_batches() -> None:
    calls: list[int] = []

    def counted(texts: Sequence[str]) -> list[int]:
        calls.append(len(texts))
        return count(texts)

    chunks = chunk_document(document(prose(120_000)), cost=counted, budget=400, max_units=200)
    assert len(chunks) > 40
    assert len(calls) > 1 and set(calls[:-1]) == {AT_ONCE} and 0 < calls[-1] <= AT_ONCE
    assert chunks == chunk_document(
        document(prose(120_000)), cost=one_by_one, budget=400, max_units=200
    )


def one_by_one(texts: Sequence[str]) -> list[int]:
    return [count([text])[0] for text in texts]


def test_a_grapheme_larger_than_a_chunk_is_refused() -> None:
    text = "fine. e" + "\u0301" * 50 + " fine."
    with pytest.raises(DocumentError, match=r"test\.txt: the single character .* at 6 costs 53"):
        chunk_document(document(text), cost=characters, budget=20, max_units=5)


@pytest.mark.parametrize(("budget", "max_units"), [(0, 5), (-1, 5), (100, 0)])
def test_budgets_below_one_are_refused(budget: int, max_units: int) -> None:
    with pytest.raises(UsageError, match=f"budget={budget} and max_units={max_units}"):
        chunk_document(document("a"), cost=count, budget=budget, max_units=max_units)


def test_nothing_gives_no_chunk_and_white_space_gives_one() -> None:
    assert chunk_document(document(""), cost=count, budget=9, max_units=1) == []
    (chunk,) = chunk_document(document(" \n "), cost=count, budget=9, max_units=1)
    assert chunk.units == (Unit(0, 3, 3),)


def test_chunks_name_the_pages_they_cross() -> None:
    text = "The first page begins a sentence that the second ends. Done."
    chunks = chunk_document(document(text, [20, 20]), cost=count, budget=99, max_units=9)
    assert chunks[0].pages == ((1, 0, 20), (3, 20, len(text)))
