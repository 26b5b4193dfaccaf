"""The cases of the reader's evaluation: made from a seed, of what training never saw."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from foldctx.documents import Document, Page, read_document
from foldctx_pipelines.benchmarks.reader.haystack import Count, Haystack
from foldctx_pipelines.benchmarks.reader.lookups import draw_lookup
from foldctx_pipelines.benchmarks.sample import digest
from foldctx_pipelines.training.babi import TASKS, draw_story
from foldctx_pipelines.training.facts import Bank
from foldctx_pipelines.training.needles import FORMS, draw_needles
from foldctx_pipelines.training.tales import Tale
from foldctx_pipelines.training.world_words import STYLES

Group = Literal["needles", "worlds", "lookups", "samples"]
GROUPS: tuple[Group, ...] = ("needles", "worlds", "lookups", "samples")
NEEDLES = ("single", "multikey", "multivalue")
Strategy = Literal["fold", "truncate", "retrieve"]
ReaderKind = Literal["reader", "shuffled"]

K = 1024
_ANSWER_TOKENS: Mapping[str, int] = {"single": 64, "multikey": 64, "multivalue": 160}
"""Room for an answer where the template's is too small: uuids take about 35 tokens each."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Names a case: everything in it follows from these and the seed.

    `length` is in reader tokens, -1 where the document has its own. `reader` is who answers.
    """

    group: Group
    task: str
    length: int
    index: int
    strategy: Strategy = "fold"
    reader: ReaderKind = "reader"

    @property
    def id(self) -> str:
        """The record's id."""
        place = "" if self.length < 0 else f"/{self.length}"
        return f"{self.reader}/{self.strategy}/{self.group}/{self.task}{place}/{self.index}"


