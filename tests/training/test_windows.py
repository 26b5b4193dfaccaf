"""Windows are as long as asked, in the pipeline's own prompts, with the right targets."""

import random
from dataclasses import dataclass, replace

import pytest

from foldctx_pipelines.training import tasks
from foldctx_pipelines.training.facts import Bank, Fact, relations_of
from foldctx_pipelines.training.sources import Ids, Mixture, Sources, World, draw_fact
from foldctx_pipelines.training.tasks import (
    add_cloze,
    answer_window,
    read_window,
    write_window,
)
from foldctx_pipelines.training.windows import Window

FROM_PROSE = ("cloze", "mention")


@dataclass
class Parts:
    """A window taken apart at its special tokens."""

    questions: list[Ids]
    notes: list[tuple[int, Ids]]
    units: list[tuple[int, Ids]]
    canvas: Ids


def parse(world: World, window: Window, last: str, note: str = "q") -> Parts:
    """Items of (number, ids) between the section tokens; the canvas has its targets filled in."""
    filled = list(window.ids)
    for at, token, _ in window.targets:
        assert filled[at] == world.mask_id
        filled[at] = token
    label = {world.tokenizer.token_id(f"<|q{i}|>"): ("q", i - 1) for i in range(1, 9)}
    label |= {token: ("s", k) for token, k in world.prompts.markers.items()}
    memory, end = (filled.index(world.tokenizer.token_id(t)) for t in ("<|memory|>", last))
    text = world.tokenizer.token_id("<|text|>")
    middle = filled.index(text) if text in filled else end

    def items(start: int, stop: int, kind: str) -> list[tuple[int, Ids]]:
        rows: list[tuple[int, list[int]]] = []
        for token in filled[start:stop]:
            if token in label:
                assert label[token][0] == kind
                rows.append((label[token][1], []))
            else:
                rows[-1][1].append(token)
        return [(number, tuple(ids)) for number, ids in rows]

    asked = items(0, memory, "q")
    assert [number for number, _ in asked] == list(range(len(asked)))
    units = items(middle + 1, end, "s") if middle < end else []
    notes = items(memory + 1, middle, note)
    return Parts([ids for _, ids in asked], notes, units, tuple(filled[end + 1 :]))


def joined(pieces: list[tuple[str, Ids]]) -> list[int]:
    return [token for _, ids in pieces for token in ids]


def says(world: World, ids: Ids, text: str) -> bool:
    """Whether a unit or a note holds the text, behind a clause number, or joined to another one."""
    return text[1:].rstrip(".!;, ") in world.prompts.decode(ids)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Fact]:
    """The facts that windows draw, in order."""
    facts: list[Fact] = []

    def recording(rng: random.Random, sources: Sources) -> Fact:
        facts.append(draw_fact(rng, sources))
        return facts[-1]

    monkeypatch.setattr(tasks, "draw_fact", recording)
    return facts


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Fact, bool]]:
    """The facts that windows ask for, and whether their statements would answer."""
    asks: list[tuple[Fact, bool]] = []
    ask = tasks._ask

    def recording(rng: random.Random, world: World) -> tuple[Fact, bool]:
        asks.append(ask(rng, world))
        return asks[-1]

    monkeypatch.setattr(tasks, "_ask", recording)
    return asks


@pytest.mark.parametrize(("length", "questions"), [(192, 1), (192, 4), (320, 6), (480, 8)])
def test_reading_windows_are_the_pipelines_prompts_and_point_at_the_facts(
    ground, asked: list[tuple[Fact, bool]], length: int, questions: int
) -> None:
    world, rng = ground.world, random.Random(f"{length}/{questions}")
    pointed = absent = 0
    for _ in range(12):
        asked.clear()
        window = read_window(rng, world, length, questions)
        parts = parse(world, window, "<|notes|>")
        assert len(window.ids) == length
        assert parts.questions == world.encode([fact.question for fact, _ in asked])
        first = parts.units[0][0]
        prompt = world.prompts.read(
            parts.questions, parts.notes, [ids for _, ids in parts.units], first_unit=first
        )
        canvas = world.prompts.canvas(questions)
        assert window.ids[: -canvas.length] == joined(prompt)
        assert all(parts.canvas[at] == token for at, token in canvas.pinned.items())
        for (fact, told), slot in zip(asked, canvas.slots, strict=True):
            found = [k for k, ids in parts.units if says(world, ids, fact.statement)]
            wanted = parts.canvas[slot[0]]
            if wanted == world.prompts.none_ids[0]:
                absent += 1
                assert not found or not told or fact.relation in FROM_PROSE
            else:
                pointed += 1
                assert told and world.prompts.markers[wanted] in found
            assert [parts.canvas[at] for at in slot[1:]] == [world.eos_id] * (len(slot) - 1)
    assert pointed and absent


