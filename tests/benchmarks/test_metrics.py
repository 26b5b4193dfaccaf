"""LongBench's metrics against figures worked out by hand, from the official formulas.

Each row: prediction, gold answers, score. Where a figure is not plain, the comment says how it
comes about; precision p and recall r give F1 = 2pr / (p + r).
"""

import pytest

from foldctx_pipelines.benchmarks import longbench
from foldctx_pipelines.benchmarks.scoring import best, first_line, fuzzy_ratio

Pairs = list[tuple[str, list[str], float]]

QA_F1: Pairs = [
    ("", ["Paris"], 0),
    ("Paris", [], 0),  # no gold answer at all
    ("Paris", ["Paris"], 1),
    ("The cat.", ["a cat"], 1),  # articles, case and punctuation do not count
    ("a b c", ["b c d"], 0.8),  # "a" goes as an article: p 2/2, r 2/3
    ("Paris, France", ["Paris"], 2 / 3),  # p 1/2, r 1
    ("New York City", ["NYC", "New York"], 0.8),  # the second gold: p 2/3, r 1
    ("unknown", ["Paris", "London"], 0),
    ("the", ["the"], 0),  # nothing is left of either
    ("It is 1,000 metres", ["1000 metres"], 2 / 3),  # p 2/4, r 1
    ("dog dog", ["dog"], 2 / 3),  # each word of the gold counts once: p 1/2, r 1
    ("well-known", ["well known"], 0),  # the hyphen goes, and with it the gap
    ("Answer:\n42", ["42"], 2 / 3),
]

QA_F1_ZH: Pairs = [
    ("", ["北京"], 0),
    ("北京", [], 0),
    ("北京", ["北京"], 1),
    ("北京。", ["北京"], 1),
    ("上海", ["北京"], 0),
    ("我爱北京", ["北京"], 0.5),  # 我 爱 北京: p 1/3, r 1
    ("厦门大学", ["厦门大学。"], 1),
    ("上海", ["北京", "上海"], 1),
    ("BERT", ["bert"], 1),
    ("。。。", ["北京"], 0),
    ("北京 上海", ["北京"], 2 / 3),  # the space is no word: p 1/2, r 1
    ("《红楼梦》", ["红楼梦"], 2 / 3),  # the official list of marks lacks the opening one
]

ROUGE_L: Pairs = [
    ("", ["the cat"], 0),
    ("the cat", [], 0),
    ("the cat sat", ["the cat sat"], 1),
    ("the cat", ["the cat sat"], 0.8),  # p 2/2, r 2/3
    ("sat cat the", ["the cat sat"], 1 / 3),  # one word in order: p 1/3, r 1/3
    (".", ["the cat"], 0),
    ("   ", ["the cat"], 0),
    ("a b c d", ["a c"], 2 / 3),  # p 2/4, r 2/2
    ("dog", ["cat"], 0),
    ("The", ["the"], 0),  # case counts here
    ("a. b.", ["a b"], 1),  # sentences are compared each, their common words joined
    ("the cat", ["dog", "the cat"], 1),
    ("a b", ["a b c d e f"], 0.5),  # p 2/2, r 2/6
]

ROUGE_L_ZH: Pairs = [
    ("", ["北京"], 0),
    ("北京", [], 0),
    ("北京", ["北京"], 1),
    ("上海", ["北京"], 0),
    ("我爱北京", ["我爱北京"], 1),
    ("我爱北京", ["北京"], 0.5),  # p 1/3, r 1
    ("北京", ["我爱北京"], 0.5),  # p 1, r 1/3
    ("北京爱我", ["我爱北京"], 1 / 3),  # one word in order
    ("北京。", ["北京"], 2 / 3),  # the full stop is a word here: p 1/2, r 1
    ("北京", ["上海", "北京"], 1),
    ("我爱上海", ["我爱北京"], 2 / 3),  # p 2/3, r 2/3
]

CLASSES = ["Date", "location", "Other location", "Reason", "Individual", "教育", "科学技术"]
CLASSIFICATION: Pairs = [
    ("", ["Date"], 0),
    ("Date", [], 0),
    ("Date", ["Date"], 1),
    ("Type: Date", ["Date"], 1),
    ("Date or Reason", ["Date"], 1 / 2),
    ("Date, Reason, Individual", ["Reason"], 1 / 3),
    ("Reason", ["Date"], 0),
    ("date", ["Date"], 0),  # case counts
    ("Other location", ["Other location"], 1),  # "location" is part of the gold and goes
    ("Other location", ["location"], 1 / 2),  # "Other location" is not part of it
    ("something else", ["Date"], 0),
    ("科学技术", ["科学技术"], 1),
    ("教育、科学技术", ["教育"], 1 / 2),
    ("Reason", ["Date", "Reason"], 1),
]

