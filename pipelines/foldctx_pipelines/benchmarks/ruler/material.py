"""What RULER's tasks are made of: a text, questions of SQuAD's or HotpotQA's form, and words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from foldctx.errors import UsageError


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its answers, and the numbers of the documents that belong to it.

    `more` are documents about the same subject, taken before any others.
    """

    query: str
    answers: tuple[str, ...]
    documents: tuple[int, ...]
    more: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Questions:
    """A set of questions over documents that they share."""

    asked: tuple[Asked, ...]
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What the user points to; a task whose material is missing cannot be generated."""

    text: str | None = None
    squad: Questions | None = None
    hotpotqa: Questions | None = None

    @classmethod
    def read(
        cls,
        text: Path | None = None,
        squad: Path | None = None,
        hotpotqa: Path | None = None,
    ) -> "Material":
        """Read what is given. Raises UsageError for a file of another form, DocumentError for text."""
        from foldctx.documents import read_document

        return cls(
            " ".join(read_document(text).text.split()) if text else None,
            read_squad(squad) if squad else None,
            read_hotpotqa(hotpotqa) if hotpotqa else None,
        )


def read_squad(path: Path) -> Questions:
    """The answerable questions of a file in SQuAD's form (1.1 or 2.0)."""
    form = _json(path)
    try:
        articles = [[p["context"] for p in article["paragraphs"]] for article in form["data"]]
        documents = sorted({text for article in articles for text in article})
        number = {text: i for i, text in enumerate(documents)}
        asked = []
        for article, texts in zip(form["data"], articles, strict=True):
            for paragraph in article["paragraphs"]:
                own = number[paragraph["context"]]
                more = tuple(number[text] for text in dict.fromkeys(texts) if number[text] != own)
                for qa in paragraph["qas"]:
                    if not qa.get("is_impossible", False):
                        answers = tuple(answer["text"] for answer in qa["answers"])
                        asked.append(Asked(qa["question"], answers, (own,), more))
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not of SQuAD's form ({error!r})") from None
    return _checked(path, asked, documents)


def read_hotpotqa(path: Path) -> Questions:
    """The questions of a file in HotpotQA's form (the distractor setting)."""
    form = _json(path)
    try:
        texts = [[f"{title}\n{''.join(lines)}" for title, lines in row["context"]] for row in form]
        documents = sorted({text for row in texts for text in row})
        number = {text: i for i, text in enumerate(documents)}
        asked = [
            Asked(row["question"], (row["answer"],), tuple(number[text] for text in own))
            for row, own in zip(form, texts, strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: not of HotpotQA's form ({error!r})") from None
    return _checked(path, asked, documents)


def _checked(path: Path, asked: list[Asked], documents: list[str]) -> Questions:
    asked = [row for row in asked if row.answers]
    if not asked:
        raise UsageError(f"{path}: holds no question with an answer")
    for row in asked:
        for text in (row.query, *row.answers):
            if not isinstance(text, str):
                raise UsageError(f"{path}: question or answer {text!r:.50} is no text")
    return Questions(tuple(asked), tuple(documents))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as JSON ({error})") from None


@cache
def word_lists() -> Mapping[str, tuple[str, ...]]:
    """The nouns, adjectives and verbs that RULER takes its words from."""
    folder = files("wonderwords.assets")
    names = {"nouns": "nounlist.txt", "adjectives": "adjectivelist.txt", "verbs": "verblist.txt"}
    return {
        kind: tuple(folder.joinpath(name).read_text("utf-8").split())
        for kind, name in names.items()
    }


@cache
def plain_words() -> tuple[str, ...]:
    """All words of the lists, sorted."""
    return tuple(sorted({word for words in word_lists().values() for word in words}))
