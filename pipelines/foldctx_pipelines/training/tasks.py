"""Training windows in the exact prompts of the pipeline: reading, and answering from notes.

Every window is filled to its length to the token, so no row of a batch needs padding.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from foldctx_pipelines.training.facts import Fact
from foldctx_pipelines.training.lines import compound, dressed, heading
from foldctx_pipelines.training.sources import Ids, World, draw_fact, filler_sentences
from foldctx_pipelines.training.windows import (
    Reading,
    Window,
    answer_canvas,
    reading_window,
    span_marks,
)

_LONG = 160  # tokens of an answering window from which it holds many notes
_NONE_WEIGHT = 0.6  # most slots say none: together they would drown those that point
_SILENT = 0.25  # of the facts whose bank has questions that the statement leaves open


def _ask(rng: random.Random, world: World) -> tuple[Fact, bool]:
    """A fact, and whether its statement answers the question; else it is the one that misleads."""
    fact = draw_fact(rng, world)
    if not fact.silent_question or rng.random() >= _SILENT:
        return fact, True
    # What else is said of the subject may tell what is asked, so that no sibling goes along.
    question, misleading = fact.silent_question, fact.statement
    fact = replace(fact, question=question, other_statement=misleading, sibling_statement="")
    return fact, False


def _unit(rng: random.Random, world: World, fact: Fact, text: str) -> str:
    """The text as a unit, with another clause of its kind in some."""
    if rng.random() < 0.15:
        others = [fact.sibling_statement, world.lookalikes.draw(rng, fact) or ""]
        other = rng.choice(others)
        if other and fact.answer not in other:
            text = compound(rng, text, other)
    return dressed(rng, text)


def _memory(
    rng: random.Random, facts: Sequence[Fact], world: World, budget: int
) -> list[tuple[int, Ids]]:
    """Notes that a run may carry into the window: right ones, wrong ones, or none."""
    if rng.random() < 0.3 or budget < 20:
        return []
    texts: list[tuple[int, str]] = []
    for _ in range(rng.randrange(1, 4)):
        i = rng.randrange(len(facts))
        form = rng.random()
        if form < 0.3:
            texts.append((i, facts[i].statement))
        elif form < 0.55 and facts[i].other_statement:
            texts.append((i, facts[i].other_statement))
        elif form < 0.7 and facts[i].sibling_statement:
            texts.append((i, facts[i].sibling_statement))
        else:
            alike = world.lookalikes.draw(rng, facts[i]) if form < 0.9 else None
            texts.append((i, alike or filler_sentences(rng, world, 1)[0]))
    notes, used = [], 0
    for (i, _), ids in zip(texts, world.encode([t for _, t in texts]), strict=True):
        if used + len(ids) + 1 <= budget:
            notes.append((i, ids))
            used += len(ids) + 1
    return sorted(notes, key=lambda note: note[0])


def read_window(rng: random.Random, world: World, length: int, questions: int) -> Window:
    """A window of exactly `length` tokens; each question's slots point at units, or say none."""
    drawn = [_ask(rng, world) for _ in range(questions)]
    facts = [fact for fact, _ in drawn]
    present = [told and rng.random() < (0.6 if questions == 1 else 0.45) for _, told in drawn]
    asked = world.encode([fact.question for fact in facts])
    canvas = world.prompts.canvas(questions)
    units: list[tuple[str, int]] = []  # text, question it answers or -1
    for i, fact in enumerate(facts):
        if present[i]:
            units.append((_unit(rng, world, fact, fact.statement), i))
        if fact.other_statement and rng.random() < (0.5 if present[i] else 0.6):
            units.append((_unit(rng, world, fact, fact.other_statement), -1))
        if fact.sibling_statement and rng.random() < 0.3:
            units.append((dressed(rng, fact.sibling_statement), -1))
        alike = world.lookalikes.draw(rng, fact) if rng.random() < 0.55 else None
        if alike:
            units.append((dressed(rng, alike), -1))
    rng.shuffle(units)
    notes = _memory(rng, facts, world, min(96, length // 5))
    empty = world.prompts.read(asked, notes, [])
    room = length - sum(len(ids) for _, ids in empty) - canvas.length
    placed = _place(rng, world, units, room)
    rows = tuple((ids, (i,) if i >= 0 else ()) for ids, i in placed)
    pointed = tuple(
        tuple(n for n, (_, owner) in enumerate(placed) if owner == i)[: len(slot)]
        for i, slot in enumerate(canvas.slots)
    )
    reading = Reading(tuple(asked), tuple(notes), rows, pointed)
    return reading_window(rng, world, reading, none_weight=_NONE_WEIGHT)


def write_window(rng: random.Random, world: World, length: int) -> Window:
    """A window for one question whose canvas holds the helping sentence itself, or none."""
    while True:
        fact = draw_fact(rng, world)
        asked, text = world.encode([fact.question, fact.statement])
        canvas = world.prompts.written_length
        if len(text) >= canvas - 2:
            continue
        present = rng.random() < 0.6
        units = [(fact.statement, 0)] if present else []
        if fact.other_statement and rng.random() < 0.5:
            units.append((fact.other_statement, -1))
        rng.shuffle(units)
        notes = _memory(rng, [fact], world, min(64, length // 5))
        room = (
            length
            - canvas
            - sum(len(ids) for _, ids in world.prompts.read([asked], notes, [], task="write"))
        )
        placed = _place(rng, world, units, room)
        if present and not any(owner == 0 for _, owner in placed):
            continue
        first = rng.randrange(1, world.prompts.max_units + 1)
        pieces = world.prompts.read(
            [asked], notes, [ids for ids, _ in placed], first_unit=first, task="write"
        )
        ids = [token for _, piece in pieces for token in piece]
        target = list(text) if present else [world.prompts.none_ids[0]]
        return answer_canvas(rng, world, ids, target, canvas)


def _place(
    rng: random.Random, world: World, units: list[tuple[str, int]], room: int
) -> list[tuple[Ids, int]]:
    """Units in random order among fillers, cut at the end so that all room is used."""
    encoded = list(zip(world.encode([t for t, _ in units]), [i for _, i in units], strict=True))
    chosen: list[tuple[Ids, int]] = []
    left = room
    for ids, i in encoded:
        if len(ids) + 1 <= left - 12:
            chosen.append((ids, i))
            left -= len(ids) + 1
    fillers: list[Ids] = []
    while left > 1:
        sentences = [dressed(rng, text) for text in filler_sentences(rng, world, 8)]
        if rng.random() < 0.6:
            sentences.insert(rng.randrange(9), heading(rng, sentences[0]))
        for ids in world.encode(sentences):
            if left > 1:
                ids = ids[: left - 1]
                fillers.append(ids)
                left -= len(ids) + 1
    rows: list[tuple[Ids, int]] = [(ids, -1) for ids in fillers]
    for row in chosen:
        rows.insert(rng.randrange(len(rows) + 1), row)
    if left == 1:  # one token cannot hold a unit: lengthen the last one
        ids, i = rows[-1]
        rows[-1] = ((*ids, ids[-1]), i)
    return (
        rows[: world.prompts.max_units]
        if len(rows) <= world.prompts.max_units
        else _merge(rows, world)
    )


def _merge(rows: list[tuple[Ids, int]], world: World) -> list[tuple[Ids, int]]:
    """Join neighbouring fillers until the markers suffice, as the chunker joins short lines."""
    rows = list(rows)
    while len(rows) > world.prompts.max_units:
        for j in range(len(rows) - 1):
            if rows[j][1] < 0 and rows[j + 1][1] < 0:
                joined = (*rows[j][0], *rows[j + 1][0], rows[j + 1][0][-1])
                rows[j : j + 2] = [(joined, -1)]
                break
        else:
            break
    return rows


def add_cloze(rng: random.Random, world: World, window: Window, rows: int) -> Window:
    """Mask some short spans of the window's text as well: language, and copying of words."""
    ids = list(window.ids)
    first_special = 80
    taken = {at for at, _, _ in window.targets}
    targets = list(window.targets)
    room = rows - len(targets)
    while room > 0:
        at, width = rng.randrange(len(ids)), rng.randrange(1, 4)
        for k in range(at, min(at + width, len(ids))):
            if room and k not in taken and ids[k] >= first_special:
                targets.append((k, ids[k], 0.05))
                ids[k] = world.mask_id
                taken.add(k)
                room -= 1
        if rng.random() < 0.08:
            break
    return Window(ids, targets, window.marks)


def _others(rng: random.Random, world: World, fact: Fact, most: int) -> list[str]:
    """Notes that do not answer, those that are most like an answer first."""
    others = [fact.other_statement] if fact.other_statement and rng.random() < 0.6 else []
    if fact.sibling_statement and rng.random() < 0.4:
        others.append(fact.sibling_statement)
    alike = (world.lookalikes.draw(rng, fact) for _ in range(rng.randrange(0, most)))
    others += dict.fromkeys(text for text in alike if text)
    others += [draw_fact(rng, world).statement for _ in range(rng.randrange(0, most // 2 + 1))]
    others += filler_sentences(rng, world, rng.randrange(0, most // 2 + 1))
    return others


def answer_window(rng: random.Random, world: World, length: int) -> Window:
    """Question and notes, then a canvas with the answer, or the token that says there is none."""
    while True:
        fact, answered = _ask(rng, world)
        if fact.relation == "mention":
            continue
        known = answered and rng.random() < 0.8
        told = _unit(rng, world, fact, fact.statement)
        most = 5 if length < _LONG else 14
        others = _others(rng, world, fact, most)
        texts = others[: rng.randrange(0 if known else 1, most)] + ([told] if known else [])
        texts = [text if text == told else _unit(rng, world, fact, text) for text in texts]
        rng.shuffle(texts)
        question, answer, *notes = world.encode([fact.question, fact.answer, *texts])
        while notes and len(question) + sum(len(n) + 1 for n in notes) + 3 + 10 > length:
            drop = rng.randrange(len(notes))
            if texts[drop] != told or len(notes) == 1:
                del notes[drop], texts[drop]
        if not notes or (known and told not in texts):
            continue
        first = rng.randrange(1, world.prompts.max_units + 1)
        pieces = world.prompts.answer(question, notes, first)
        ids = [token for _, piece in pieces for token in piece]
        room = length - len(ids)
        target = list(answer) if known else [world.prompts.none_ids[0]]
        if len(target) + 1 <= room:
            window = answer_canvas(rng, world, ids, target, room)
            if known:
                memory = ids.index(world.tokenizer.token_id("<|memory|>"))
                window.marks.extend(span_marks(ids, memory + 1, target))
            return window
