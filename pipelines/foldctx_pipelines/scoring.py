"""Scores of answers against gold answers; reads strings, never a model."""

import re
import string
from collections.abc import Iterable

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
