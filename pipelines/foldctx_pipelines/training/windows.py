"""Windows of token ids with masks in place, from what they are made of.

A reading window has slots that point at units or say none; an answering window has a canvas that is
filled from its notes.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from foldctx_pipelines.training.sources import Ids, World

UNANSWERING = 8
_FIRST, _FURTHER, _REST = 1.0, 0.8, 0.3  # weights: first slot, further pointers, ends
_ENDS = 4  # masks behind an answer's end that are trained: the others say the same


@dataclass(frozen=True, slots=True)
class Window:
    """Token ids with masks in place, and (index, target id, weight) of the trained positions.

    `marks` are (index, class) of tokens that a training-time probe labels in the middle of the
    network: which question a unit answers (`UNANSWERING` for none), or where in a note the answer
    begins (1) and goes on (2).
    """

    ids: list[int]
    targets: list[tuple[int, int, float]]
    marks: list[tuple[int, int]] = field(default_factory=list)


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


def reading_window(
    rng: random.Random, world: World, reading: Reading, *, none_weight: float = 1.0
) -> Window:
    """Token ids with masked slots; the first slot of a question is shown now and then.

    A slot that says none weighs `none_weight`.
    """
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
            weight = _FURTHER if n else _FIRST if numbers else none_weight
            weight = weight if n < len(wanted) else _REST
            targets.append((len(ids) + offset, token, weight))
    owners = [asking[0] if asking else -1 for _, asking in reading.units]
    return Window(ids + tail, targets, unit_marks(world, ids, owners))


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


def unit_marks(world: World, ids: Sequence[int], owners: Sequence[int]) -> list[tuple[int, int]]:
    """The unit markers of a reading window, each with the question its unit answers."""
    start = ids.index(world.tokenizer.token_id("<|text|>"))
    markers = world.prompts.markers
    at = [i for i, token in enumerate(ids) if i > start and token in markers][: len(owners)]
    return [(i, owner if owner >= 0 else UNANSWERING) for i, owner in zip(at, owners, strict=True)]


def span_marks(ids: Sequence[int], start: int, answer: Sequence[int]) -> list[tuple[int, int]]:
    """All tokens from `start` on, labelled by every place where the answer stands; [] if nowhere."""
    wide = len(answer)
    found = [
        i for i in range(start, len(ids) - wide + 1) if list(ids[i : i + wide]) == list(answer)
    ]
    if not found or not wide:
        return []
    labels = dict.fromkeys(range(start, len(ids)), 0)
    for i in found:
        labels.update({j: 1 if j == i else 2 for j in range(i, i + wide)})
    return list(labels.items())


def answer_canvas(
    rng: random.Random, world: World, ids: list[int], target: list[int], room: int
) -> Window:
    """The canvas fills the room; of the answer, nothing, a head or some tokens are shown.

    What a text goes on with can be learned; what stands three masks further can only be guessed, so
    a masked token counts in full where its left neighbour is shown.
    """
    wanted = target + [world.eos_id] * (room - len(target))
    form = rng.random()
    if form < 0.5:
        shown = set[int]()
    elif form < 0.75:
        shown = set(range(rng.randrange(len(target) + 1)))
    else:
        shown = {j for j in range(len(target)) if rng.random() < 0.5}
    tail: list[int] = []
    targets: list[tuple[int, int, float]] = []
    for j, token in enumerate(wanted):
        if j in shown:
            tail.append(token)
            continue
        tail.append(world.mask_id)
        follows = j == 0 or j - 1 in shown
        beyond = j - len(target)
        weight = 0.01 if beyond > 0 else 1.0 if follows else 0.15
        targets.append((len(ids) + j, token, weight if beyond <= _ENDS else 0.0))
    return Window(ids + tail, targets)
