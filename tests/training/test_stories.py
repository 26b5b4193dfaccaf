"""Windows of tales: as long as asked, in the pipeline's prompts, pointing at what is worth keeping."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from foldctx_pipelines.training import stories
from foldctx_pipelines.training.chapters import Habit, draw_tale, read_chunk, worth_keeping
from foldctx_pipelines.training.sources import World
from foldctx_pipelines.training.stories import (
    story_answer,
    story_read,
    story_reading,
    story_recall,
)
from foldctx_pipelines.training.windows import reading_window, recall_window


def filled(world: World, ids: list[int], targets: list[tuple[int, int, float]]) -> list[int]:
    out = list(ids)
    for at, token, _ in targets:
        assert out[at] == world.mask_id
        out[at] = token
    assert world.mask_id not in out
    return out


@pytest.mark.parametrize(("length", "questions"), [(192, 1), (256, 2), (480, 3)])
@pytest.mark.parametrize("looks", [1, 4])
def test_reading_windows_are_the_pipelines_prompts(
    ground, length: int, questions: int, looks: int
) -> None:
    world, rng = ground.world, random.Random(f"{length}/{looks}")
    none, marker_of = world.prompts.none_ids[0], {k: t for t, k in world.prompts.markers.items()}
    seen = Counter[str]()
    for _ in range(80):
        reading = story_reading(rng, world, length, questions, habit=Habit(looks=looks))
        window = reading_window(rng, world, reading)
        assert len(window.ids) == length and len(reading.units) <= world.prompts.max_units
        canvas = world.prompts.canvas(len(reading.questions))
        tokens = filled(world, window.ids, window.targets)
        units = [ids for ids, _ in reading.units]
        first = next(world.prompts.markers[t] for t in tokens if t in world.prompts.markers)
        pieces = world.prompts.read(reading.questions, reading.notes, units, first_unit=first)
        assert tokens[: -canvas.length] == [t for _, ids in pieces for t in ids]
        tail = tokens[-canvas.length :]
        for i, (slot, numbers) in enumerate(zip(canvas.slots, reading.pointed, strict=True)):
            wanted = [marker_of[(first + j - 1) % 48 + 1] for j in numbers] or [none]
            wanted += [world.eos_id] * (len(slot) - len(wanted))
            assert [tail[at] for at in slot] == wanted and len(numbers) <= len(slot)
            assert all(i in reading.units[j][1] for j in numbers)
            seen[str(len(numbers))] += 1
        assert sum(len(owners) for _, owners in reading.units) == sum(map(len, reading.pointed))
        firsts = [w for _, _, w in window.targets if w == 1.0]
        assert len(firsts) <= len(reading.questions)
    several = seen.total() - seen["0"] - seen["1"]
    assert min(seen["0"], seen["1"], several) > 3, seen


def test_the_memory_stays_in_its_share(ground) -> None:
    world, rng = ground.world, random.Random(3)
    for _ in range(60):
        reading = story_reading(rng, world, 320, 2, habit=Habit(memory_tokens=64))
        count = len(reading.questions)
        for i in range(count):
            cost = sum(len(ids) + 1 for j, ids in reading.notes if j == i)
            assert cost <= 64 * min(count, 2) // count
        assert [i for i, _ in reading.notes] == sorted(i for i, _ in reading.notes)


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_reading_chunk_by_chunk_keeps_what_answers(ground, split: str) -> None:
    """With looks until the slots are not full, next to nothing that a question needs is lost.

    Of where a thing was before, in a story of dozens of lines, a handful of answers in 100,000 is: the
    line that ends what a note began, where another hand has the thing before the chunk is over.
    """
    world = ground.world if split == "train" else ground.held_out
    rng, kinds, lost = random.Random(split), Counter[str](), Counter[str]()
    for _ in range(250):
        tale = draw_tale(rng, world.bank, split)  # type: ignore[arg-type]
        chunks: list[list[int]] = [[]]
        for n in range(len(tale.lines)):
            if chunks[-1] and rng.random() < 0.3:
                chunks.append([])
            chunks[-1].append(n)
        for ask in tale.asks:
            notes: list[int] = []
            for chunk in chunks:
                notes = read_chunk(ask, notes, chunk, 2, looks=len(tale.lines))
            lost[tale.kind] += ask.answer(notes) != ask.answer(range(len(tale.lines)))
        kinds[tale.kind] += 1
    assert lost.pop("babi3") <= 1 and not any(lost.values()), lost
    assert len(kinds) == 8 and min(kinds.values()) > 3, kinds


def test_one_look_takes_what_answers_now(ground) -> None:
    """A story read in one window answers from two notes, but for tasks that need more."""
    rng = random.Random(6)
    for _ in range(200):
        tale = draw_tale(rng, ground.world.bank)
        ask = tale.asks[0]
        if tale.kind not in ("babi1", "babi2", "babi4", "babi5", "update"):
            continue
        notes = read_chunk(ask, [], range(len(tale.lines)), 2, looks=1)
        assert ask.answer(notes) == ask.answer(range(len(tale.lines)))
        assert not set(worth_keeping(ask, notes, range(len(tale.lines)))) & set(notes)


def test_answering_windows_say_what_the_notes_say(ground) -> None:
    world, rng = ground.world, random.Random(8)
    said = Counter[bool]()
    for length in (112, 256):
        for _ in range(60):
            recall = story_recall(rng, world, length)
            window = recall_window(rng, world, recall, length)
            assert len(window.ids) == length
            tokens = filled(world, window.ids, window.targets)
            first = next(world.prompts.markers[t] for t in tokens if t in world.prompts.markers)
            pieces = world.prompts.answer(recall.question, recall.notes, first)
            prompt = [t for _, ids in pieces for t in ids]
            answer = list(world.encode([recall.answer])[0]) if recall.answer else []
            answer = answer or [world.prompts.none_ids[0]]
            assert tokens[: len(prompt) + len(answer)] == prompt + answer
            assert set(tokens[len(prompt) + len(answer) :]) == {world.eos_id}
            said[bool(recall.answer)] += 1
    assert said[True] > said[False] > 3


def test_windows_depend_on_the_seed_alone(ground) -> None:
    for make in (story_read, story_answer):
        first = [make(random.Random(i), ground.world, 256) for i in range(6)]
        assert first == [make(random.Random(i), ground.world, 256) for i in range(6)]


def test_another_look_goes_on_behind_the_last_pointer(ground, monkeypatch) -> None:
    """Notes that the same chunk gave lie before all that is left of it."""
    looked = 0
    original = stories._assemble

    def checking(rng, world, length, asked, notes, text, here, pointed):
        nonlocal looked
        numbers = [n for _, ids in notes for n, line in enumerate(text.lines) if line == ids]
        if len(set(text.lines)) == len(text.lines) and numbers and here:
            looked += 1
            assert max(numbers) < here[0]
        return original(rng, world, length, asked, notes, text, here, pointed)

    monkeypatch.setattr(stories, "_assemble", checking)
    rng = random.Random(9)
    for _ in range(80):
        story_reading(rng, replace(ground.world), 320, 2, habit=Habit(looks=6))
    assert looked > 10
