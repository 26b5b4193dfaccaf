"""Prompts as data: a template file and a tokenizer give the token pieces of every window.

Pieces are encoded apart and joined as ids, so special tokens are recognised in template text only.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from foldctx.errors import ModelError, UsageError
from foldctx.models.tokenizer import Tokenizer

TEMPLATES = Path(__file__).parent / "templates"
_PLACE = re.compile(r"\{(questions|memory|chunk)\}")
_ITEMS = {
    "read": ("question", "note", "unit"),
    "write": ("question", "note", "unit"),
    "answer": ("question", "note"),
}
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

    def __init__(self, form: Mapping[str, Any], tokenizer: Tokenizer, source: str = "") -> None:
        self._form, self._tokenizer, self.source = form, tokenizer, source
        try:
            self.none_text = str(form["none"])
            self.max_questions = int(form["max_questions"])
            self.max_units = int(form["max_units"])
            self.text_prefix = str(form.get("text_prefix", ""))
            self.answer_length = int(form["answer"]["gen_length"])
            self.written_length = int(form["write"]["gen_length"])
            self._pieces = {task: _split(str(form[task]["template"])) for task in _ITEMS}
            self._items = {
                (task, item): _around(str(form[task][item]), f"{task}.{item}")
                for task, items in _ITEMS.items()
                for item in items
            }
        except KeyError as missing:
            raise UsageError(
                f"{source or 'the template file'}: field {missing} is missing"
            ) from None

    @classmethod
    def from_file(cls, path: Path, tokenizer: Tokenizer) -> "Prompts":
        """Prompts of a TOML template file; UsageError when it cannot be read."""
        try:
            form = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{path}: not a template file ({error})") from None
        return cls(form, tokenizer, str(path))

    # -- texts ------------------------------------------------------------------------------

    def text_ids(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Ids of document texts, white space collapsed, nothing special."""
        plain = [self.text_prefix + " ".join(text.split()) for text in texts]
        return [tuple(ids) for ids in self._tokenizer.encode_texts(plain)]

    def unit_overhead(self) -> int:
        """Tokens that a unit's marker costs."""
        return max(len(self._item("read", "unit", k=k, text=())) for k in (1, self.max_units))

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
        """Tokens that a note's label costs in a window."""
        return max(len(self._item(task, "note", i=1, text=())) for task in _ITEMS)

    def answer(
        self, question: tuple[int, ...], notes: Sequence[tuple[int, ...]], label: int = 0
    ) -> list[Piece]:
        """An answering window: one question and its notes."""
        filled = {
            "questions": self._questions("answer", [question], label),
            "memory": self._notes("answer", [(label, note) for note in notes]),
        }
        return self._fill("answer", filled)

    def canvas(self, questions: int) -> Canvas:
        """The canvas of a reading window: a given label, then the slots, for each question."""
        form = self._form["read"]["canvas"]
        pinned: dict[int, int] = {}
        slots: list[tuple[int, ...]] = []
        at = 0
        for i in range(questions):
            for token in self._tokenizer.encode_template(str(form["label"]).format(i=i + 1)):
                pinned[at] = token
                at += 1
            slots.append(tuple(range(at, at + int(form["slots"]))))
            at += int(form["slots"])
        return Canvas(at, pinned, tuple(slots))

    @cached_property
    def markers(self) -> Mapping[int, int]:
        """Marker token id to unit number, from 1."""
        before, _ = self._items["read", "unit"]
        found = {}
        for k in range(1, self.max_units + 1):
            ids = self._tokenizer.encode_template(before.format(k=k))
            if len(ids) != 1:
                raise ModelError(f"{self.source}: marker {before.format(k=k)!r} is not one token")
            found[ids[0]] = k
        return found

    def pointed(self, slot: Sequence[int], units: int) -> tuple[int, ...]:
        """Unit numbers (from 0) that a decoded slot names, in the order named; () for none."""
        text = self._tokenizer.decode(slot, keep_special=True)
        numbers = [int(number) - 1 for number in re.findall(r"\d+", text)]
        return tuple(dict.fromkeys(k for k in numbers if 0 <= k < units))

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
        before, after = self._items[task, item]
        return (
            *self._template_ids(before.format(**numbers)),
            *text,
            *self._template_ids(after.format(**numbers)),
        )

    def _fill(self, task: str, filled: Mapping[str, tuple[int, ...]]) -> list[Piece]:
        pieces: list[Piece] = []
        for name, text in self._pieces[task]:
            if name:
                pieces.append((_KINDS[name], filled[name]))
            else:
                pieces.append(("template", self._template_ids(text)))
        return pieces

    def _template_ids(self, text: str) -> tuple[int, ...]:
        if text not in self._cache:
            self._cache[text] = tuple(self._tokenizer.encode_template(text)) if text else ()
        return self._cache[text]

    @cached_property
    def _cache(self) -> dict[str, tuple[int, ...]]:
        return {}


def _split(template: str) -> list[tuple[str, str]]:
    """Template text as (place name, '') and ('', text) parts in order."""
    parts = _PLACE.split(template)
    return [(part, "") if i % 2 else ("", part) for i, part in enumerate(parts) if i % 2 or part]


def _around(item: str, field: str) -> tuple[str, str]:
    before, place, after = item.partition("{text}")
    if not place:
        raise UsageError(f"template field {field}: {item!r} has no {{text}}")
    return before, after
