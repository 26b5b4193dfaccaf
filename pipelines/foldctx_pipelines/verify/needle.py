"""Checks of reading: facts hidden in a text at a given depth, asked for through the fold."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, product

from foldctx.api import open_session
from foldctx.decoding import Decoder
from foldctx.documents import Document
from foldctx.documents.document import Page
from foldctx.folding.answering import Answer, answer_session
from foldctx.folding.config import FoldConfig
from foldctx.models.load import Model
from foldctx.models.tokenizer import Tokenizer
from foldctx_pipelines.scoring import contains_gold
from foldctx_pipelines.verify.check import Check


@dataclass(frozen=True, slots=True)
class Needle:
    """A sentence that is hidden, what is asked about it, and the answer that stands in it."""

    sentence: str
    question: str
    answer: str


NEEDLES = (
    Needle(
        "The night porter of the mill is Edwin Marsh.",
        "Who is the night porter of the mill?",
        "Edwin Marsh",
    ),
    Needle(
        "The new boiler was supplied by Harrow and Sons.",
        "Who supplied the new boiler?",
        "Harrow and Sons",
    ),
    Needle(
        "The deposit for the rope store is 340 crowns.",
        "How much is the deposit for the rope store?",
        "340 crowns",
    ),
    Needle(
        "The sluice gate was repaired on 14 March 1987.",
        "When was the sluice gate repaired?",
        "14 March 1987",
    ),
)

_SUBJECTS = ("The path", "The lower field", "The old wall", "The stream", "The lane", "The orchard")
_PREDICATES = (
    "was dry again after the long rain",
    "lay quiet for most of the afternoon",
    "looked much the same as the year before",
    "could be seen from the top of the hill",
    "was covered with leaves in the autumn",
    "had changed little since the spring",
    "seemed longer in the evening light",
)


def haystack(tokenizer: Tokenizer, depth: int, length: int) -> str:
    """A text of at least `length` tokens in which the needles begin at token `depth`."""
    straw = cycle(f"{subject} {rest}." for rest, subject in product(_PREDICATES, _SUBJECTS))
    sentences: list[str] = []
    needles = iter(NEEDLES)
    tokens = 0
    while tokens < length:
        needle = next(needles, None) if tokens >= depth else None
        for sentence in (next(straw), *([] if needle is None else [needle.sentence])):
            sentences.append(sentence)
            tokens += len(tokenizer.encode_text(" " + sentence))
    sentences += [needle.sentence for needle in needles]
    return " ".join(sentences)


def check_needle(
    model: Model, decoder: Decoder, name: str, *, depth: float, length: float, seed: int = 0
) -> Check:
    """Ask for the needles at `depth` windows in a text of `length` windows, by the fold strategy."""
    window = model.info.window
    text = haystack(model.tokenizer, round(depth * window), round(length * window))
    digest = hashlib.sha256(text.encode()).hexdigest()
    document = Document(name, text, (Page(1, 0, len(text)),), "text/plain", digest, ())
    questions = [needle.question for needle in NEEDLES]
    session = open_session(
        model, document, questions, config=FoldConfig(), decoder=decoder, seed=seed
    )
    answers = [event for event in answer_session(session) if isinstance(event, Answer)]
    rows = []
    for number, (needle, answer) in enumerate(zip(NEEDLES, answers, strict=True)):
        notes = session.asked[number].memory.notes
        rows.append(
            {
                "question": needle.question,
                "wanted": needle.answer,
                "answer": answer.text,
                "right": answer.text is not None and contains_gold(answer.text, [needle.answer]),
                "kept": any(needle.answer in note.text for note in notes),
            }
        )
    kept, right = (sum(bool(row[key]) for row in rows) for key in ("kept", "right"))
    fed = max(answer.position_max for answer in answers)
    good = sum(bool(row["kept"] or row["right"]) for row in rows)
    problems = []
    if 2 * good < len(rows):
        problems.append(f"only {good} of {len(rows)} facts were kept or answered")
    if fed >= window:
        problems.append(f"position {fed} was fed to a model with a window of {window}")
    measured = {
        "document_tokens": answers[0].document_tokens,
        "depth_tokens": round(depth * window),
        "windows": answers[0].windows,
        "forwards": sum(answer.forwards for answer in answers),
        "kept": kept,
        "right": right,
        "facts": rows,
    }
    demand = "half of the facts are kept or answered, and no position passes the window"
    found = f"of {len(rows)} facts {kept} kept, {right} answered, in {answers[0].windows} windows"
    return Check.of(name, demand, problems, found, measured)


def check_needles(model: Model, decoder: Decoder, seed: int = 0) -> Iterator[Check]:
    """At three quarters of the window, and where only folding reaches."""
    for name, depth, length in (("inside", 0.75, 1.0), ("past", 1.25, 1.5)):
        title = f"needle {name} the window"
        yield check_needle(model, decoder, title, depth=depth, length=length, seed=seed)
