"""Folding the notes of windows that were read apart: as a tree, until they fit the memory."""

from collections.abc import Iterator, Sequence

from foldctx.folding.happened import Happened
from foldctx.folding.layout import Question
from foldctx.folding.memory import MemoryChange, Note
from foldctx.folding.reading import WindowTask
from foldctx.folding.session import Group, Session

_NOT_CHOSEN = "not chosen when the notes were read together"


def condense(session: Session, group: Group, question: Question) -> Iterator[Happened]:
    """Read the notes in windows and keep those pointed at; what is still too much goes by score.

    Every round but the last halves the notes, so it ends.
    """
    memory, budget = session.asked[question.number].memory, session.limits.memory_tokens
    while session.pointer and memory.cost > budget and len(memory.notes) > 1:
        before, kept = len(memory.notes), set[str]()
        yield from _choose(session, group, question, kept)
        yield from _told(session, question, memory.keep(kept, _NOT_CHOSEN))
        if 2 * len(memory.notes) > before:
            break
    if memory.cost > budget:
        change = memory.shrink(budget)
        session.asked[question.number].lost = change.dropped[-1][1]
        yield from _told(session, question, change)


def _told(session: Session, question: Question, change: MemoryChange) -> Iterator[Happened]:
    if change.changed:
        yield session.narrator.remembered(question.number, change, None)


def _choose(
    session: Session, group: Group, question: Question, kept: set[str]
) -> Iterator[Happened]:
    """One round: of each windowful of notes those pointed at, or the best, into `kept`."""
    batches: dict[int, list[Note]] = {}
    tasks: list[WindowTask] = []
    for notes in pack(session, group, session.asked[question.number].memory.notes):
        if len(notes) == 1:
            kept.add(notes[0].id)
            continue
        tasks.append(
            session.task_alone(
                "condense",
                question,
                session.passage([(note.start, note.end) for note in notes]),
                group,
            )
        )
        batches[tasks[-1].index] = notes
    for event in session.read(tasks, careful=True):
        if isinstance(event, Happened):
            yield event
            continue
        notes = batches[event.task.index]
        pointed = {(note.start, note.end) for note in event.notes[0]}
        chosen = {note.id for note in notes if (note.start, note.end) in pointed}
        kept |= chosen or {max(notes, key=lambda note: note.score).id}


def pack(session: Session, group: Group, notes: Sequence[Note]) -> list[list[Note]]:
    """Notes in order, in batches that each fit a window's chunk."""
    marker, room, cost = session.prompts.unit_overhead(), group.layout.chunk, 0
    batches: list[list[Note]] = []
    for note in notes:
        size = len(note.ids) + marker
        if not batches or cost + size > room or len(batches[-1]) == session.prompts.max_units:
            batches.append([])
            cost = 0
        batches[-1].append(note)
        cost += size
    return batches
