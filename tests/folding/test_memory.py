import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldctx.errors import UsageError
from foldctx.folding.memory import Memory, Note, filled

OVERHEAD = 1


def note(start: int, tokens: int = 4, score: float = 0.5, text: str = "", **kind: bool) -> Note:
    return Note(text or f"n{start}", (7,) * tokens, start, start + 5, 0, score, **kind)


def ids(memory: Memory) -> list[str]:
    return [n.id for n in memory.notes]


def test_an_empty_update_keeps_everything_and_is_no_change() -> None:
    memory = Memory(20, OVERHEAD)
    memory.update([note(0), note(10)])
    before = memory.notes, memory.digest
    assert memory.update([]) == ()
    assert (memory.notes, memory.digest) == before


def test_the_lowest_score_goes_with_a_reason_when_the_budget_is_passed() -> None:
    memory = Memory(10, OVERHEAD)
    memory.update([note(0, score=0.9), note(10, score=0.2)])
    came, went = memory.update([note(20, score=0.6)])
    assert ids(memory) == ["0-5", "20-25"]
    assert (came.kept, came.added, came.dropped) == (("0-5", "10-15"), ("20-25",), ())
    assert went.kept == ("0-5", "20-25")
    ((gone, why),) = went.dropped
    assert gone == "10-15"
    assert "score 0.200" in why and "15 tokens exceed 10" in why
    assert came.hash_after == went.hash_before != went.hash_after == memory.digest


def test_of_equal_scores_the_later_fact_survives() -> None:
    memory = Memory(10, OVERHEAD)
    for start in (0, 10, 20):
        memory.update([note(start)])
    assert ids(memory) == ["10-15", "20-25"]


def test_a_refused_note_is_told_as_one_that_came_and_went() -> None:
    memory = Memory(10, OVERHEAD)
    memory.update([note(0, score=0.9), note(10, score=0.9)])
    came, went = memory.update([note(20, score=0.1)])
    assert came.added == ("20-25",) and [id for id, _ in went.dropped] == ["20-25"]
    assert ids(memory) == ["0-5", "10-15"]


def test_a_note_larger_than_the_budget_does_not_push_the_others_out() -> None:
    memory = Memory(10, OVERHEAD)
    memory.update([note(0, score=0.3)])
    *_, went = memory.update([note(10, tokens=30, score=0.99)])
    assert ids(memory) == ["0-5"]
    assert went.dropped == (("10-15", "alone takes 31 of 10 tokens"),)


def test_a_known_note_is_kept_once_with_the_better_score() -> None:
    memory = Memory(10, OVERHEAD)
    memory.update([note(0, score=0.4)])
    assert memory.update([note(0, score=0.8)]) == ()
    assert memory.update([note(0, score=0.1)]) == ()
    assert [n.score for n in memory.notes] == [0.8]


def test_written_notes_of_one_place_are_told_apart_by_their_text() -> None:
    memory = Memory(20, OVERHEAD)
    memory.update([note(0, text="a", verbatim=False), note(0, text="b", verbatim=False)])
    assert len(memory.notes) == 2


def test_what_is_carried_is_the_best_that_fits_in_document_order() -> None:
    memory = Memory(None, OVERHEAD)
    memory.update([note(0, 4, 0.5), note(10, 9, 0.9), note(20, 4, 0.6), note(30, 2, 0.1)])
    assert [n.start for n in memory.fitting(10)] == [10]
    assert [n.start for n in memory.fitting(13)] == [10, 30]
    assert [n.start for n in memory.fitting(15)] == [10, 20]
    assert memory.fitting(2) == ()


def test_a_memory_without_room_is_refused() -> None:
    with pytest.raises(UsageError, match="memory_tokens=0"):
        Memory(0, OVERHEAD)


notes = st.builds(
    note,
    st.integers(0, 30).map(lambda k: 10 * k),
    st.integers(1, 12),
    st.sampled_from([0.1, 0.5, 0.5, 0.9]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(notes, max_size=6), max_size=8), st.integers(3, 40))
def test_memory_never_passes_its_budget_and_its_changes_add_up(
    updates: list[list[Note]], budget: int
) -> None:
    memory = Memory(budget, OVERHEAD)
    held, digest = set[str](), memory.digest
    for update in updates:
        for change in memory.update(update):
            gone = {id for id, _ in change.dropped}
            assert set(change.kept) | gone == held and not set(change.kept) & gone
            assert not held & set(change.added)
            assert change.hash_before == digest and change.hash_after != digest
            assert all(why for _, why in change.dropped)
            held, digest = set(change.kept) | set(change.added), change.hash_after
        assert memory.cost <= budget
        assert {n.id for n in memory.notes} == held and memory.digest == digest
        assert [n.start for n in memory.notes] == sorted(n.start for n in memory.notes)


@settings(max_examples=40, deadline=None)
@given(st.lists(notes, max_size=12), st.integers(0, 60))
def test_carried_notes_fit(found: list[Note], room: int) -> None:
    memory = Memory(None, OVERHEAD)
    memory.update(found)
    assert sum(memory.cost_of(n) for n in memory.fitting(room)) <= room


def test_what_fits_of_a_full_memory_is_what_the_notes_sizes_let_in() -> None:
    assert filled([20], 100, 60) == 60  # three of five
    assert filled([20], 100, 59) == 40
    assert filled([20], 100, 19) == filled([], 100, 50) == filled([120], 100, 100) == 0
    mixed = filled([10, 40], 200, 30)
    assert 10 < mixed < 30  # short notes alone, and they are the rarer ones
    assert mixed == filled([10, 40], 200, 30)


@pytest.mark.parametrize("room", [15, 40, 90])
def test_what_fits_is_what_memories_of_such_notes_let_in(room: int) -> None:
    """Against real memories, filled at random and asked what fits."""
    sizes, rng, taken = [6, 11, 17, 23, 35], random.Random(4), []
    for _ in range(300):
        memory, at = Memory(160, 1), 0
        while True:
            (size,) = rng.choices(sizes, weights=sizes)
            if memory.cost + size > 160:
                break
            at += 1
            ids = tuple(range(size - 1))
            memory.update([Note("x", ids, at, at + 1, 0, rng.random())])
        taken.append(sum(memory.cost_of(note) for note in memory.fitting(room)))
    assert filled(sizes, 160, room) == pytest.approx(sum(taken) / 300, rel=0.12)
