"""Strategies: which windows are read, in which order, and what is carried along.

A strategy is a function of a session and a group of questions that share windows; it yields what
happens. `fold` and `map` read every window: no lexical index decides for them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from foldctx.folding.condensing import condense
from foldctx.folding.happened import Happened
from foldctx.folding.layout import Question
from foldctx.folding.reading import Passage, WindowResult, WindowTask
from foldctx.folding.session import Group, Session

Strategy = Callable[[Session, Group], Iterator[Happened]]

# Words; scripts that are written without spaces go character by character.
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_TERM = re.compile(f"[{_UNSPACED}]|[^\\W{_UNSPACED}]+")


def in_order(session: Session, group: Group) -> Iterator[Happened]:
    """The chosen windows in order, each with the memory so far."""
    for passage in windows_of(session, group):
        task = session.task("read", group.questions, passage, group.layout, carry=True)
        yield from _run(session, [task])


def apart(session: Session, group: Group) -> Iterator[Happened]:
    """Every window on its own, then the notes folded as a tree until they fit."""
    tasks = [
        session.task("read", group.questions, passage, group.layout, carry=False)
        for passage in windows_of(session, group)
    ]
    yield from _run(session, tasks)
    for question in group.questions:
        yield from condense(session, group, question)


STRATEGY: Mapping[str, Strategy] = {
    "fold": in_order,
    "map": apart,
    "retrieve": in_order,
    "truncate": in_order,
}


def windows_of(session: Session, group: Group) -> Sequence[Passage]:
    """The windows that the configured strategy reads for a group, in document order."""
    passages, strategy = group.passages, session.config.strategy
    if strategy == "retrieve":
        texts = [" ".join(passage.texts) for passage in passages]
        asked = [question.text for question in group.questions]
        return [passages[i] for i in rank_windows(texts, asked, session.config.retrieve_windows)]
    if strategy == "truncate" and len(passages) > 1:
        return [cut_middle(session, group)]
    return passages


def cut_middle(session: Session, group: Group) -> Passage:
    """One window of the document: half of it from the head, half from the tail."""
    passages, marker = group.passages, session.prompts.unit_overhead()
    places = list(dict.fromkeys(span for passage in passages for span in passage.units))
    room, slots = group.layout.chunk, session.prompts.max_units

    def sizes(spans: Sequence[tuple[int, int]]) -> list[int]:
        """Tokens of the first of them, as many as a window could hold."""
        return [len(ids) + marker for ids in session.passage(spans[:slots]).ids]

    head = _fitting(sizes(places), room // 2, slots // 2)
    room -= sum(sizes(places[:head]))
    tail = _fitting(sizes(places[head:][::-1]), room, slots - head)
    room -= sum(sizes(places[len(places) - tail :]))
    head += _fitting(sizes(places[head : len(places) - tail]), room, slots - head - tail)
    return session.passage([*places[:head], *places[len(places) - tail :]])


def _fitting(sizes: Sequence[int], room: int, slots: int) -> int:
    """How many from the front fit."""
    count = 0
    while count < min(len(sizes), slots) and sizes[count] <= room:
        room -= sizes[count]
        count += 1
    return count


def rank_windows(texts: Sequence[str], questions: Sequence[str], count: int) -> list[int]:
    """Indices of the texts that BM25 (Lucene's form) ranks in the first `count` of any question.

    Of equal ones, and where no word of a question is in any text, the first come first.
    """
    import bm25s

    terms = [_terms(text) for text in texts]
    known = {term for row in terms for term in row}
    chosen: set[int] = set()
    index = bm25s.BM25(method="lucene")
    if known:
        index.index(terms, show_progress=False)
    for question in questions:
        asked = [term for term in dict.fromkeys(_terms(question)) if term in known]
        scores = index.get_scores(asked).tolist() if asked else [0.0] * len(texts)
        ranked = sorted(range(len(texts)), key=lambda i: (-scores[i], i))
        chosen.update(ranked[:count])
    return sorted(chosen)


def _terms(text: str) -> list[str]:
    return _TERM.findall(text.casefold())


def reread(session: Session, question: Question, count: int) -> Iterator[Happened]:
    """Read the windows least sure of holding nothing again, for one question and without a skip.

    Those that gave notes, or that would give the same nothing again, are left alone.
    """
    asked = session.asked[question.number]
    known = {(note.start, note.end) for note in asked.memory.notes}
    again = [s for s in asked.seen.values() if not s.final and not known & set(s.passage.units)]
    again.sort(key=lambda seen: (seen.p_none, seen.passage.start))
    group = next(group for group in session.groups if question in group.questions)
    for seen in again[:count]:
        task = session.task_alone("reread", question, seen.passage, group)
        yield from _run(session, [task], careful=True)


def _run(
    session: Session, tasks: Sequence[WindowTask], *, careful: bool = False
) -> Iterator[Happened]:
    for event in session.read(tasks, careful=careful):
        if isinstance(event, WindowResult):
            yield from session.remember(event)
        else:
            yield event
