"""Needles after RULER (arXiv 2404.06654): values hidden under keys, and chains of variables.

Keys are pairs of an adjective and a noun, numbers or uuids; values are numbers, such pairs or
uuids. Distractors say the same of other keys, some of them near misses. The published phrasing is
used in both splits; of the others, and of the words, each split has its own.
"""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from foldctx_pipelines.training.facts import Fact
from foldctx_pipelines.training.needle_words import ADJECTIVES, NOUNS, PHRASINGS, Phrasing
from foldctx_pipelines.training.tales import Ask, Split, Tale, is_held_out, side

Form = Literal["words", "numbers", "uuids"]
FORMS: tuple[Form, ...] = ("words", "numbers", "uuids")
_NAMES = {"words": "word", "numbers": "number", "uuids": "uuid"}
_COUNTS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclass(frozen=True, slots=True)
class Needle:
    """One line: a key and one of its values."""

    key: str
    value: str
    line: str


@dataclass(frozen=True, slots=True)
class Values:
    """All values of one key, in the order of the text, or how many there are."""

    question: str
    key: str
    needles: tuple[Needle, ...] = field(repr=False)
    count: bool = False

    def keep(self, known: Sequence[int]) -> list[int]:
        """Every line of the key, the latest first."""
        return [n for n in reversed(known) if n < len(self.needles) and self._is_it(n)]

    def answer(self, notes: Sequence[int]) -> str:
        """The different values, joined by commas, or their number in words."""
        found = list(dict.fromkeys(self.needles[n].value for n in reversed(self.keep(notes))))
        if self.count:
            return _COUNTS[len(found)] if found else ""
        return ", ".join(found)

    def _is_it(self, number: int) -> bool:
        return self.needles[number].key == self.key


@dataclass(frozen=True, slots=True)
class Chain:
    """All variables that have a value, through assignments of one to another."""

    question: str
    value: str
    assigned: tuple[tuple[str, str], ...] = field(repr=False)

    def keep(self, known: Sequence[int]) -> list[int]:
        """Every assignment that gives the value, the latest first."""
        names = {self.value}
        found = []
        for number in known:
            name, given = self.assigned[number]
            if given in names:
                names.add(name)
                found.append(number)
        return found[::-1]

    def answer(self, notes: Sequence[int]) -> str:
        """The variables in the order of the text."""
        return ", ".join(self.assigned[n][0] for n in reversed(self.keep(notes)))


def make_value(rng: random.Random, form: Form, split: Split, *, digits: int | None = None) -> str:
    """A key or a value; numbers have `digits` digits, else 1 to 8."""
    if form == "words":
        return f"{rng.choice(side(ADJECTIVES, split))}-{rng.choice(side(NOUNS, split))}"
    while True:
        if form == "uuids":
            text = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        else:
            digits = digits or rng.randrange(1, 9)
            text = str(rng.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits))
        if form == "numbers" and digits is not None and digits < 5:
            return text  # too few of them to share out
        if is_held_out(text) == (split == "held_out"):
            return text


def near_miss(rng: random.Random, key: str, form: Form, split: Split) -> str:
    """A key that shares a part with another one, or all but a character."""
    if form == "words":
        first, last = key.split("-", 1)
        while True:
            new = make_value(rng, form, split).split("-", 1)
            other = f"{first}-{new[1]}" if rng.random() < 0.5 else f"{new[0]}-{last}"
            if other != key:
                return other
    places = [i for i, c in enumerate(key) if c != "-" and i not in _FIXED[form]]
    digits = "0123456789" if form == "numbers" else "0123456789abcdef"
    for tries in range(1000):
        letters = list(key)
        for at in rng.sample(places, 1 if tries < 40 else 2):
            letters[at] = rng.choice([c for c in digits[at == 0 :] if c != key[at]])
        other = "".join(letters)
        if len(key) < 5 or is_held_out(other) == (split == "held_out"):
            return other
    raise AssertionError(f"no near miss of {key}")


_FIXED: dict[Form, tuple[int, ...]] = {"numbers": (), "uuids": (14, 19), "words": ()}
"""Places of a key that its form gives."""