@dataclass(frozen=True, slots=True)
class Case:
    """A question of a document, and what scoring needs.

    All `golds` have to be in an answer, and none of the `labels` beside them; with `any_of` one
    gold is enough. Without golds the document does not say. `lines` are those that hold it.
    """

    document: Document = field(repr=False)
    question: str
    golds: tuple[str, ...]
    labels: tuple[str, ...] = ()
    any_of: bool = False
    page: int | None = None
    lines: tuple[str, ...] = ()
    answer_tokens: int = 0
    style: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """What cases are made of: a book, relations held out of training, the samples' questions."""

    seed: int
    haystack: Haystack
    bank: Bank = field(repr=False)
    count: Count = field(repr=False)
    samples: tuple[Mapping[str, Any], ...] = ()

    def make(self, spec: Spec) -> Case:
        """The case that a spec names; the same for every strategy and reader."""
        rng = random.Random(f"reader/{self.seed}/{spec.task}/{spec.length}/{spec.index}")
        if spec.group == "needles":
            return self._needle(rng, spec)
        if spec.group == "worlds":
            return self._world(rng, spec)
        if spec.group == "lookups":
            return self._lookup(rng, spec)
        return self._sample(spec)

    def _needle(self, rng: random.Random, spec: Spec) -> Case:
        """Published words and those held out by turns; values of each form by turns."""
        published = spec.index % 2 == 0
        tale = draw_needles(
            rng,
            "held_out",
            values=4 if spec.task == "multivalue" else 1,
            distractors=4 if spec.task == "multikey" else 0,
            key_form=rng.choice(FORMS[:2]),
            value_form=FORMS[spec.index // 2 % 3],
            published=published,
        )
        ask = tale.asks[0]
        kept = sorted(ask.keep(range(len(tale.lines))))
        return Case(
            self._hidden(rng, spec, tale),
            ask.question,
            tuple(ask.answer([n]) for n in kept),
            lines=tuple(tale.lines[n] for n in kept),
            answer_tokens=_ANSWER_TOKENS[spec.task],
            style="published" if published else "held_out",
        )

    def _world(self, rng: random.Random, spec: Spec) -> Case:
        style = "published" if spec.index % 2 == 0 else "held_out"
        task = TASKS[int(spec.task[-1]) - 1]
        tale = draw_story(rng, task, style, split="held_out")
        ask, everything = tale.asks[0], range(len(tale.lines))
        gold = ask.answer(everything)
        words = STYLES[style]
        named = {*words.people, *words.places, *words.things}
        kept = ask.keep(everything)
        fewest = next(k for k in range(1, len(kept) + 1) if ask.answer(sorted(kept[:k])) == gold)
        return Case(
            self._hidden(rng, spec, tale),
            ask.question,
            (gold,),
            labels=tuple(sorted(n for n in named if n != gold and n not in ask.question)),
            lines=tuple(tale.lines[n] for n in sorted(kept[:fewest])),
            style=style,
        )

    def _hidden(self, rng: random.Random, spec: Spec, tale: Tale) -> Document:
        own = sum(self.count(tale.lines))
        text = self.haystack.hide(rng, tale.lines, spec.length, own)
        return _document(spec.id, text, (len(text),))

    def _lookup(self, rng: random.Random, spec: Spec) -> Case:
        """One question in five has no answer in its document."""
        answerable = spec.index % 5 != 4
        found = draw_lookup(rng, self.bank, self.haystack, answerable=answerable)
        return Case(
            _document(spec.id, found.text, found.ends),
            found.question,
            (found.answer,) if answerable else (),
            page=found.page,
            lines=(found.statement,) if answerable else (),
        )

    def _sample(self, spec: Spec) -> Case:
        row = self.samples[spec.index]
        return Case(
            read_document(row["source"]),
            row["question"],
            tuple(row["answers"]),
            any_of=True,
            page=row["page"],
        )


def _document(name: str, text: str, ends: Sequence[int]) -> Document:
    starts = (0, *ends[:-1])
    pages = tuple(Page(i, a, b) for i, (a, b) in enumerate(zip(starts, ends, strict=True), 1))
    return Document(name, text, pages, "text/plain", digest(text), ())


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many cases of each length, and of the lookups; the control takes the shortest lengths."""

    needles: Mapping[int, int]
    worlds: Mapping[int, int]
    lookups: int
    control: int


FULL = Sizes(
    {4 * K: 50, 16 * K: 50, 64 * K: 20, 128 * K: 10},
    {0: 100, 4 * K: 100, 16 * K: 40, 64 * K: 10},
    lookups=300,
    control=50,
)
QUICK = Sizes({4 * K: 10, 16 * K: 3}, {0: 20, 4 * K: 6, 16 * K: 1}, lookups=50, control=4)


def plan(sizes: Sizes, samples: int, groups: Sequence[Group] = GROUPS) -> list[Spec]:
    """The specs of a run: the reader with each strategy, then the control."""
    specs = [
        spec
        for strategy in ("fold", "truncate", "retrieve")
        for spec in _specs(sizes, samples, groups, strategy, "reader")
    ]
    shortest = Sizes(
        {min(sizes.needles): min(sizes.control, sizes.needles[min(sizes.needles)])},
        {min(sizes.worlds): min(sizes.control, sizes.worlds[min(sizes.worlds)])},
        lookups=min(sizes.control, sizes.lookups),
        control=0,
    )
    return [*specs, *_specs(shortest, samples, groups, "fold", "shuffled")]


def _specs(
    sizes: Sizes,
    samples: int,
    groups: Sequence[Group],
    strategy: Strategy,
    reader: ReaderKind,
) -> list[Spec]:
    named: dict[Group, list[tuple[str, int, int]]] = {
        "needles": [
            (task, n, i) for task in NEEDLES for n, c in sizes.needles.items() for i in range(c)
        ],
        "worlds": [
            (task, n, i) for task in TASKS for n, c in sizes.worlds.items() for i in range(c)
        ],
        "lookups": [("lookups", -1, i) for i in range(sizes.lookups)],
        "samples": [("samples", -1, i) for i in range(samples)],
    }
    return [
        Spec(group, task, length, index, strategy, reader)
        for group in groups
        for task, length, index in named[group]
    ]
