"""Scores of answers against gold answers; reads strings, never a model."""

import re
import string
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = dict.fromkeys(
    map(ord, string.punctuation + "\u2018\u2019\u201c\u201d\u2013\u2014\u2026")
)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def normalise_answer(text: str) -> str:
    """Bring an answer into the form that SQuAD compares.

    Lower case, punctuation deleted, English articles and surplus white space gone.
    """
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def contains_gold(answer: str, golds: Iterable[str], slack_words: int = 8) -> bool:
    """Tell whether an answer is right: it contains a gold answer and says little besides.

    Both sides are normalised; the gold answer must stand there as whole words, in an answer of at
    most its own words + `slack_words`. In scripts without capitals, where words run on or carry
    particles, it may stand anywhere. A CJK character counts as a word. A gold answer that normalises to nothing ("A") is compared with its articles.
    Raises ValueError for a negative slack.
    """
    if slack_words < 0:
        raise ValueError(f"slack_words={slack_words} must be at least 0")
    return any(_contains(answer, gold, slack_words) for gold in golds)


def _contains(answer: str, gold: str, slack_words: int) -> bool:
    said, wanted = normalise_answer(answer), normalise_answer(gold)
    if not wanted:
        said, wanted = _with_articles(answer), _with_articles(gold)
    if not wanted or _length(said) > _length(wanted) + slack_words:
        return False
    if any(letter.isalpha() and letter.lower() == letter.upper() for letter in wanted):
        return wanted.replace(" ", "") in said.replace(" ", "")
    return f" {wanted} " in f" {said} "


def _with_articles(text: str) -> str:
    return " ".join(text.lower().translate(_PUNCTUATION).split())


def _length(text: str) -> int:
    return len(_CJK.sub(" x ", text).split())


@dataclass(frozen=True, slots=True)
class Score:
    """How answers compare with the rows of a questions file.

    `right` counts answerable rows with a right answer, `on_page` those of them whose first quote
    stands on the stated page, `abstained` the unanswerable rows without an answer.
    """

    answerable: int
    right: int
    on_page: int
    unanswerable: int
    abstained: int

    def __str__(self) -> str:
        return (
            f"{self.right} of {self.answerable} right, {self.on_page} of them on the page; "
            f"{self.abstained} of {self.unanswerable} unanswerable abstained"
        )


def score_rows(
    questions: Iterable[Mapping[str, Any]], records: Iterable[Mapping[str, Any]]
) -> Score:
    """Score answer records against rows with source, question, answers and page.

    Rows and records belong together by the source's file name and the question. A row without a
    record, or with an error record, counts as wrong and as not abstained.
    """
    found = {(Path(r["source"]).name, r.get("question")): r for r in records}
    answerable = right = on_page = unanswerable = abstained = 0
    for row in questions:
        record = found.get((Path(row["source"]).name, row["question"]), {})
        text = record.get("answer")
        if not row["answers"]:
            unanswerable += 1
            abstained += "answer" in record and text is None
            continue
        answerable += 1
        if text is not None and contains_gold(text, row["answers"]):
            right += 1
            quotes = record["evidence"]
            on_page += bool(quotes) and quotes[0]["page"] == row["page"]
    return Score(answerable, right, on_page, unanswerable, abstained)


def main() -> None:
    """`python -m foldctx_pipelines.scoring QUESTIONS ANSWERS`: print the score of a records file."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m foldctx_pipelines.scoring QUESTIONS.jsonl ANSWERS.jsonl")
    rows, records = (
        [orjson.loads(line) for line in Path(name).read_bytes().splitlines() if line.strip()]
        for name in sys.argv[1:]
    )
    print(score_rows(rows, records))


if __name__ == "__main__":
    main()
