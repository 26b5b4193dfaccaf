"""Reading and answering windows of tales: many chunks, a memory that grows, order that matters.

A tale's lines stand in their order among prose, a few in each chunk or all in one. A window is cut
out of this reading as the pipeline would come to it: its memory holds the notes that the chunks
before it gave, and its slots point at the lines of this chunk that are worth keeping, given those
notes. Where more lines are than slots, those that answer now come first, then the latest; the
rest is for another look at the same chunk (`Habit.looks`), or is lost.
"""

import random
from collections.abc import Sequence

from foldctx_pipelines.training.chapters import (
    Habit,
    Text,
    carried,
    cut_chunks,
    draw_text,
    latest,
    point,
)
from foldctx_pipelines.training.sources import Ids, World, filler_sentences
from foldctx_pipelines.training.tales import Split
from foldctx_pipelines.training.windows import (
    Reading,
    Recall,
    Window,
    reading_window,
    recall_window,
)

_LEAST_FILLER = 12  # tokens of prose in every chunk, which take up what is left to the token


def story_reading(
    rng: random.Random,
    world: World,
    length: int,
    questions: int = 3,
    *,
    split: Split = "train",
    habit: Habit | None = None,
) -> Reading:
    """A window of exactly `length` tokens out of the reading of a tale."""
    habit = habit or Habit()
    while True:
        text = draw_text(rng, world, split, questions)
        asked = world.encode([ask.question for ask in text.asks])
        canvas = world.prompts.canvas(len(asked))
        frame = world.prompts.frame("read", asked) + canvas.length
        share = min(habit.memory_tokens * min(len(asked), 2), (length - frame) // 4)
        room = length - frame - share - _LEAST_FILLER
        if room > max(len(ids) for ids in text.lines):
            break
    slots = len(canvas.slots[0])
    chunks = cut_chunks(rng, text, room, world.prompts.max_units - 8)
    at = rng.randrange(len(chunks))
    notes = [
        carried(text, ask, chunks[:at], slots, habit, share // len(asked)) for ask in text.asks
    ]
    if rng.random() < 0.2:
        notes = [[n for n in held if rng.random() < 0.7] for held in notes]
    here, asks = chunks[at], list(range(len(asked)))
    found = [point(text.asks[i], notes[i], here, slots, habit.looks) for i in asks]
    full = [i for i in asks if len(found[i]) == slots]
    if habit.looks > 1 and full and rng.random() < 0.5:  # another look, for one question alone
        asks = [rng.choice(full)]
        (i,) = asks
        notes[i] = latest(text, [*notes[i], *found[i]], share)
        here = [n for n in here if n > found[i][-1]]
    held = [notes[i] for i in asks]
    pointed = [
        point(text.asks[i], mine, here, slots, habit.looks)
        for i, mine in zip(asks, held, strict=True)
    ]
    rows = [
        (j, note)
        for j, mine in enumerate(held)
        for note in _with_noise(rng, world, [text.lines[n] for n in mine], share // len(asks))
    ]
    return _assemble(rng, world, length, [asked[i] for i in asks], rows, text, here, pointed)


def _assemble(
    rng: random.Random,
    world: World,
    length: int,
    asked: Sequence[Ids],
    notes: Sequence[tuple[int, Ids]],
    text: Text,
    here: Sequence[int],
    pointed: Sequence[Sequence[int]],
) -> Reading:
    """The chunk's lines in order among prose that fills the window."""
    frame = sum(len(ids) for _, ids in world.prompts.read(asked, notes, []))
    room = length - frame - world.prompts.canvas(len(asked)).length
    room -= sum(len(text.lines[n]) + 1 for n in here)
    prose = _prose(rng, world, room, world.prompts.max_units - len(here))
    places = sorted(rng.randrange(len(prose) + 1) for _ in here)
    units: list[tuple[Ids, tuple[int, ...]]] = []
    number: dict[int, int] = {}
    for place in range(len(prose) + 1):
        for n, where in zip(here, places, strict=True):
            if where == place:
                number[n] = len(units)
                owners = tuple(i for i, row in enumerate(pointed) if n in row)
                units.append((text.lines[n], owners))
        if place < len(prose):
            units.append((prose[place], ()))
    return Reading(
        tuple(asked),
        tuple(notes),
        tuple(units),
        tuple(tuple(number[n] for n in row) for row in pointed),
    )


def _with_noise(rng: random.Random, world: World, notes: Sequence[Ids], room: int) -> list[Ids]:
    """Now and then a note that was taken by mistake stands among the others, where it fits."""
    rows = list(notes)
    if rng.random() < 0.15:
        (extra,) = world.encode(filler_sentences(rng, world, 1)[:1])
        if sum(len(ids) + 1 for ids in (*rows, extra)) <= room:
            rows.insert(rng.randrange(len(rows) + 1), extra)
    return rows


def _prose(rng: random.Random, world: World, room: int, most: int) -> list[Ids]:
    """Units of prose that take up the room to the token, their labels included."""
    rows: list[Ids] = []
    while room > 1:
        for ids in world.encode(filler_sentences(rng, world, 6)):
            if room > 1 and len(rows) < most:
                rows.append(ids[: room - 1])
                room -= len(rows[-1]) + 1
            elif room > 1:
                rows[-1] = (*rows[-1], *ids[:room])
                room -= len(ids[:room])
    if room == 1:  # one token cannot hold a unit: lengthen the last one
        rows[-1] = (*rows[-1], rows[-1][-1])
    return rows


def story_read(
    rng: random.Random,
    world: World,
    length: int,
    questions: int = 3,
    *,
    split: Split = "train",
    habit: Habit | None = None,
) -> Window:
    """The window of `story_reading`, masks in place."""
    reading = story_reading(rng, world, length, questions, split=split, habit=habit)
    return reading_window(rng, world, reading)


def story_recall(
    rng: random.Random,
    world: World,
    length: int,
    *,
    split: Split = "train",
    habit: Habit | None = None,
) -> Recall:
    """Notes as a reading left them, some lost or taken by mistake, and what follows from them.

    Everything fits into `length` tokens with the answer and its end.
    """
    habit = habit or Habit(memory_tokens=length)
    while True:
        text = draw_text(rng, world, split, 1)
        (ask,) = text.asks
        (question,) = world.encode([ask.question])
        room = length - world.prompts.frame("answer", [question]) - 3
        chunks = cut_chunks(rng, text, 320, 40)
        held = carried(text, ask, chunks, 2 if rng.random() < 0.5 else 4, habit, room)
        if rng.random() < 0.25:  # no more than answers, if the first few do
            held = sorted(ask.keep(range(len(text.lines)))[:3])
        if held and rng.random() < 0.25:
            held.remove(rng.choice(held))
        if rng.random() < 0.2:  # a line that says something else, in its place
            held = sorted({*held, rng.randrange(len(text.lines))})
        answer = ask.answer(held)
        (said,) = world.encode([answer]) if answer else [(world.prompts.none_ids[0],)]
        held = latest(text, held, room - len(said))
        if not held or ask.answer(held) != answer:
            continue
        notes = _with_noise(rng, world, [text.lines[n] for n in held], room - len(said))
        return Recall(question, tuple(notes), answer)


def story_answer(
    rng: random.Random,
    world: World,
    length: int,
    *,
    split: Split = "train",
    habit: Habit | None = None,
) -> Window:
    """The window of `story_recall`; mostly the answer is shown up to some token."""
    return recall_window(
        rng, world, story_recall(rng, world, length, split=split, habit=habit), length
    )
