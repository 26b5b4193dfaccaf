"""Sentences that do not answer a question and look as if they did: shared words, and past mistakes."""

import json
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foldctx.errors import UsageError
from foldctx_pipelines.training.facts import Bank, Fact, Filler
from foldctx_pipelines.training.prose import Prose, content_words

_SLOT = re.compile(r"\{[a-z_]+?\d*\}")
_STEM = 6  # letters of a word that are compared, so that its endings do not matter


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence, or a bank's whose slots are not filled; `relation` is "" for a neutral one."""

    text: str
    relation: str = ""
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False, compare=False)

    def write(self, rng: random.Random) -> str:
        """The sentence with its slots filled anew."""
        return Filler(rng, self.lists).fill(self.text) if self.lists else self.text


@dataclass(slots=True)
class Lookalikes:
    """An index of sentences by the beginnings of their words, made when it is first asked.

    `mistakes` are texts of rows that a reader pointed at wrongly, by the relation that was asked.
    """

    bank: Bank
    prose: Prose
    mistakes: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    _rows: list[Row] = field(default_factory=list, init=False, repr=False)
    _near: dict[str, list[Row]] = field(default_factory=dict, init=False, repr=False)
    _wrong: dict[str, list[Row]] = field(default_factory=dict, init=False, repr=False)

    @property
    def rows(self) -> Sequence[Row]:
        """All sentences of the split: of prose, neutral ones of the bank, and its relations'."""
        if not self._rows:
            self._index()
        return self._rows

    def draw(self, rng: random.Random, fact: Fact) -> str | None:
        """A sentence of prose or of another relation that a reader may take for the fact's.

        Half of them are past mistakes, where there are any.
        """
        wrong = self._wrong.get(fact.relation, ()) if self.rows else ()
        for _ in range(4):
            row = rng.choice(wrong) if wrong and rng.random() < 0.5 else self.near(rng, fact)
            text = row.write(rng) if row is not None else fact.answer
            if fact.answer not in text:
                return text
        return None

    def near(self, rng: random.Random, fact: Fact) -> Row | None:
        """A row that shares a word with the fact's question, of another relation.

        The rarer a word the likelier it is the shared one. None where no sentence shares any.
        """
        assert self.rows
        shared = [stem for stem in stems(fact.question) if stem in self._near]
        if not shared:
            return None
        rare = [len(self._near[stem]) ** -0.5 for stem in shared]
        row = rng.choice(self._near[rng.choices(shared, rare)[0]])
        return None if row.relation and row.relation == fact.relation else row

    def _index(self) -> None:
        self._rows = [Row(text) for file in self.prose.files for text in file]
        self._rows += [Row(text, "", lists) for text, lists in self.bank.fillers]
        said = {(r.id, text): r for r in self.bank.relations for text in r.statements}
        self._rows += [Row(text, id, relation.lists) for (id, text), relation in said.items()]
        index: dict[str, list[Row]] = defaultdict(list)
        for row in self._rows:
            for stem in stems(_SLOT.sub(" ", row.text) if row.lists else row.text):
                index[stem].append(row)
        self._near = dict(index)
        if self.mistakes:
            known = {row.text: row for row in self._rows}
            for relation, texts in self.mistakes.items():
                self._wrong[relation] = [known[text] for text in texts if text in known]


def stems(text: str) -> list[str]:
    """The beginnings of the words that carry meaning, each once, in order."""
    return list(dict.fromkeys(word.lower()[:_STEM] for word in content_words(text)))


def load_mistakes(path: Path) -> dict[str, list[str]]:
    """Texts of rows by the relation asked, each once. Raises UsageError for any other file."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    try:
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            found[row["relation"]][row["text"]] = None
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: cannot be read as mistakes ({error!r}); mine them anew"
        ) from None
    return {relation: list(texts) for relation, texts in found.items()}
