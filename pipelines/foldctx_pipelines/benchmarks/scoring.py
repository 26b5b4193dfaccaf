"""LongBench's metrics, equal to the official scorer's; they read strings, never a model.

Each compares a prediction with one gold answer and gives 0 to 1. What looks odd in them is official
behaviour that published scores depend on (https://github.com/THUDM/LongBench, metrics.py).
"""

import logging
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

from rapidfuzz import fuzz

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)
_CHINESE_PUNCTUATION = _PUNCTUATION | frozenset(
    "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞"
    "〟〰〾〿–—‘’‛“”„‟…‧﹏."
)
_NUMBER = re.compile(r"\d+")

Metric = Callable[[str, str, Sequence[str]], float]
"""Prediction, one gold answer, the task's classes (empty where it has none)."""


def qa_f1(prediction: str, gold: str, classes: Sequence[str] = ()) -> float:
    """F1 of words; case, punctuation and English articles do not count."""
    return _f1(_words(prediction), _words(gold))


def qa_f1_zh(prediction: str, gold: str, classes: Sequence[str] = ()) -> float:
    """F1 of Chinese words as jieba cuts them; case and punctuation do not count."""
    return _f1(_chinese_words(prediction), _chinese_words(gold))


def rouge_l(prediction: str, gold: str, classes: Sequence[str] = ()) -> float:
    """ROUGE-L F1 as the `rouge` package computes it; 0 where it has no words to compare."""
    from rouge import Rouge

    try:
        found: list[dict[str, dict[str, float]]] = Rouge(metrics=["rouge-l"]).get_scores(
            prediction, gold
        )
    except (ValueError, ZeroDivisionError):  # the package's word for a text without words
        return 0.0
    except RecursionError:  # its backtracking is recursive; the official scorer gives 0 too
        return 0.0
    return float(found[0]["rouge-l"]["f"])


def rouge_l_zh(prediction: str, gold: str, classes: Sequence[str] = ()) -> float:
    """ROUGE-L of Chinese words as jieba cuts them."""
    return rouge_l(" ".join(_cut(prediction)), " ".join(_cut(gold)))


def classification(prediction: str, gold: str, classes: Sequence[str] = ()) -> float:
    """One over the number of classes named, if the right one is among them.

    Classes whose names are part of the right one's do not count against it. The official code
    drops them from the list it walks along, and so passes over the one after each; published
    scores hold that slip, so it is kept.
    """
    named = [name for name in classes if name in prediction]
    for name in named:
        if name in gold and name != gold:
            named.remove(name)
    return 1.0 / len(named) if gold in named else 0.0


def retrieval(prediction: str, gold: str, classes: Sequence[str] = ()) -> float:
    """The share of a prediction's numbers that are the paragraph's, of `Paragraph 12`."""
    return _share(prediction, _paragraph(r"Paragraph (\d+)", gold))


def retrieval_zh(prediction: str, gold: str, classes: Sequence[str] = ()) -> float:
    """The share of a prediction's numbers that are the paragraph's, of `段落12`."""
    return _share(prediction, _paragraph(r"段落(\d+)", gold))


def count(prediction: str, gold: str, classes: Sequence[str] = ()) -> float:
    """The share of a prediction's numbers that are the right one."""
    return _share(prediction, gold)


def code_sim(prediction: str, gold: str, classes: Sequence[str] = ()) -> float:
    """Edit similarity of the first line without a comment mark or a backquote, in whole percent."""
    lines = prediction.lstrip("\n").split("\n")
    line = next((row for row in lines if not any(mark in row for mark in ("`", "#", "//"))), "")
    return fuzzy_ratio(line, gold) / 100


def fuzzy_ratio(a: str, b: str) -> int:
    """fuzzywuzzy's `fuzz.ratio` in whole percent, as it is with python-Levenshtein installed.

    Without that package fuzzywuzzy falls back on difflib, whose figures differ.
    """
    return 100 if a == b else round(fuzz.ratio(a, b))


METRICS: Mapping[str, Metric] = {
    "qa_f1": qa_f1,
    "qa_f1_zh": qa_f1_zh,
    "rouge_l": rouge_l,
    "rouge_l_zh": rouge_l_zh,
    "classification": classification,
    "retrieval": retrieval,
    "retrieval_zh": retrieval_zh,
    "count": count,
    "code_sim": code_sim,
}


def first_line(prediction: str) -> str:
    """What is scored of a few-shot task's prediction: its first line that is not empty at once."""
    return prediction.lstrip("\n").split("\n")[0]


def best(metric: str, prediction: str, golds: Sequence[str], classes: Sequence[str]) -> float:
    """The score against the gold answer that fits best; 0 without one."""
    return max((METRICS[metric](prediction, gold, classes) for gold in golds), default=0.0)


def _f1(prediction: Sequence[str], gold: Sequence[str]) -> float:
    shared = sum((Counter(prediction) & Counter(gold)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(prediction), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def _words(text: str) -> list[str]:
    bare = "".join(letter for letter in text.lower() if letter not in _PUNCTUATION)
    return _ARTICLES.sub(" ", bare).split()


def _chinese_words(text: str) -> list[str]:
    words = (
        "".join(
            "".join(letter for letter in word.lower() if letter not in _CHINESE_PUNCTUATION).split()
        )
        for word in _cut(text)
    )
    return [word for word in words if word]


def _cut(text: str) -> list[str]:
    return list(_jieba().cut(text, cut_all=False))


@cache
def _jieba() -> Any:
    """A cutter of our own, with jieba's standard dictionary; it tells nothing while loading.

    jieba would keep the parsed dictionary in the shared folder for temporary files, and trust what
    it finds there; ours is kept nowhere.
    """
    import jieba

    logging.getLogger("jieba").setLevel(logging.WARNING)
    cutter = jieba.Tokenizer()
    with TemporaryDirectory() as folder:
        cutter.tmp_dir = folder
        cutter.initialize()
    return cutter


def _paragraph(form: str, gold: str) -> str:
    found = re.search(form, gold)
    if found is None:
        raise ValueError(f"gold answer {gold!r} names no paragraph in the form {form!r}")
    return found[1]


def _share(prediction: str, number: str) -> float:
    numbers = _NUMBER.findall(prediction)
    return numbers.count(number) / len(numbers) if numbers else 0.0