def test_a_question_that_its_statement_leaves_open_is_answered_by_none(
    ground, asked: list[tuple[Fact, bool]]
) -> None:
    """The statement stands in the window all the same."""
    world, rng = silent_world(ground.world), random.Random(3)
    none, misled = world.prompts.none_ids[0], 0
    for _ in range(60):
        asked.clear()
        window = answer_window(rng, world, 160)
        fact, told = asked[-1]
        parts = parse(world, window, "<|answer|>", note="s")
        stated = any(says(world, ids, fact.statement) for _, ids in parts.notes)
        assert (parts.canvas[0] == none) is not (told and stated)
        assert ("why is that so" in fact.question.lower()) is not told
        misled += stated and not told
    assert misled >= 5


def silent_world(world: World) -> World:
    """One frame, of which two things may be asked, and one that it does not tell."""
    row = {
        "id": "posts.held",
        "subject": "{town}",
        "statements": ["In {town} the post of {job} is held by {person}."],
        "asks": [
            {"answer": "{person}", "questions": ["Who is at work in {town}?"]},
            {"answer": "{job}", "questions": ["As what does one work in {town}?"]},
        ],
        "silent": ["Why is that so?"],
    }
    bank = Bank(tuple(relations_of(row, {})), world.bank.fillers)
    return replace(world, bank=bank, mixture=Mixture(1.0, 1.0, 1.0))


def test_writing_windows_hold_the_sentence_or_none(ground, drawn: list[Fact]) -> None:
    world, rng = ground.world, random.Random(7)
    said = {True: 0, False: 0}
    for _ in range(20):
        drawn.clear()
        window = write_window(rng, world, 256)
        parts = parse(world, window, "<|answer|>")
        assert len(window.ids) == 256 and len(parts.canvas) == world.prompts.written_length
        prompt = world.prompts.read(
            parts.questions,
            parts.notes,
            [ids for _, ids in parts.units],
            first_unit=parts.units[0][0],
            task="write",
        )
        assert window.ids[: -len(parts.canvas)] == joined(prompt)
        fact = next(f for f in drawn if world.encode([f.question]) == parts.questions)
        (statement,) = world.encode([fact.statement])
        present = any(ids[: len(statement)] == statement for _, ids in parts.units)
        target = statement if present else world.prompts.none_ids
        if present or fact.relation not in FROM_PROSE:
            assert parts.canvas[: len(target)] == target or fact.relation in FROM_PROSE
            assert set(parts.canvas[len(target) :]) == {world.eos_id} or not present
        said[present] += 1
    assert all(said.values())


def test_answering_windows_hold_the_answer_or_none(ground, asked: list[tuple[Fact, bool]]) -> None:
    world, rng = ground.world, random.Random(8)
    said = {True: 0, False: 0}
    for _ in range(40):
        asked.clear()
        window = answer_window(rng, world, 112)
        parts = parse(world, window, "<|answer|>", note="s")
        assert len(window.ids) == 112
        notes = [ids for _, ids in parts.notes]
        prompt = world.prompts.answer(parts.questions[0], notes, parts.notes[0][0])
        assert window.ids[: -len(parts.canvas)] == joined(prompt)
        fact, told = asked[-1]
        assert world.encode([fact.question]) == parts.questions
        (answer,) = world.encode([fact.answer])
        known = told and any(says(world, ids, fact.statement) for ids in notes)
        target = answer if known else world.prompts.none_ids
        if fact.relation not in FROM_PROSE:
            assert parts.canvas[: len(target)] == target
            assert set(parts.canvas[len(target) :]) == {world.eos_id}
            assert not known or fact.answer in fact.statement
        said[known] += 1
    assert all(said.values())


def test_cloze_masks_words_of_the_window_and_nothing_special(ground) -> None:
    world, rng = ground.world, random.Random(9)
    specials = set(world.prompts.markers) | {
        world.tokenizer.token_id(token) for token in ("<|memory|>", "<|text|>", "<|notes|>")
    }
    for _ in range(10):
        plain = read_window(rng, world, 192, 2)
        window = add_cloze(rng, world, plain, 32)
        assert len(window.ids) == 192 and len(window.targets) <= 32
        places = [at for at, _, _ in window.targets]
        assert len(set(places)) == len(places)
        added = window.targets[len(plain.targets) :]
        assert window.targets[: len(plain.targets)] == plain.targets
        for at, token, _ in added:
            assert plain.ids[at] == token and window.ids[at] == world.mask_id
            assert token not in specials
