"""From memory to answers: the answer is decoded from the notes alone, or there is none."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from foldctx.decoding import (
    Decoded,
    Decoder,
    FirstEos,
    Fold,
    Never,
    Request,
    Step,
    check_request,
    decode,
)
from foldctx.errors import WindowError
from foldctx.evidence import Evidence
from foldctx.folding.happened import Happened
from foldctx.folding.layout import Question, segments
from foldctx.folding.memory import Note
from foldctx.folding.quoting import find_evidence
from foldctx.folding.reading import WindowTask, for_answer
from foldctx.folding.session import Session
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
    """Read the document, then answer every question: events as they happen, then the answers.

    Raises UsageError or WindowError before anything is read where no answer could be decoded.
    """
    check_session(session)
    yield session.opened()
    for group in session.groups:
        yield from STRATEGY[session.config.strategy](session, group)
    for question in session.questions:
        yield from _answer(session, question)


def check_session(session: Session) -> None:
    """Raise UsageError or WindowError when `answer_session` would refuse; runs no model."""
    for question in session.questions:
        notes_room(session, question)
        request = _request(session, question, [])
        for decoder in (session.decoder, answer_settings(session)):  # as given, and as it runs
            check_request(request, decoder, session.predictor.info)
    for group in session.groups:
        passage = group.passages[0]
        session.reader.check(WindowTask(0, "read", group.questions, passage, (), group.layout))


@dataclass(slots=True)
class _Attempt:
    text: str | None = None
    reason: str | None = NO_NOTE
    confidence: float | None = None
    notes: tuple[Note, ...] = ()
    generated: tuple[int, ...] | None = None


def _answer(session: Session, question: Question) -> Iterator[Happened | Answer]:
    attempt, asked = _Attempt(), session.asked[question.number]
    yield from _attempt(session, question, attempt)
    if attempt.text is None and session.config.reread_windows:
        before = asked.memory.digest
        yield from reread(session, question, session.config.reread_windows)
        if asked.memory.digest != before:
            yield from _attempt(session, question, attempt)
    evidence: tuple[Evidence, ...] = ()
    if attempt.text is not None:
        evidence = find_evidence(session, asked, attempt.notes, attempt.text, attempt.confidence)
    tell = session.narrator.tell
    yield tell(
        "answer",
        question=question.number,
        text=attempt.text,
        reason=attempt.reason,
        confidence=attempt.confidence,
    )
    for found in evidence:
        yield tell("evidence", question=question.number, **found.to_dict())
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
    asked = session.asked[question.number]
    room = notes_room(session, question)
    notes = asked.memory.fitting(room)
    if not notes:
        if asked.memory.notes:
            attempt.reason = f"no note fits in the {room} tokens that are left for notes"
        elif asked.lost:
            attempt.reason = f"the notes do not fit in the memory: the last one {asked.lost}"
        return
    request = _request(session, question, notes, session.next_window())
    for event in _decode(session, request):
        if not isinstance(event, Decoded):
            yield session.narrator.decoding(event)
            continue
        asked.charge(event.usage, 1)
        yield session.narrator.answer_window(request, question, event.usage)
        _judge(session, event, attempt)
    attempt.notes = notes


def _request(
    session: Session, question: Question, notes: Sequence[Note], index: int = 0
) -> Request:
    """The answering window as a request; its seed goes by its index."""
    prompt = segments(session.prompts.answer(question.ids, [note.ids for note in notes]))
    seed = session.setup.seed + index
    return Request(str(index), prompt, answer_length(session), seed=seed)


def notes_room(session: Session, question: Question) -> int:
    """Tokens for notes in an answering window, once the decoder can lay its canvas out.

    An answer longer than the window needs only what a span fold leaves room for. Raises
    WindowError when nothing is left.
    """
    window, decoder, length = session.limits.window, session.decoder, answer_length(session)
    block = min(decoder.block_length, length)
    folded = decoder.span.tokens + 2 * block + min(decoder.feed.reserve, length - block)
    canvas = min(length, folded) if length > block else length
    frame = session.prompts.frame("answer", [question.ids])
    room = min(window - frame - canvas, session.limits.memory_tokens)
    if room < 1:
        raise WindowError(
            f"a window of {window} tokens has no room for notes beside a question of "
            f"{len(question.ids)} tokens and {canvas} of the answer; raise --window, or lower "
            "--gen-length or the preset's block_length"
        )
    return room


def _decode(session: Session, request: Request) -> Iterator[Fold | Step | Decoded]:
    level: Literal["steps", "result"] = "steps" if session.setup.steps else "result"
    yield from decode(session.predictor, [request], answer_settings(session), level=level)


def answer_settings(session: Session) -> Decoder:
    """The decoder of answers; a length that was asked for is decoded to its last token."""
    length = answer_length(session)
    decoder = for_answer(session.decoder, session.prompts, session.calibration, length)
    return replace(decoder, stop=FirstEos() if session.config.gen_length is None else Never())


def answer_length(session: Session) -> int:
    """Tokens of an answer: those asked for, else the template's."""
    return session.config.gen_length or session.prompts.answer_length


def _judge(session: Session, decoded: Decoded, attempt: _Attempt) -> None:
    """Text and confidence of a decoded answer; none, and too unsure, are abstentions."""
    text = session.prompts.decode(decoded.text)
    measured = session.decoder.propose.is_probability
    attempt.confidence = mean_confidence(decoded) if measured else None
    attempt.generated = tuple(decoded.tokens) if session.config.gen_length else None
    threshold = session.limits.abstain_threshold
    if not text or session.prompts.says_none(decoded.text):
        attempt.text, attempt.reason = None, NOT_IN_NOTES
    elif attempt.confidence is not None and attempt.confidence < threshold:
        attempt.text = None
        attempt.reason = f"confidence {attempt.confidence:.3f} is below {threshold:.3f}"
    else:
        attempt.text, attempt.reason = text, None


def mean_confidence(decoded: Decoded) -> float:
    """Geometric mean over the text's tokens, at most 1 whatever was rounded; 0 for no text."""
    confidences = decoded.confidences[: decoded.text_length]
    if not confidences:
        return 0.0
    logs = [math.log(max(confidence, 1e-9)) for confidence in confidences]
    return min(1.0, math.exp(sum(logs) / len(logs)))
