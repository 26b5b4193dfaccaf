"""Strategies: which windows are read, in which order, and what is carried along.

A strategy is a function of a session and a group of questions that share windows; it yields what
happens. `fold` and `map` read every window: no lexical index decides for them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from foldctx.folding.layout import Question
from foldctx.folding.memory import Note
from foldctx.folding.reading import Passage, Reader, WindowKind, WindowResult, WindowTask
from foldctx.folding.session import Group, Happened, Session

Strategy = Callable[[Session, Group], Iterator[Happened]]


def fold(session: Session, group: Group) -> Iterator[Happened]:
    """Every window in order, each with the memory so far."""
    yield from _in_order(session, group, group.passages)


def read_all(session: Session, group: Group) -> Iterator[Happened]:
    """Every window on its own, then the notes folded as a tree until they fit."""
    tasks = [
        session.task("read", group.questions, passage, group.layout, carry=False)
        for passage in group.passages
    ]
    for event in session.read(tasks):
        if isinstance(event, WindowResult):
            yield from _keep_notes(session, event)
        else:
            yield event
    for question in group.questions:
        yield from _condense(session, group, question)


def retrieve(session: Session, group: Group) -> Iterator[Happened]:
    """The windows that BM25 ranks first for any question, in document order."""
    chosen = rank_windows(
        [" ".join(passage.texts) for passage in group.passages],
        [question.text for question in group.questions],
        session.config.retrieve_windows,
    )
    yield from _in_order(session, group, [group.passages[i] for i in chosen])


def truncate(session: Session, group: Group) -> Iterator[Happened]:
    """One window's worth of the document: half from the head and half from the tail."""
    if len(group.passages) == 1:
        yield from _in_order(session, group, group.passages)
        return
    halves = session.passages(max(1, group.layout.chunk // 2))
    yield from _in_order(session, group, [halves[0], halves[-1]])


STRATEGY: Mapping[str, Strategy] = {
    "fold": fold,
    "map": read_all,
    "retrieve": retrieve,
    "truncate": truncate,
}


def rank_windows(texts: Sequence[str], questions: Sequence[str], count: int) -> list[int]:
    """Indices of the texts that BM25 (Lucene's form) ranks in the first `count` of any question."""
    import bm25s

    index = bm25s.BM25(method="lucene")
    index.index(bm25s.tokenize(list(texts), show_progress=False), show_progress=False)
    wanted = bm25s.tokenize(list(questions), show_progress=False)
    found, _ = index.retrieve(wanted, k=min(count, len(texts)), show_progress=False)
    return sorted({int(i) for row in found for i in row})


def reread(session: Session, question: Question, count: int) -> Iterator[Happened]:
    """Read the windows least sure of holding nothing again, for one question and without a skip."""
    asked = session.asked[question.number]
    known = {(note.start, note.end) for note in asked.memory.notes}
    ranked = sorted(asked.seen, key=lambda seen: (seen[0], seen[1].start))
    fresh = [p for _, p in ranked if not known & set(p.units)][:count]
    group = next(g for g in session.groups if question in g.questions)
    reader = Reader(
        session.predictor,
        session.prompts,
        session.decoder,
        pointer=session.pointer,
        skip_threshold=None,
        seed=session.seed,
    )
    layout = session.alone(group.layout)
    for passage in fresh:
        task = session.task("reread", (question,), passage, layout, carry=False)
        yield from _run(session, [task], reader)


def _in_order(
    session: Session, group: Group, passages: Sequence[Passage], kind: WindowKind = "read"
) -> Iterator[Happened]:
    for passage in passages:
        task = session.task(kind, group.questions, passage, group.layout, carry=True)
        yield from _run(session, [task])


def _run(
    session: Session, tasks: Sequence[WindowTask], reader: Reader | None = None
) -> Iterator[Happened]:
    for event in session.read(tasks, reader):
        if isinstance(event, WindowResult):
            yield from _keep_notes(session, event)
        else:
            yield event


def _keep_notes(session: Session, result: WindowResult) -> Iterator[Happened]:
    for question, notes in zip(result.task.group, result.notes, strict=True):
        if notes:
            yield from session.remember(question.number, notes, result.task.index)


def _condense(session: Session, group: Group, question: Question) -> Iterator[Happened]:
    """Fold the notes as a tree: read them in windows, keep those pointed at, until they fit.

    Every round drops at least one note, so it ends.
    """
    memory = session.asked[question.number].memory
    while memory.cost > session.memory_tokens and len(memory.notes) > 1:
        kept: set[str] = set()
        if session.pointer:
            for passage, notes in _note_passages(session, group, memory.notes):
                if len(notes) == 1:
                    kept.add(notes[0].id)
                    continue
                layout = session.alone(group.layout)
                task = session.task("condense", (question,), passage, layout, carry=False)
                for event in session.read([task]):
                    if isinstance(event, Happened):
                        yield event
                        continue
                    spans = {(note.start, note.end) for note in event.notes[0]}
                    chosen = [note.id for note in notes if (note.start, note.end) in spans]
                    kept.update(chosen or [max(notes, key=lambda note: note.score).id])
        if not kept or len(kept) >= len(memory.notes):
            kept = {note.id for note in memory.fitting(session.memory_tokens)}
            kept = kept or {max(memory.notes, key=lambda note: note.score).id}
        change = memory.keep(sorted(kept), "not chosen when the notes were read together")
        yield from session.changed(question.number, change, None)


def _note_passages(
    session: Session, group: Group, notes: Sequence[Note]
) -> Iterator[tuple[Passage, list[Note]]]:
    """Notes packed into passages for reading windows, in order."""
    room, batch, cost = group.layout.chunk, list[Note](), 0
    marker = session.prompts.unit_overhead()
    for note in notes:
        size = len(note.ids) + marker
        if batch and (cost + size > room or len(batch) == session.prompts.max_units):
            yield _joined(batch), batch
            batch, cost = [], 0
        batch.append(note)
        cost += size
    if batch:
        yield _joined(batch), batch


def _joined(notes: Sequence[Note]) -> Passage:
    return Passage(
        notes[0].start,
        max(note.end for note in notes),
        tuple((note.start, note.end) for note in notes),
        tuple(note.text for note in notes),
        tuple(note.ids for note in notes),
    )
