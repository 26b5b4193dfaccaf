"""How the pipeline comes to a chunk of a tale: what stands in it, and the notes it carries there."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from foldctx_pipelines.training.babi import SHORTEST, TASKS, draw_story
from foldctx_pipelines.training.facts import Bank
from foldctx_pipelines.training.lines import dressed
from foldctx_pipelines.training.needles import draw_needles, draw_variables
from foldctx_pipelines.training.sources import Ids, World
from foldctx_pipelines.training.tales import Ask, Split, Tale
from foldctx_pipelines.training.updates import draw_update


@dataclass(frozen=True, slots=True)
class Habit:
    """How the pipeline reads: the most looks at a chunk, one more while its slots are full."""

    looks: int = 1
    memory_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Text:
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


def draw_text(rng: random.Random, world: World, split: Split, questions: int) -> Text:
    """A tale with some of its questions, its lines dressed as they stand in a document."""
    tale = draw_tale(rng, world.bank, split)
    asks = list(tale.asks)
    rng.shuffle(asks)
    lines = world.encode([dressed(rng, line) for line in tale.lines])
    return Text(tale, tuple(lines), tuple(asks[: rng.randrange(1, questions + 1)]))


def cut_chunks(rng: random.Random, text: Text, room: int, most: int) -> list[list[int]]:
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


def carried(
    text: Text,
    ask: Ask,
    chunks: Sequence[Sequence[int]],
    slots: int,
    habit: Habit,
    room: int,
) -> list[int]:
    """The notes carried into the window after these chunks: the latest of those that fit."""
    held: list[int] = []
    for chunk in chunks:
        held = latest(text, read_chunk(ask, held, chunk, slots, habit.looks), habit.memory_tokens)
    return latest(text, held, room)


def latest(text: Text, notes: Sequence[int], room: int) -> list[int]:
    """The last of the notes, as many as fit."""
    kept = []
    for n in sorted(notes, reverse=True):
        room -= len(text.lines[n]) + 1
        if room < 0:
            break
        kept.append(n)
    return kept[::-1]
