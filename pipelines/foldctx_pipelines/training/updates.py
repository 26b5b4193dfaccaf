"""Facts of the banks that are replaced by later ones: the last statement of a subject holds."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from foldctx_pipelines.training.facts import Bank, Filler, Relation
from foldctx_pipelines.training.tales import Tale

_OPENINGS = (
    "Correction: {s}",
    "Since then: {s}",
    "As amended: {s}",
    "Changed on review: {s}",
    "{s} This replaces what was said before.",
    "{s} The earlier entry is void.",
    "{s}",
    "{s}",
    "{s}",
)


@dataclass(frozen=True, slots=True)
class Latest:
    """A question whose answer changes; `answers[n]` is what line n says, "" for other subjects."""

    question: str
    answers: tuple[str, ...] = field(repr=False)

    def keep(self, known: Sequence[int]) -> list[int]:
        """The last line that answers."""
        return [n for n in known if self.answers[n]][-1:]

    def answer(self, notes: Sequence[int]) -> str:
        """What that line says."""
        return "".join(self.answers[n] for n in self.keep(notes))


def draw_update(rng: random.Random, bank: Bank) -> Tale:
    """One subject stated two or three times with other values, and another subject between."""
    while True:
        relation = rng.choice(bank.relations)
        fill = Filler(rng, relation.lists)
        if not _slots(fill, relation.subject):
            continue
        question = fill.fill(rng.choice(relation.questions))
        rows: list[tuple[str, str]] = []
        for _ in range(rng.randrange(2, 4)):
            fill.renew(relation.answer)
            rows.append(_state(rng, fill, relation, bool(rows)))
        answers = [answer for _, answer in rows]
        if len({answer.lower() for answer in answers}) < len(answers):
            continue
        if rng.random() < 0.6:
            fill.renew(relation.subject)
            fill.renew(relation.answer)
            text, _ = _state(rng, fill, relation, False)
            rows.insert(rng.randrange(len(rows) + 1), (text, ""))
        ask = Latest(question, tuple(answer for _, answer in rows))
        return Tale("update", tuple(text for text, _ in rows), (ask,))


def _slots(fill: Filler, template: str) -> bool:
    return fill.raw(template) != template


def _state(rng: random.Random, fill: Filler, relation: Relation, later: bool) -> tuple[str, str]:
    text, answer = fill.fill(rng.choice(relation.statements)), fill.raw(relation.answer)
    if answer not in text:  # the sentence begins with the answer
        answer = answer[0].upper() + answer[1:]
    return (rng.choice(_OPENINGS) if later else "{s}").format(s=text), answer
