"""Documents of headings, paragraphs, lists and tables, with facts of relations never trained on."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from foldctx.documents import sentences
from foldctx_pipelines.benchmarks.reader.haystack import Haystack
from foldctx_pipelines.training.facts import Bank, Fact, realise

_TITLES = (
    "Annual report",
    "Handover notes",
    "Guide for new members",
    "Record of the review",
    "Working paper",
    "Collected notices",
)
_HEADINGS = (
    "Background",
    "What was found",
    "People and places",
    "Figures",
    "Arrangements",
    "Questions raised",
    "Further remarks",
    "Appendix",
    "Open points",
    "Summary of the year",
)
_PAGE = 1800  # characters from which a page may end


@dataclass(frozen=True, slots=True)
class Lookup:
    """A document's text, where its pages end, and a question; `statement` is "" for none in it."""

    text: str
    ends: tuple[int, ...]
    question: str
    answer: str
    statement: str

    @property
    def page(self) -> int | None:
        """The page of the statement, from 1."""
        if not self.statement:
            return None
        at = self.text.index(self.statement)
        return 1 + sum(end <= at for end in self.ends[:-1])


def draw_lookup(rng: random.Random, bank: Bank, haystack: Haystack, *, answerable: bool) -> Lookup:
    """A document of some pages and a question that it answers in one sentence, or does not."""
    relations = rng.sample(bank.relations, len(bank.relations))
    while True:
        fact = realise(rng, relations.pop())
        whole = len(sentences(fact.statement)) == 1
        if whole and (answerable or fact.other_statement):
            break
    chosen = [realise(rng, relation) for relation in relations[: rng.randrange(12, 40)]]
    lines = [other.statement for other in chosen if _apart(fact, other)]
    if fact.other_statement and (not answerable or rng.random() < 0.6):
        lines.insert(rng.randrange(len(lines) + 1), fact.other_statement)
    if answerable:
        lines.insert(rng.randrange(len(lines) + 1), fact.statement)
    sections = _sections(rng, lines, haystack)
    text = ""
    ends: list[int] = []
    for section in sections:
        text += section
        if len(text) - (ends[-1] if ends else 0) >= _PAGE:
            ends.append(len(text))
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    statement = fact.statement if answerable else ""
    return Lookup(text, tuple(ends), fact.question, fact.answer, statement)


def _apart(fact: Fact, other: Fact) -> bool:
    """Whether the other fact leaves the question alone: it names neither subject nor answer."""
    said = other.statement.lower()
    return fact.answer.lower() not in said and (
        not fact.subject or fact.subject.lower() not in said
    )


def _sections(rng: random.Random, lines: Sequence[str], haystack: Haystack) -> list[str]:
    """Paragraphs, lists and tables under headings; each part ends with a blank line."""
    parts = [f"# {rng.choice(_TITLES)}\n\n"]
    rest = list(lines)
    headings = rng.sample(_HEADINGS, len(_HEADINGS))
    while rest:
        if rng.random() < 0.4 and headings:
            parts.append(f"## {headings.pop()}\n\n")
        form, count = rng.random(), rng.randrange(1, 5)
        taken, rest = rest[:count], rest[count:]
        if form < 0.15 and len(taken) > 1:
            parts.append("".join(f"- {line}\n" for line in taken) + "\n")
        elif form < 0.25 and len(taken) > 1:
            rows = (f"| {i} | {line} |\n" for i, line in enumerate(taken, start=1))
            parts.append("| No. | entry |\n|---|---|\n" + "".join(rows) + "\n")
        else:
            stretch = haystack.stretch(rng, rng.randrange(120, 420))
            prose = [" ".join(haystack.pieces[k].split()) for k in stretch]
            # Only whole sentences, so that every line stays one.
            prose = [sentence for sentence in prose if sentence[-1:] in ".!?"]
            for line in taken:
                prose.insert(rng.randrange(len(prose) + 1), line)
            parts.append(" ".join(prose) + "\n\n")
    return parts
