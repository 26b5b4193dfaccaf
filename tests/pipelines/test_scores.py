"""Scores of records against a questions file."""

import subprocess
import sys
from pathlib import Path

import orjson

from foldctx_pipelines.scoring import score_rows

ROWS = [
    {"source": "samples/a.pdf", "question": "Who?", "answers": ["Ann Lee"], "page": 3},
    {"source": "samples/a.pdf", "question": "When?", "answers": ["1 May"], "page": 4},
    {"source": "samples/b.md", "question": "Why?", "answers": [], "page": None},
    {"source": "samples/b.md", "question": "How?", "answers": [], "page": None},
]


def record(source: str, question: str, answer: str | None, page: int | None) -> dict[str, object]:
    evidence = [] if page is None else [{"page": page}]
    return {"source": source, "question": question, "answer": answer, "evidence": evidence}


def test_right_page_and_abstention_are_counted_apart() -> None:
    records = [
        record("/elsewhere/a.pdf", "Who?", "It is Ann Lee.", 3),
        record("/elsewhere/a.pdf", "When?", "on 1 May", 9),
        record("b.md", "Why?", None, None),
        record("b.md", "How?", "by boat", 1),
    ]
    score = score_rows(ROWS, records)
    assert (score.right, score.answerable, score.on_page) == (2, 2, 1)
    assert (score.abstained, score.unanswerable) == (1, 2)


def test_missing_and_failed_rows_earn_nothing() -> None:
    failed = {"source": "b.md", "question": "Why?", "error": {"type": "E", "message": "m"}}
    score = score_rows(ROWS, [failed])
    assert (score.right, score.on_page, score.abstained) == (0, 0, 0)


def test_a_right_answer_without_a_quote_is_on_no_page() -> None:
    assert score_rows(ROWS, [record("a.pdf", "Who?", "Ann Lee", None)]).on_page == 0


def test_command_prints_the_score(tmp_path: Path) -> None:
    questions, answers = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    questions.write_bytes(b"\n".join(orjson.dumps(row) for row in ROWS))
    answers.write_bytes(orjson.dumps(record("a.pdf", "Who?", "Ann Lee", 3)) + b"\n")
    command = [sys.executable, "-m", "foldctx_pipelines.scoring", str(questions), str(answers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1 of 2 right, 1 of them on the page; 0 of 2 unanswerable")
