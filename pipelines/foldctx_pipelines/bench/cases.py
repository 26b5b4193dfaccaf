"""Cases with known answers: windows of generated facts, as a document's reading meets them.

The relations are those that the embedded reader was not trained on; nothing but the package is
needed.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from foldctx.decoding import Decoded, Request
from foldctx.errors import UsageError
from foldctx.folding.layout import segments
from foldctx.folding.prompts import Prompts
from foldctx_pipelines.scoring import contains_gold
from foldctx_pipelines.training.facts import Bank, Fact, Filler, load_banks, realise

Kind = Literal["read", "answer"]
_PRESENT, _KNOWN = 0.6, 0.8  # shares of reading windows that help, of notes that hold the answer


@dataclass(frozen=True, slots=True)
class Case:
    """One window to decode, and whether what came out is right."""

    id: str
    kind: Kind
    request: Request
    right: Callable[[Decoded], bool] = field(repr=False)


def make_cases(prompts: Prompts, count: int, *, length: int, seed: int = 0) -> list[Case]:
    """`count` cases, reading windows and answering windows in turn; the same for a seed.

    A reading window has at most `length` tokens, its canvas included.
    """
    if count < 2:
        raise UsageError(f"cases={count}; give at least 2, for both kinds of windows")
    maker = _Maker(prompts, load_banks(held_out=True), length)
    makers = (maker.read, maker.answer)
    return [makers[i % 2](f"{i}", random.Random(f"{seed}/{i}")) for i in range(count)]


@dataclass(frozen=True, slots=True)
class _Maker:
    prompts: Prompts
    bank: Bank
    length: int

    def read(self, id: str, rng: random.Random) -> Case:
        """A question and a chunk; the slots should name the unit that answers it, or say none."""
        fact = realise(rng, rng.choice(self.bank.relations))
        present = rng.random() < _PRESENT
        texts = ([fact.statement] if present else []) + self._other(rng, fact)
        question, *units = self.prompts.text_ids([fact.question, *texts])
        canvas = self.prompts.canvas(1)
        room = self.length - canvas.length - self.prompts.frame("read", [question])
        marker = self.prompts.unit_overhead()
        room -= sum(len(unit) + marker for unit in units)
        if room < 0:
            raise UsageError(f"length={self.length} has no room for a fact; give more")
        marked = [(unit, present and i == 0) for i, unit in enumerate(units)]
        for ids in self._fillers(rng, self.prompts.max_units - len(units)):
            room -= len(ids) + marker
            if room < 0:
                break
            marked.append((ids, False))
        rng.shuffle(marked)
        wanted = tuple(i for i, (_, helps) in enumerate(marked) if helps)
        prompt = segments(self.prompts.read([question], [], [ids for ids, _ in marked]))

        def right(decoded: Decoded) -> bool:
            slot = [decoded.tokens[offset] for offset in canvas.slots[0]]
            return self.prompts.pointed(slot, len(marked))[:1] == wanted

        return Case(id, "read", Request(id, prompt, canvas.length, pinned=canvas.pinned), right)

    def answer(self, id: str, rng: random.Random) -> Case:
        """A question and notes; the text should hold the answer, or say none."""
        fact = realise(rng, rng.choice(self.bank.relations))
        known = rng.random() < _KNOWN
        texts = ([fact.statement] if known else []) + self._other(rng, fact)
        texts += [self._filler(rng) for _ in range(rng.randrange(0 if texts else 1, 3))]
        rng.shuffle(texts)
        question, *notes = self.prompts.text_ids([fact.question, *texts])
        prompt = segments(self.prompts.answer(question, notes))

        def right(decoded: Decoded) -> bool:
            none = not decoded.text or self.prompts.says_none(decoded.text)
            if none or not known:
                return none and not known
            return contains_gold(self.prompts.decode(decoded.text), [fact.answer])

        return Case(id, "answer", Request(id, prompt, self.prompts.answer_length), right)

    def _other(self, rng: random.Random, fact: Fact) -> list[str]:
        """Now and then the same of another subject, which answers nothing."""
        return [fact.other_statement] if fact.other_statement and rng.random() < 0.5 else []

    def _fillers(self, rng: random.Random, count: int) -> Sequence[tuple[int, ...]]:
        return self.prompts.text_ids([self._filler(rng) for _ in range(count)])

    def _filler(self, rng: random.Random) -> str:
        template, lists = rng.choice(self.bank.fillers)
        return Filler(rng, lists).fill(template)
