"""Facts and questions: hand-written banks, and relations drawn from a dictionary of nouns."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from foldctx_pipelines.training.values import MAKERS

BANKS = Path(__file__).parent / "banks"
_SLOT = re.compile(r"\{([a-z_]+?)(\d*)\}")


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of fact: how it is stated, asked and answered.

    The relations of a frame have its id in common: they ask for other parts of the same statements.
    `siblings` are statements of the same split that say other things of the same subject, `silent`
    are questions about the subject that none of the relation's statements answers.
    """

    id: str
    subject: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    answer: str
    lists: Mapping[str, Sequence[str]] = field(repr=False, compare=False)
    siblings: tuple[str, ...] = field(default=(), repr=False, compare=False)
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A statement and what may be asked about it; `answer` stands verbatim in `statement`.

    `other_statement` says the same of another subject, `sibling_statement` something else of the
    same; each is empty where that would be an answer, or cannot be said. `silent_question` is one
    about the same subject that the statement does not answer ("" where the bank has none).
    """

    relation: str
    subject: str
    statement: str
    question: str
    answer: str
    other_statement: str
    other_answer: str
    sibling_statement: str = ""
    silent_question: str = ""


@dataclass(frozen=True, slots=True)
class Bank:
    """All hand-written relations and neutral sentences of one split."""

    relations: tuple[Relation, ...]
    fillers: tuple[tuple[str, Mapping[str, Sequence[str]]], ...]


def load_banks(folder: Path = BANKS, *, held_out: bool = False) -> Bank:
    """The relations for training, or every eighth one, held out for evaluation.

    The relations of a frame share its statements, so that a frame is held out as a whole. A
    held-out relation that shares a question with a trained one is in neither.
    """
    trained: list[Relation] = []
    kept: list[Relation] = []
    fillers: list[tuple[str, Mapping[str, Sequence[str]]]] = []
    for path in sorted(folder.glob("*.json")):
        bank = json.loads(path.read_text("utf-8"))
        lists = bank.get("lists", {})
        for rows in (bank["relations"], bank.get("frames", ())):
            for i, row in enumerate(rows):
                (kept if i % 8 == 5 else trained).extend(relations_of(row, lists))
        fillers += [(text, lists) for text in bank["fillers"]]
    if not held_out:
        return Bank(_related(trained), tuple(fillers))
    asked = {question for relation in trained for question in relation.questions}
    return Bank(_related([r for r in kept if asked.isdisjoint(r.questions)]), tuple(fillers))


def relations_of(row: Mapping[str, Any], lists: Mapping[str, Sequence[str]]) -> list[Relation]:
    """The relation of a row, or one for everything that is asked of a frame's statements."""
    return [
        Relation(
            row["id"],
            row["subject"],
            tuple(row["statements"]),
            tuple(ask["questions"]),
            ask["answer"],
            lists,
            silent=tuple(row.get("silent", ())),
        )
        for ask in row.get("asks", [row])
    ]


def _related(relations: Sequence[Relation]) -> tuple[Relation, ...]:
    """The relations with the statements of others of the same domain and subject."""
    groups: dict[tuple[str, str], list[Relation]] = {}
    for relation in relations:
        key = relation.id.partition(".")[0], relation.subject
        groups.setdefault(key, []).append(relation)
    return tuple(
        replace(
            relation,
            siblings=tuple(
                text for r in group if r.statements != relation.statements for text in r.statements
            ),
        )
        for group in groups.values()
        for relation in group
    )


class Filler:
    """Fills the slots of templates; a slot keeps its value until `renew` names it."""

    def __init__(self, rng: random.Random, lists: Mapping[str, Sequence[str]]) -> None:
        self.rng, self.lists = rng, lists
        self.values: dict[str, str] = {}

    def fill(self, template: str) -> str:
        """The template with every slot replaced."""
        text = _SLOT.sub(self._value, template)
        text = text.replace("..", ".") if text.endswith("..") else text  # "at 4 p.m.."
        return text[0].upper() + text[1:] if text else text

    def raw(self, template: str) -> str:
        """The same without a capital letter at the start."""
        return _SLOT.sub(self._value, template)

    def renew(self, template: str) -> None:
        """Forget the values of the template's slots."""
        for match in _SLOT.finditer(template):
            self.values.pop(match[0], None)

    def _value(self, match: re.Match[str]) -> str:
        slot, name = match[0], match[1]
        if slot not in self.values:
            for _ in range(20):
                if name in self.lists:
                    value = self.rng.choice(self.lists[name])
                else:
                    value = MAKERS[name](self.rng)
                if value not in self.values.values():
                    break
            self.values[slot] = value
        return self.values[slot]


def _styled(rng: random.Random, question: str) -> str:
    """The question as people type it: now and then without capitals or question mark."""
    form = rng.random()
    if form < 0.08:
        question = question.lower()
    elif form < 0.16:
        question = question.rstrip("?")
    elif form < 0.20:
        opening = rng.choice(["Please tell me", "I need to know", "Can you say", "Find out"])
        question = f"{opening}: {question}"
    return question


def realise(rng: random.Random, relation: Relation) -> Fact:
    """One fact of a relation, with a second statement of the same kind about another subject."""
    fill = Filler(rng, relation.lists)
    statement = rng.choice(relation.statements)
    question = _styled(rng, fill.fill(rng.choice(relation.questions)))
    text, answer = fill.fill(statement), fill.raw(relation.answer)
    subject = fill.raw(relation.subject)
    if answer not in text:  # the sentence begins with the answer
        answer = answer[0].upper() + answer[1:]
    fact = Fact(relation.id, subject, text, question, answer, "", "")
    if relation.silent:
        fact = replace(fact, silent_question=_styled(rng, fill.fill(rng.choice(relation.silent))))
    if not _SLOT.search(relation.subject):  # another such statement would answer it as well
        return fact
    fact = replace(fact, sibling_statement=_sibling(rng, relation, fill))
    for _ in range(20):
        fill.renew(relation.subject)
        if fill.raw(relation.subject) != subject:
            break
    else:
        return fact
    fill.renew(relation.answer)
    for match in _SLOT.finditer(statement):
        if rng.random() < 0.5:
            fill.values.pop(match[0], None)
    other = rng.choice(relation.statements) if rng.random() < 0.5 else statement
    other_text = fill.fill(other)
    return replace(fact, other_statement=other_text, other_answer=fill.raw(relation.answer))


def _sibling(rng: random.Random, relation: Relation, fill: Filler) -> str:
    """Something else said of the fact's subject, or nothing where the bank knows no more of it."""
    if not relation.siblings:
        return ""
    same = Filler(rng, relation.lists)
    for match in _SLOT.finditer(relation.subject):
        same.values[match[0]] = fill.values[match[0]]
    return same.fill(rng.choice(relation.siblings))
