"""Small rows, files and tokens that benchmarks are made of here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foldctx_pipelines.benchmarks import longbench

BOOK = " ".join(
    f"On day {i} the old harbour was quiet, and the boats of the {i + 3} fishermen lay still in rain."
    for i in range(400)
)
PASSAGES = "Passage:\nLisbon is a port.\nQuestion:\nWhat is Lisbon?\nAnswer:\na port\n"
INPUTS = {
    "triviaqa": "Passage:\nOslo lies on a fjord.\nQuestion:\nWhere does Oslo lie?\nAnswer:\n",
    "samsum": "Dialogue: Ann: Tea?\r\nBob: Yes!\nSummary: ",
}


def words(text: str) -> int:
    """Tokens, as these tests count them."""
    return len(text.split())


def make_row(task: str, number: int = 0) -> dict[str, Any]:
    """A row of a task in the original form."""
    metric = longbench.tasks()[task].metric
    golds = {"retrieval": ["Paragraph 2"], "retrieval_zh": ["段落2"], "count": ["11"]}
    classes = ["Date", "Reason"] if metric == "classification" else None
    return {
        "input": INPUTS.get(task, f"What is thing {number}?"),
        "context": f"Thing {number} is red. " + BOOK[:600] + "\n\nThing 7 is blue.",
        "answers": golds.get(metric, ["Date", "red"] if classes else ["red", "a red one"]),
        "length": 3000 + 3000 * number,
        "dataset": task,
        "language": "en",
        "all_classes": classes,
        "_id": f"{task}-{number}",
    }


@pytest.fixture(scope="session")
def longbench_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows of every task, as original files."""
    folder = tmp_path_factory.mktemp("longbench")
    for task in longbench.tasks():
        rows = [json.dumps(make_row(task, i), ensure_ascii=False) for i in range(2)]
        (folder / f"{task}.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    return folder


@pytest.fixture
def write_json(tmp_path: Path) -> Callable[[str, Any], Path]:
    def write(name: str, form: Any) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(form), "utf-8")
        return path

    return write
