"""From memory to answers: the answer is decoded from the notes alone, or there is none."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from foldctx.decoding import Decoded, FirstEos, Fold, Never, Request, Segment, Usage, decode
from foldctx.errors import WindowError
from foldctx.evidence import Evidence, Support, find_quote, support
from foldctx.folding.layout import Question, segments
from foldctx.folding.memory import Note
from foldctx.folding.session import Happened, Session
from foldctx.folding.strategies import STRATEGY, reread

NO_NOTE = "nothing in the windows that were read was found to help"
NOT_IN_NOTES = "the notes do not answer the question"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question about one document, or None with the reason.

    `generated` are all decoded token ids where a length was asked for. The cost fields are this
    question's share: windows read for several questions are divided among them.
    """

    question: str
    text: str | None
    reason: str | None
    confidence: float | None
    evidence: tuple[Evidence, ...]
    windows: int
    skipped: int
    forwards: float
    tokens_fed: float
    fed_max: int
    position_max: int
    document_tokens: int
    generated: tuple[int, ...] | None = None

    @property
    def supported(self) -> bool:
        """Whether there is an answer and a quote that it follows from."""
        return self.text is not None and any(e.support != "none" for e in self.evidence)


def answer_session(session: Session) -> Iterator[Happened | Answer]:
    """Read the document, then answer every question: events as they happen, then the answers."""
    yield session.opened()
    for group in session.groups:
        yield from STRATEGY[session.config.strategy](session, group)
    for question in session.questions:
        yield from _answer(session, question)


@dataclass(slots=True)
class _Attempt:
    text: str | None = None
    reason: str | None = NO_NOTE
    confidence: float | None = None
    notes: tuple[Note, ...] = ()
    generated: tuple[int, ...] | None = None


def _answer(session: Session, question: Question) -> Iterator[Happened | Answer]:
    attempt = _Attempt()
    yield from _attempt(session, question, attempt)
    if attempt.text is None and session.config.reread_windows:
        before = session.asked[question.number].memory.digest
        yield from reread(session, question, session.config.reread_windows)
        if session.asked[question.number].memory.digest != before:
            yield from _attempt(session, question, attempt)
    evidence = _evidence(session, attempt)
    yield session.happened(
        "answer",
        question=question.number,
        text=attempt.text,
        reason=attempt.reason,
        confidence=attempt.confidence,
    )
    for found in evidence:
        yield session.happened("evidence", question=question.number, **found.to_dict())
    asked = session.asked[question.number]
    yield Answer(
        question=question.text,
        text=attempt.text,
        reason=attempt.reason,
        confidence=attempt.confidence,
        evidence=evidence,
        windows=asked.windows,
        skipped=asked.skipped,
        forwards=asked.forwards,
        tokens_fed=asked.tokens_fed,
        fed_max=asked.fed_max,
        position_max=asked.position_max,
        document_tokens=session.document_tokens,
        generated=attempt.generated,
    )


def _attempt(session: Session, question: Question, attempt: _Attempt) -> Iterator[Happened]:
    """Decode an answer from the memory into `attempt`."""
    memory = session.asked[question.number].memory
    length = session.config.gen_length or session.prompts.answer_length
    frame = session.prompts.frame("answer", [question.ids])
    canvas = min(length, session.prompts.answer_length)
    room = min(session.window - frame - canvas, session.memory_tokens)
    if room < 1:
        raise WindowError(
            f"a window of {session.window} tokens has no room for notes beside a question of "
            f"{len(question.ids)} tokens and an answer of {canvas}; raise --window"
        )
    notes = memory.fitting(room)
    if not notes:
        return
    prompt = segments(session.prompts.answer(question.ids, [note.ids for note in notes]))
    index = session.next_index
    session.next_index += 1
    decoded: Decoded | None = None
    for event in _decode(session, index, prompt, length):
        if isinstance(event, Decoded):
            decoded = event
        else:
            yield event
    assert decoded is not None
    session.asked[question.number].charge(decoded.usage, 1)
    yield _answer_window(session, index, question, prompt, length, decoded.usage)
    _judge(session, decoded, attempt)
    attempt.notes = notes


def _answer_window(
    session: Session,
    index: int,
    question: Question,
    prompt: Sequence[Segment],
    length: int,
    usage: Usage,
) -> Happened:
    return session.window_event(index, "answer", (question,), prompt, length, usage, [None], None)


def _decode(
    session: Session, index: int, prompt: tuple[Segment, ...], length: int
) -> Iterator[Happened | Decoded]:
    """Decode the answer; a length that was asked for is decoded to its last token."""
    stop = FirstEos() if session.config.gen_length is None else Never()
    decoder = replace(session.decoder, stop=stop)
    request = Request(str(index), prompt, length, seed=session.seed + index)
    level = "steps" if session.steps else "result"
    for event in decode(session.predictor, [request], decoder, level=level):  # type: ignore[arg-type]
        if isinstance(event, Decoded):
            yield event
        elif isinstance(event, Fold):
            yield session.folded(event)
        else:
            yield session.denoised(event)


def _judge(session: Session, decoded: Decoded, attempt: _Attempt) -> None:
    """Text and confidence of a decoded answer; none, and too unsure, are abstentions."""
    ids = decoded.text
    text = session.prompts.decode(ids)
    scores = decoded.confidences[: decoded.text_length]
    attempt.confidence = _mean(scores)
    attempt.generated = tuple(decoded.tokens) if session.config.gen_length else None
    threshold = session.config.abstain_threshold
    threshold = session.calibration.abstain_threshold if threshold is None else threshold
    if not text or session.prompts.says_none(ids):
        attempt.text, attempt.reason = None, NOT_IN_NOTES
    elif attempt.confidence < threshold:
        attempt.text = None
        attempt.reason = f"confidence {attempt.confidence:.3f} is below {threshold:.3f}"
    else:
        attempt.text, attempt.reason = text, None


def _mean(confidences: Sequence[float]) -> float:
    """Geometric mean; 0 for nothing."""
    if not confidences:
        return 0.0
    return math.exp(sum(math.log(max(c, 1e-9)) for c in confidences) / len(confidences))


def _evidence(session: Session, attempt: _Attempt) -> tuple[Evidence, ...]:
    """Quotes looked up where they were read: those that hold the answer first, then by score."""
    if attempt.text is None:
        return ()
    found = []
    for note in attempt.notes:
        match = find_quote(note.text.strip(), session.document.text, note.start, note.end)
        if match is None:
            continue
        quote = session.document.text[match.start : match.end]
        held: Support = support(attempt.text, [quote])
        if held == "none" and note.verbatim and (attempt.confidence or 0.0) >= 0.5:
            held = "scored"  # the notes are quotes, and the answer was decoded from them alone
        page = _page(session, match.start, match.end, attempt.text)
        evidence = Evidence(
            quote, session.document.source, page, match.start, match.end, match.kind, held
        )
        found.append((held != "contains", -note.score, match.start, evidence))
    found.sort(key=lambda row: row[:3])
    return tuple(row[3] for row in found[: session.config.max_quotes])


def _page(session: Session, start: int, end: int, answer: str) -> int:
    """The page of a quote; where it crosses pages, that part which holds the answer."""
    spans = session.document.spans(start, end)
    for page, first, last in spans:
        if support(answer, [session.document.text[first:last]]) == "contains":
            return page
    return spans[0][0]