def draw_needles(
    rng: random.Random,
    split: Split = "train",
    *,
    values: int | None = None,
    distractors: int | None = None,
    queries: int = 1,
    key_form: Form | None = None,
    value_form: Form | None = None,
    published: bool | None = None,
) -> Tale:
    """Needles in order, and a question for each of `queries` keys with `values` values each.

    What is not given is drawn: single and multi-key, multi-value and multi-query, with questions
    of the number of values now and then.
    """
    forms = FORMS[:2] if rng.random() < 0.8 else FORMS
    keyed: Form = rng.choice(forms) if key_form is None else key_form
    valued: Form = rng.choice((*FORMS, FORMS[1])) if value_form is None else value_form
    values = values or rng.choice((1, 1, 2, 3, 4, 4))
    distractors = rng.choice((0, 1, 2, 4, 4, 6)) if distractors is None else distractors
    phrasing = _phrasing(rng, split, published)
    digits = rng.randrange(1, 9) if rng.random() < 0.4 else 7
    keys: list[str] = []
    while len(keys) < queries + distractors:
        near = keys and rng.random() < 0.4
        key = (
            near_miss(rng, rng.choice(keys), keyed, split)
            if near
            else make_value(rng, keyed, split, digits=max(5, digits))
        )
        if key not in keys:
            keys.append(key)
    needles: list[Needle] = []
    taken: set[str] = set()
    for number, key in enumerate(keys):
        for _ in range(values if number < queries else rng.choice((1, 1, min(2, values)))):
            value = _new(rng, valued, split, digits, taken)
            line = rng.choice(phrasing.lines).format(t=_NAMES[valued], k=key, v=value)
            needles.append(Needle(key, value, line))
    rng.shuffle(needles)
    asks: list[Ask] = []
    for key in keys[:queries]:
        form = phrasing.one if values == 1 else phrasing.many
        asks.append(_ask(rng, form, key, needles, valued, count=False))
        if values > 1 and rng.random() < 0.15:
            asks.append(_ask(rng, phrasing.count, key, needles, valued, count=True))
    return Tale("needles", tuple(needle.line for needle in needles), tuple(asks))


def _ask(
    rng: random.Random,
    forms: Sequence[str],
    key: str,
    needles: Sequence[Needle],
    value_form: Form,
    *,
    count: bool,
) -> Values:
    question = rng.choice(forms).format(t=_NAMES[value_form], k=key)
    return Values(question, key, tuple(needles), count)


def _phrasing(rng: random.Random, split: Split, published: bool | None) -> Phrasing:
    chosen = rng.random() < 0.5 if published is None else published
    name = "published" if chosen else split
    return rng.choice([p for p in PHRASINGS if p.split == name])


def _new(rng: random.Random, form: Form, split: Split, digits: int, taken: set[str]) -> str:
    tries = 0
    while True:
        value = make_value(rng, form, split, digits=digits if tries < 20 else None)
        tries += 1
        if value not in taken:
            taken.add(value)
            return value


def draw_variables(
    rng: random.Random,
    split: Split = "train",
    *,
    chains: int | None = None,
    hops: int | None = None,
) -> Tale:
    """Chains of assignments, mixed, and the question which variables have one chain's value."""
    chains, hops = chains or rng.randrange(1, 4), hops or rng.randrange(1, 5)
    names = iter(_variables(rng, split, chains * (hops + 1)))
    rows: list[list[tuple[str, str]]] = []
    values = [make_value(rng, "numbers", split, digits=5) for _ in range(chains)]
    for value in values:
        chain = [(next(names), value)]
        while len(chain) <= hops:
            chain.append((next(names), chain[-1][0]))
        rows.append(chain)
    order = [i for i, chain in enumerate(rows) for _ in chain]
    rng.shuffle(order)
    assigned = [rows[i].pop(0) for i in order]
    given = {name for name, _ in assigned}
    lines = [f"VAR {n} = {f'VAR {v}' if v in given else v}." for n, v in assigned]
    if rng.random() < 0.5:
        lines = [line.rstrip(".") for line in lines]
    form = "Find all variables that are assigned the value {v} in the text above."
    if rng.random() < 0.4:
        form = _CHAIN_FORMS[split]
    asked = tuple(assigned)
    return Tale(
        "variables", tuple(lines), tuple(Chain(form.format(v=v), v, asked) for v in values[:1])
    )


_CHAIN_FORMS = {
    "train": "Which variables have the value {v}?",
    "held_out": "What are the names of the variables equal to {v}?",
}


def _variables(rng: random.Random, split: Split, count: int) -> list[str]:
    """Names of five capitals as RULER's, or X1, X2, ... now and then."""
    if rng.random() < 0.25:
        return [f"X{i + 1}" for i in range(count)]
    names: list[str] = []
    while len(names) < count:
        name = "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=5))
        if is_held_out(name) == (split == "held_out") and name not in names:
            names.append(name)
    return names


def needle_fact(rng: random.Random, split: Split = "train") -> Fact:
    """One needle as a fact, beside the same said of another key."""
    tale = draw_needles(rng, split, values=1, distractors=1)
    ask = tale.asks[0]
    assert isinstance(ask, Values)
    mine = next(n for n in ask.needles if n.key == ask.key)
    other = next(n for n in ask.needles if n.key != ask.key)
    return Fact("needle", mine.key, mine.line, ask.question, mine.value, other.line, other.value)
