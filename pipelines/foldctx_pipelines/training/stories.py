"""Reading and answering windows of tales: many chunks, a memory that grows, order that matters.

A tale's lines stand in their order among prose, a few in each chunk or all in one. A window is cut
out of this reading as the pipeline would come to it: its memory holds the notes that the chunks
before it gave, and its slots point at the lines of this chunk that are worth keeping, given those
notes. Where more lines are than slots, those that answer now come first, then the latest; the
rest is for another look at the same chunk (`Habit.looks`), or is lost.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from foldctx_pipelines.training.babi import SHORTEST, TASKS, draw_story
from foldctx_pipelines.training.facts import Bank
from foldctx_pipelines.training.needles import draw_needles, draw_variables
from foldctx_pipelines.training.sources import Ids, World, filler_sentences
from foldctx_pipelines.training.tales import Ask, Split, Tale, dress
from foldctx_pipelines.training.tasks import Window, answer_canvas, span_marks, unit_marks
from foldctx_pipelines.training.updates import draw_update

_LEAST_FILLER = 12  # tokens of prose in every chunk, which take up what is left to the token
_FIRST, _FURTHER, _REST = 1.0, 0.8, 0.3  # weights: first slot, further pointers, ends


@dataclass(frozen=True, slots=True)
class Habit:
    """How the pipeline reads: the most looks at a chunk, one more while its slots are full."""

    looks: int = 1
    memory_tokens: int = 96


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reading window is made of.

    `notes` are (question, ids); `units` are ids with the questions whose slots point at them;
    `pointed[i]` are the units that question i's slots name, in order.
    """

    questions: tuple[Ids, ...]
    notes: tuple[tuple[int, Ids], ...]
    units: tuple[tuple[Ids, tuple[int, ...]], ...]
    pointed: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """What an answering window is made of: notes in order, and the answer ("" for none)."""

    question: Ids
    notes: tuple[Ids, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class _Text:
    """A tale in one document: its lines in tokens, and the questions asked of it."""

    tale: Tale
    lines: tuple[Ids, ...]
    asks: tuple[Ask, ...]


def draw_tale(rng: random.Random, bank: Bank, split: Split = "train") -> Tale:
    """A tale of any kind, in the published words or in those of the split (`bank` is its own)."""
    form = rng.random()
    if form < 0.33:
        return draw_needles(rng, split, queries=rng.choice((1, 1, 1, 2, 3)))
    if form < 0.38:
        return draw_variables(rng, split)
    if form < 0.48:
        return draw_update(rng, bank)
    task = rng.choices(TASKS, (20, 30, 25, 10, 15))[0]
    words = "published" if rng.random() < 0.5 else split
    # short stories teach as much about one event as long ones, and cost less
    length = None if task == "babi4" or rng.random() < 0.4 else SHORTEST[task] + rng.randrange(12)
    return draw_story(rng, task, words, split=split, length=length)


def worth_keeping(ask: Ask, notes: Iterable[int], chunk: Iterable[int]) -> list[int]:
    """Lines of a chunk that belong into the memory beside these notes, the most useful first."""
    held, here = set(notes), set(chunk)
    return [n for n in ask.keep(sorted(held | here)) if n in here and n not in held]


def point(
    ask: Ask, notes: Iterable[int], chunk: Iterable[int], slots: int, looks: int = 1
) -> list[int]:
    """The lines that one look at a chunk points at, in the order of the text."""
    found = worth_keeping(ask, notes, chunk)
    return sorted(found[:slots]) if looks == 1 else sorted(found)[:slots]


def read_chunk(
    ask: Ask, notes: Sequence[int], chunk: Sequence[int], slots: int, looks: int
) -> list[int]:
    """The notes after a chunk was read with so many slots and looks, in the order of the text."""
    held, left = list(notes), list(chunk)
    for _ in range(looks):
        found = point(ask, held, left, slots, looks)
        held += found
        if len(found) < slots:
            break
        left = [n for n in left if n > found[-1]]
    return sorted(held)


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
        text = _draw_text(rng, world, split, questions)
        asked = world.encode([ask.question for ask in text.asks])
        canvas = world.prompts.canvas(len(asked))
        frame = world.prompts.frame("read", asked) + canvas.length
        share = min(habit.memory_tokens * min(len(asked), 2), (length - frame) // 4)
        room = length - frame - share - _LEAST_FILLER
        if room > max(len(ids) for ids in text.lines):
            break
    slots = len(canvas.slots[0])
    chunks = _chunks(rng, text, room, world.prompts.max_units - 8)
    at = rng.randrange(len(chunks))
    notes = [
        _memory(text, ask, chunks[:at], slots, habit, share // len(asked)) for ask in text.asks
    ]
    if rng.random() < 0.2:
        notes = [[n for n in held if rng.random() < 0.7] for held in notes]
    here, asks = chunks[at], list(range(len(asked)))
    found = [point(text.asks[i], notes[i], here, slots, habit.looks) for i in asks]
    full = [i for i in asks if len(found[i]) == slots]
    if habit.looks > 1 and full and rng.random() < 0.5:  # another look, for one question alone
        asks = [rng.choice(full)]
        (i,) = asks
        notes[i] = _latest(text, [*notes[i], *found[i]], share)
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
    text: _Text,
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


def _draw_text(rng: random.Random, world: World, split: Split, questions: int) -> _Text:
    tale = draw_tale(rng, world.bank, split)
    asks = list(tale.asks)
    rng.shuffle(asks)
    lines = world.encode([dress(rng, line) for line in tale.lines])
    return _Text(tale, tuple(lines), tuple(asks[: rng.randrange(1, questions + 1)]))


def _chunks(rng: random.Random, text: _Text, room: int, most: int) -> list[list[int]]:
    """Lines by the chunk they stand in: as many as fit, some, or one or two with gaps between."""
    form = rng.random()
    chunks: list[list[int]] = [[]]
    left, count = room, 0
    for n, ids in enumerate(text.lines):
        full = len(ids) + 1 > left or len(chunks[-1]) >= most
        if full or (form >= 0.45 and count <= 0):
            if form >= 0.65 and rng.random() < 0.25:
                chunks.append([])  # a chunk without any of them
            chunks.append([])
            left, count = room, rng.randrange(1, 9 if form < 0.65 else 3)
        chunks[-1].append(n)
        left, count = left - len(ids) - 1, count - 1
    return chunks


def _memory(
    text: _Text,
    ask: Ask,
    chunks: Sequence[Sequence[int]],
    slots: int,
    habit: Habit,
    room: int,
) -> list[int]:
    """The notes carried into the window after these chunks: the latest of those that fit."""
    held: list[int] = []
    for chunk in chunks:
        held = _latest(text, read_chunk(ask, held, chunk, slots, habit.looks), habit.memory_tokens)
    return _latest(text, held, room)


def _latest(text: _Text, notes: Sequence[int], room: int) -> list[int]:
    kept = []
    for n in sorted(notes, reverse=True):
        room -= len(text.lines[n]) + 1
        if room < 0:
            break
        kept.append(n)
    return kept[::-1]


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


def reading_window(rng: random.Random, world: World, reading: Reading) -> Window:
    """Token ids with masked slots; the first slot of a question is shown now and then."""
    prompts = world.prompts
    marker_of = {k: token for token, k in prompts.markers.items()}
    first = rng.randrange(1, prompts.max_units + 1)
    units = [ids for ids, _ in reading.units]
    pieces = prompts.read(reading.questions, reading.notes, units, first_unit=first)
    ids = [token for _, piece in pieces for token in piece]
    canvas = prompts.canvas(len(reading.questions))
    tail = [world.mask_id] * canvas.length
    for offset, token in canvas.pinned.items():
        tail[offset] = token
    targets: list[tuple[int, int, float]] = []
    for slot, numbers in zip(canvas.slots, reading.pointed, strict=True):
        wanted = [marker_of[(first + j - 1) % prompts.max_units + 1] for j in numbers]
        wanted = wanted or [prompts.none_ids[0]]
        ends = [world.eos_id] * (len(slot) - len(wanted))
        shown = rng.random() < 0.12
        for n, (offset, token) in enumerate(zip(slot, wanted + ends, strict=True)):
            if n == 0 and shown:
                tail[offset] = token
                continue
            weight = _FIRST if n == 0 else _FURTHER if n < len(wanted) else _REST
            targets.append((len(ids) + offset, token, weight))
    owners = [asking[0] if asking else -1 for _, asking in reading.units]
    return Window(ids + tail, targets, unit_marks(world, ids, owners))


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
        text = _draw_text(rng, world, split, 1)
        (ask,) = text.asks
        (question,) = world.encode([ask.question])
        room = length - world.prompts.frame("answer", [question]) - 3
        chunks = _chunks(rng, text, 320, 40)
        held = _memory(text, ask, chunks, 2 if rng.random() < 0.5 else 4, habit, room)
        if rng.random() < 0.25:  # no more than answers, if the first few do
            held = sorted(ask.keep(range(len(text.lines)))[:3])
        if held and rng.random() < 0.25:
            held.remove(rng.choice(held))
        if rng.random() < 0.2:  # a line that says something else, in its place
            held = sorted({*held, rng.randrange(len(text.lines))})
        answer = ask.answer(held)
        (said,) = world.encode([answer]) if answer else [(world.prompts.none_ids[0],)]
        held = _latest(text, held, room - len(said))
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


def recall_window(rng: random.Random, world: World, recall: Recall, length: int) -> Window:
    """Token ids of exactly `length`, with masks in the canvas that fills the room."""
    first = rng.randrange(1, world.prompts.max_units + 1)
    pieces = world.prompts.answer(recall.question, recall.notes, first)
    ids = [token for _, piece in pieces for token in piece]
    target = [world.prompts.none_ids[0]]
    if recall.answer:
        target = list(world.encode([recall.answer])[0])
    window = answer_canvas(rng, world, ids, target, length - len(ids))
    if recall.answer:
        memory = ids.index(world.tokenizer.token_id("<|memory|>"))
        window.marks.extend(span_marks(ids, memory + 1, target))
    return window