RETRIEVAL: Pairs = [
    ("", ["Paragraph 12"], 0),
    ("Paragraph 12", [], 0),
    ("Paragraph 12", ["Paragraph 12"], 1),
    ("12", ["Paragraph 12"], 1),
    ("Paragraph 1", ["Paragraph 12"], 0),
    ("Paragraph 12 or 13", ["Paragraph 12"], 1 / 2),
    ("12, 12 and 7", ["Paragraph 12"], 2 / 3),
    ("the twelfth", ["Paragraph 12"], 0),
    ("Paragraph 012", ["Paragraph 12"], 0),  # compared as they are written
    ("Paragraph 3", ["Paragraph 2", "Paragraph 3"], 1),
    ("12.5", ["Paragraph 12"], 1 / 2),  # two numbers
]

RETRIEVAL_ZH: Pairs = [
    ("", ["段落12"], 0),
    ("段落12", [], 0),
    ("段落12", ["段落12"], 1),
    ("12", ["段落12"], 1),
    ("段落1", ["段落12"], 0),
    ("段落12或段落13", ["段落12"], 1 / 2),
    ("第12段，不是第7段，是12", ["段落12"], 2 / 3),
    ("十二", ["段落12"], 0),
    ("段落3", ["段落2", "段落3"], 1),
    ("答案是：段落27", ["段落27"], 1),
]

COUNT: Pairs = [
    ("", ["8"], 0),
    ("8", [], 0),
    ("8", ["8"], 1),
    ("The final answer is: 8.", ["8"], 1),
    ("7", ["8"], 0),
    ("8 of 10", ["8"], 1 / 2),
    ("8 8 9", ["8"], 2 / 3),
    ("eight", ["8"], 0),
    ("18", ["8"], 0),
    ("08", ["8"], 0),
    ("1 2 3 8", ["8"], 1 / 4),
]

CODE_SIM: Pairs = [
    ("", ["return x"], 0),
    ("return x", [], 0),
    ("return x", ["return x"], 1),
    ("\n\nreturn x\nreturn y", ["return x"], 1),  # the first line that is not empty
    ("# a comment\nreturn x", ["return x"], 1),
    ("// a comment\nreturn x", ["return x"], 1),
    ("```python\nreturn x\n```", ["return x"], 1),
    ("# only a comment", ["return x"], 0),
    ("abcd", ["abxd"], 0.75),  # 2 * 3 common of 8 letters
    ("abc", ["abd"], 0.67),  # 2 * 2 of 6, in whole percent
    ("return y", ["return x"], 0.88),  # 2 * 7 of 16 is 87.5, rounded to even
    ("x", ["y", "x"], 1),
]

PAIRS = {
    "qa_f1": QA_F1,
    "qa_f1_zh": QA_F1_ZH,
    "rouge_l": ROUGE_L,
    "rouge_l_zh": ROUGE_L_ZH,
    "classification": CLASSIFICATION,
    "retrieval": RETRIEVAL,
    "retrieval_zh": RETRIEVAL_ZH,
    "count": COUNT,
    "code_sim": CODE_SIM,
}


@pytest.mark.parametrize("metric", PAIRS)
def test_metric_equals_figures_worked_out_by_hand(metric: str) -> None:
    assert len(PAIRS[metric]) >= 10
    for prediction, golds, expected in PAIRS[metric]:
        found = best(metric, prediction, golds, CLASSES)
        assert found == pytest.approx(expected, abs=1e-4), (prediction, golds)


def test_every_metric_of_the_tasks_is_tested() -> None:
    assert {task.metric for task in longbench.tasks().values()} == set(PAIRS)


def test_classification_passes_over_the_class_after_a_dropped_one() -> None:
    """The official loop removes from the list it walks, so "ab" stays: 1 of 2, not 1 of 1."""
    assert best("classification", "abc", ["abc"], ["a", "ab", "abc"]) == 0.5


def test_ratio_of_two_empty_texts_is_whole_as_in_fuzzywuzzy() -> None:
    assert (fuzzy_ratio("", ""), fuzzy_ratio("", "a"), fuzzy_ratio("a", "")) == (100, 0, 0)


def test_first_line_is_the_first_that_is_not_empty_at_once() -> None:
    assert first_line("\n\nDate\nQuestion: and so on") == "Date"
    assert first_line(" \nDate") == " "  # a line of blanks is a line


@pytest.mark.parametrize("task", ["trec", "triviaqa", "samsum", "lsht"])
def test_few_shot_tasks_score_the_first_line_only(task: str) -> None:
    doc = {"answers": ["Date"], "all_classes": CLASSES}
    assert longbench.score(task, "\nDate\nReason", doc) == pytest.approx(1, abs=1e-6)


def test_other_tasks_score_all_lines() -> None:
    assert longbench.score("hotpotqa", "Date\nReason", {"answers": ["Date"]}) == pytest.approx(
        2 / 3
    )
