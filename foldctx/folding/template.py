"""A prompt template: what its file says, checked when it is read."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from foldctx.errors import UsageError

_PLACE = re.compile(r"\{(questions|memory|chunk)\}")
_ITEMS = {
    "read": ("question", "note", "unit"),
    "write": ("question", "note", "unit"),
    "answer": ("question", "note"),
}
_NEEDED = {
    "read": {"questions", "memory", "chunk"},
    "write": {"questions", "memory", "chunk"},
    "answer": {"questions", "memory"},
}
TASKS = tuple(_ITEMS)


@dataclass(frozen=True, slots=True)
class Template:
    """The fields of a template file.

    `parts` are a task's template as (place, "") and ("", text) in order; `items` give, for a task
    and an item, the text before and after it. `label` and `slots` make the canvas of a reading
    window: the given text before each question's slots, and their number. With `end_last` the ids
    that end a text are committed last in what is written (LLaDA's confidence_eos_eot_inf). With
    `copies` it is written from its start, and a copy of a note that has begun goes on as it stands;
    `joint` is the token between the copies where an answer has several.
    """

    source: str
    none: str
    max_questions: int
    max_units: int
    text_prefix: str
    label: str
    slots: int
    written_length: int
    answer_length: int
    parts: Mapping[str, tuple[tuple[str, str], ...]]
    items: Mapping[tuple[str, str], tuple[str, str]]
    end_last: bool = False
    copies: bool = False
    joint: str = ""

    def __post_init__(self) -> None:
        for name in ("max_questions", "max_units", "slots", "written_length", "answer_length"):
            if getattr(self, name) < 1:
                _refuse(self.source, f"{name}={getattr(self, name)}; it must be at least 1")
        for task, needed in _NEEDED.items():
            if lacking := needed - {place for place, _ in self.parts[task]}:
                _refuse(self.source, f"{task}.template lacks {{{min(lacking)}}}")


def parse_template(form: Mapping[str, Any], source: str = "") -> Template:
    """The template of a parsed file; UsageError naming the field that is missing or wrong."""
    source = source or "the template file"
    try:
        canvas = form["read"]["canvas"]
        return Template(
            source=source,
            none=str(form["none"]),
            max_questions=int(form["max_questions"]),
            max_units=int(form["max_units"]),
            text_prefix=str(form.get("text_prefix", "")),
            label=str(canvas["label"]),
            slots=int(canvas["slots"]),
            written_length=int(form["write"]["gen_length"]),
            answer_length=int(form["answer"]["gen_length"]),
            end_last=bool(form.get("end_last", False)),
            copies=bool(form.get("copies", False)),
            joint=str(form.get("joint", "")),
            parts={task: _split(str(form[task]["template"])) for task in TASKS},
            items={
                (task, item): _around(str(form[task][item]), f"{task}.{item}", source)
                for task, items in _ITEMS.items()
                for item in items
            },
        )
    except KeyError as missing:
        _refuse(source, f"field {missing} is missing")
    except (TypeError, ValueError) as error:
        _refuse(source, f"a field is of the wrong kind ({error})")


def read_template(path: Path) -> Template:
    """The template in a TOML file; UsageError when it cannot be read."""
    try:
        form = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not a template file ({error})") from None
    return parse_template(form, str(path))


def _refuse(source: str, reason: str) -> NoReturn:
    raise UsageError(f"{source}: {reason}")


def _split(template: str) -> tuple[tuple[str, str], ...]:
    parts = _PLACE.split(template)
    return tuple(
        (part, "") if i % 2 else ("", part) for i, part in enumerate(parts) if i % 2 or part
    )


def _around(item: str, field: str, source: str) -> tuple[str, str]:
    before, place, after = item.partition("{text}")
    if not place:
        _refuse(source, f"template field {field}: {item!r} has no {{text}}")
    try:
        before.format(i=1, k=1)
        after.format(i=1, k=1)
    except (LookupError, ValueError) as error:
        _refuse(
            source, f"template field {field}: {item!r} has another place than {{text}} ({error})"
        )
    return before, after
