"""Sentences that share words with a question and do not answer it: what a reader points at wrongly."""

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from foldctx_pipelines.training.facts import Bank, Fact, Filler
from foldctx_pipelines.training.prose import Prose, content_words

_SLOT = re.compile(r"\{[a-z_]+?\d*\}")
_STEM = 6  # letters of a word that are compared, so that its endings do not matter


@dataclass(frozen=True, slots=True)
class _Template:
    """A sentence of a bank whose slots are not filled; `relation` is "" for a neutral one."""

    text: str
    relation: str
    lists: Mapping[str, Sequence[str]]


@dataclass(slots=True)
class Lookalikes:
    """An index of sentences by the beginnings of their words, made when it is first asked."""

    bank: Bank
    prose: Prose
    _rows: dict[str, list[str | _Template]] = field(default_factory=dict, init=False, repr=False)

    def draw(self, rng: random.Random, fact: Fact) -> str | None:
        """A sentence of prose or of another relation that shares a word with the fact's question.

        The rarer a word the likelier it is the shared one. None where no sentence shares any.
        """
        if not self._rows:
            self._rows = self._index()
        shared = [stem for stem in stems(fact.question) if stem in self._rows]
        if not shared:
            return None
        rare = [len(self._rows[stem]) ** -0.5 for stem in shared]
        for _ in range(4):
            row = rng.choice(self._rows[rng.choices(shared, rare)[0]])
            if isinstance(row, str):
                if fact.answer not in row:
                    return row
            elif row.relation != fact.relation:
                return Filler(rng, row.lists).fill(row.text)
        return None

    def _index(self) -> dict[str, list[str | _Template]]:
        rows: list[str | _Template] = [text for file in self.prose.files for text in file]
        rows += [_Template(text, "", lists) for text, lists in self.bank.fillers]
        rows += [
            _Template(text, relation.id, relation.lists)
            for relation in self.bank.relations
            for text in relation.statements
        ]
        index: dict[str, list[str | _Template]] = defaultdict(list)
        for row in rows:
            for stem in stems(row if isinstance(row, str) else _SLOT.sub(" ", row.text)):
                index[stem].append(row)
        return dict(index)


def stems(text: str) -> list[str]:
    """The beginnings of the words that carry meaning, each once, in order."""
    return list(dict.fromkeys(word.lower()[:_STEM] for word in content_words(text)))
