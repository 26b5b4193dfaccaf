"""Evidence of an answer: its notes, looked up in what was read."""

from collections.abc import Iterator, Sequence

from foldctx.evidence import Evidence, Match, Support, find_quote, support
from foldctx.folding.memory import Note
from foldctx.folding.session import Asked, Session

# An answer at least this sure is said to follow from verbatim notes that do not contain it.
_SCORED_FROM = 0.5


def find_evidence(
    session: Session, asked: Asked, notes: Sequence[Note], answer: str, confidence: float | None
) -> tuple[Evidence, ...]:
    """Quotes of the notes the answer was decoded from: those that hold it first, then by score.

    A place is quoted once. A note that is not found where it was read is no evidence.
    """
    found: dict[tuple[int, int], tuple[bool, float, int, Evidence]] = {}
    for note in sorted(notes, key=lambda note: -note.score):
        match = next(_matches(session, asked, note), None)
        if match is None or (match.start, match.end) in found:
            continue
        quote = session.document.text[match.start : match.end]
        held: Support = support(answer, [quote])
        if held == "none" and note.verbatim and (confidence or 0.0) >= _SCORED_FROM:
            held = "scored"  # the notes are quotes, and the answer was decoded from them alone
        page = _page(session, match.start, match.end, answer)
        source = session.document.source
        evidence = Evidence(quote, source, page, match.start, match.end, match.kind, held)
        rank = (held != "contains", -note.score, match.start, evidence)
        found[match.start, match.end] = rank
    ranked = sorted(found.values(), key=lambda row: row[:3])
    return tuple(row[3] for row in ranked[: session.config.max_quotes])


def _matches(session: Session, asked: Asked, note: Note) -> Iterator[Match]:
    """Where the note stands: at its own place, or anywhere in the window that it was written of."""
    read = asked.seen[note.window].passage.stretches
    for start, end in ((note.start, note.end),) if note.verbatim else read:
        if match := find_quote(note.text, session.document.text, start, end):
            yield match


def _page(session: Session, start: int, end: int, answer: str) -> int:
    """The page of a quote; where it crosses pages, that part which holds the answer."""
    spans = session.document.spans(start, end)
    for page, first, last in spans:
        if support(answer, [session.document.text[first:last]]) == "contains":
            return page
    return spans[0][0]
