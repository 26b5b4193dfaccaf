"""Prompts as data: a template file and a tokenizer give the token pieces of every window.

Pieces are encoded apart and joined as ids, so special tokens are recognised in template text only.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from foldctx.errors import ModelError
from foldctx.folding.template import TASKS, Template, parse_template, read_template
from foldctx.models.tokenizer import Tokenizer
from foldctx.models.words import Words

TEMPLATES = Path(__file__).parent / "templates"
_KINDS = {"questions": "question", "memory": "memory", "chunk": "chunk"}

Piece = tuple[str, tuple[int, ...]]
"""Kind of segment (template, question, memory, chunk) and its token ids."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """The generation part of a reading window.

    `pinned` maps offsets to given ids; `slots[i]` are the offsets that question i's note fills.
    """

    length: int
    pinned: Mapping[int, int]
    slots: tuple[tuple[int, ...], ...]


class Prompts:
    """The windows' prompts of one model."""

    def __init__(self, form: Mapping[str, Any] | Template, tokenizer: Tokenizer) -> None:
        """Raises UsageError when the form of a template file lacks a field."""
        template = form if isinstance(form, Template) else parse_template(form)
        self._form, self._tokenizer, self.source = template, tokenizer, template.source
        self.none_text, self.text_prefix = template.none, template.text_prefix
        self.max_questions, self.max_units = template.max_questions, template.max_units
        self.answer_length, self.written_length = template.answer_length, template.written_length
        self.end_last, self.copies = template.end_last, template.copies
        self._cache: dict[str, tuple[int, ...]] = {}

    @classmethod
    def from_file(cls, path: Path, tokenizer: Tokenizer) -> "Prompts":
        """Prompts of a TOML template file; UsageError when it cannot be read."""
        return cls(read_template(path), tokenizer)

    # -- texts ------------------------------------------------------------------------------

    def text_ids(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Ids of document texts, white space collapsed, nothing special."""
        plain = [self.text_prefix + " ".join(text.split()) for text in texts]
        return [tuple(ids) for ids in self._tokenizer.encode_texts(plain)]

    def unit_overhead(self) -> int:
        """The most tokens that a unit's marker costs."""
        return max(
            len(self._item(task, "unit", k=k, text=()))
            for task in ("read", "write")
            for k in (1, self.max_units)
        )

    def unit_places(
        self, units: Sequence[tuple[int, ...]], *, task: str = "read"
    ) -> tuple[list[tuple[int, int]], int]:
        """Where each unit's own tokens stand in the chunk, half-open, and the chunk's length."""
        places, at = [], 0
        for j, unit in enumerate(units):
            before, after = self._around_ids(task, "unit", k=self._marker(1 + j))
            at += len(before)
            places.append((at, at + len(unit)))
            at += len(unit) + len(after)
        return places, at

    @cached_property
    def none_ids(self) -> tuple[int, ...]:
        """Ids of the answer that says: nothing here."""
        return tuple(self._tokenizer.encode_template(self.none_text))

    # -- windows ----------------------------------------------------------------------------

    def read(
        self,
        questions: Sequence[tuple[int, ...]],
        notes: Sequence[tuple[int, tuple[int, ...]]],
        units: Sequence[tuple[int, ...]],
        *,
        first_unit: int = 1,
        task: str = "read",
    ) -> list[Piece]:
        """A reading window: questions, notes as (question number from 0, ids), units of a chunk.

        `task` is "read" for pointer notes and "write" for written ones.
        """
        filled = {
            "questions": self._questions(task, questions),
            "memory": self._notes(task, notes),
            "chunk": tuple(
                token
                for j, unit in enumerate(units)
                for token in self._item(task, "unit", k=self._marker(first_unit + j), text=unit)
            ),
        }
        return self._fill(task, filled)

    def frame(self, task: str, questions: Sequence[tuple[int, ...]]) -> int:
        """Tokens of a window with nothing but its template and questions."""
        if task == "answer":
            return sum(len(ids) for _, ids in self.answer(questions[0], []))
        return sum(len(ids) for _, ids in self.read(questions, [], [], task=task))

    def note_overhead(self) -> int:
        """The most tokens that a note's label costs in a window."""
        return max(
            len(self._item(task, "note", i=i, k=k, text=()))
            for task in TASKS
            for i, k in ((1, 1), (self.max_questions, self.max_units))
        )

    def answer(
        self, question: tuple[int, ...], notes: Sequence[tuple[int, ...]], first_note: int = 1
    ) -> list[Piece]:
        """An answering window: one question and its notes, numbered from `first_note`."""
        memory = (
            self._item("answer", "note", k=self._marker(first_note + j), text=note)
            for j, note in enumerate(notes)
        )
        filled = {
            "questions": self._questions("answer", [question]),
            "memory": tuple(token for row in memory for token in row),
        }
        return self._fill("answer", filled)

    def canvas(self, questions: int) -> Canvas:
        """The canvas of a reading window: a given label, then the slots, for each question."""
        label, width = self._form.label, self._form.slots
        pinned: dict[int, int] = {}
        slots: list[tuple[int, ...]] = []
        at = 0
        for i in range(questions):
            for token in self._template_ids(label.format(i=i + 1)):
                pinned[at] = token
                at += 1
            slots.append(tuple(range(at, at + width)))
            at += width
        return Canvas(at, pinned, tuple(slots))

    @cached_property
    def markers(self) -> Mapping[int, int]:
        """Marker token id to unit number, from 1."""
        before, _ = self._form.items["read", "unit"]
        found = {}
        for k in range(1, self.max_units + 1):
            ids = self._tokenizer.encode_template(before.format(k=k))
            if len(ids) != 1:
                raise ModelError(f"{self.source}: marker {before.format(k=k)!r} is not one token")
            found[ids[0]] = k
        return found

    @property
    def words(self) -> Words:
        """Where words begin among the tokenizer's ids."""
        return self._tokenizer.words

    @property
    def joint(self) -> int | None:
        """The id between the copies of an answer that has several, where the template names one."""
        return self._tokenizer.token_id(self._form.joint) if self._form.joint else None

    @cached_property
    def labels(self) -> frozenset[int]:
        """Ids of what stands around notes and units: never a part of their text."""
        numbers = [(1, k) for k in range(1, self.max_units + 1)]
        numbers += [(i, 1) for i in range(1, self.max_questions + 1)]
        return frozenset(
            token
            for task in TASKS
            for item in ("note", "unit")
            if (task, item) in self._form.items
            for i, k in numbers
            for ids in self._around_ids(task, item, i=i, k=k)
            for token in ids
        )

    def pointed(self, slot: Sequence[int], units: int) -> tuple[int, ...]:
        """Unit numbers (from 0) that a decoded slot names, in the order named; () for none.

        Where markers are tokens only they name a unit (a question's label is none); elsewhere
        numbers do.
        """
        if not slot or self.says_none(slot):
            return ()
        if self._marked:
            numbers = [self.markers[token] for token in slot if token in self.markers]
        else:
            text = self._tokenizer.decode(slot, keep_special=True)
            numbers = [int(number) for number in re.findall(r"\d{1,6}", text)]
        return tuple(dict.fromkeys(k - 1 for k in numbers if 1 <= k <= units))

    @cached_property
    def _marked(self) -> bool:
        before, _ = self._form.items["read", "unit"]
        return len(self._template_ids(before.format(k=1))) == 1

    def decode(self, ids: Sequence[int]) -> str:
        """Text of decoded ids for people: special tokens left out, white space trimmed."""
        return self._tokenizer.decode(ids).strip()

    def says_none(self, ids: Sequence[int]) -> bool:
        """Whether decoded text is the one that says: nothing here."""
        head = tuple(ids[: len(self.none_ids)])
        said = self._tokenizer.decode(ids, keep_special=True).strip().rstrip(".").lower()
        return head == self.none_ids or said == self.none_text.lower()

    # -- parts ------------------------------------------------------------------------------

    def _marker(self, k: int) -> int:
        return (k - 1) % self.max_units + 1

    def _questions(
        self, task: str, questions: Sequence[tuple[int, ...]], first: int = 0
    ) -> tuple[int, ...]:
        rows = (
            self._item(task, "question", i=first + i + 1, text=ids)
            for i, ids in enumerate(questions)
        )
        return tuple(token for row in rows for token in row)

    def _notes(self, task: str, notes: Sequence[tuple[int, tuple[int, ...]]]) -> tuple[int, ...]:
        rows = (self._item(task, "note", i=i + 1, text=ids) for i, ids in notes)
        return tuple(token for row in rows for token in row)

    def _item(
        self, task: str, item: str, *, text: tuple[int, ...], **numbers: int
    ) -> tuple[int, ...]:
        before, after = self._around_ids(task, item, **numbers)
        return (*before, *text, *after)

    def _around_ids(
        self, task: str, item: str, **numbers: int
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        before, after = self._form.items[task, item]
        return (
            self._template_ids(before.format(**numbers)),
            self._template_ids(after.format(**numbers)),
        )

    def _fill(self, task: str, filled: Mapping[str, tuple[int, ...]]) -> list[Piece]:
        pieces: list[Piece] = []
        for name, text in self._form.parts[task]:
            if name:
                pieces.append((_KINDS[name], filled[name]))
            else:
                pieces.append(("template", self._template_ids(text)))
        return pieces

    def _template_ids(self, text: str) -> tuple[int, ...]:
        if text not in self._cache:
            self._cache[text] = tuple(self._tokenizer.encode_template(text)) if text else ()
        return self._cache[text]
