"""LongBench's task data and rows, against what the official repository states."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks import longbench
from foldctx_pipelines.benchmarks.longbench import bucket, load, make_sample, max_length, tasks
from tests.benchmarks.conftest import INPUTS, PASSAGES, make_row

MAX_GEN = {
    "narrativeqa": 128, "qasper": 128, "multifieldqa_en": 64, "multifieldqa_zh": 64,
    "hotpotqa": 32, "2wikimqa": 32, "musique": 32, "dureader": 128, "gov_report": 512,
    "qmsum": 512, "multi_news": 512, "vcsum": 512, "trec": 64, "triviaqa": 32, "samsum": 128,
    "lsht": 64, "passage_count": 32, "passage_retrieval_en": 32, "passage_retrieval_zh": 32,
    "lcc": 64, "repobench-p": 64,
}  # fmt: skip
WITHOUT_CHAT = {"trec", "triviaqa", "samsum", "lsht", "lcc", "repobench-p"}
FIRST_LINE = {"trec", "triviaqa", "samsum", "lsht"}
EXTENDED = {
    "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "gov_report", "multi_news", "trec",
    "triviaqa", "samsum", "passage_count", "passage_retrieval_en", "lcc", "repobench-p",
}  # fmt: skip


def test_tasks_have_the_official_lengths_and_exceptions() -> None:
    assert {name: task.max_gen for name, task in tasks().items()} == MAX_GEN
    assert {name for name, task in tasks().items() if not task.chat} == WITHOUT_CHAT
    assert {name for name, task in tasks().items() if task.first_line} == FIRST_LINE
    assert {name for name, task in tasks().items() if task.extended} == EXTENDED
    assert set(longbench.extended_tasks()) == {f"{name}_e" for name in EXTENDED}


@pytest.mark.parametrize("name", MAX_GEN)
def test_prompt_is_the_official_form_filled_once(name: str) -> None:
    """What fills a place may hold the text of another place."""
    row = {**make_row(name), "context": "CONTEXT {input} {x}", "input": "INPUT {context}"}
    prompt = make_sample(name, tasks()[name], row).prompt
    assert prompt == tasks()[name].prompt.format(**row)
    assert prompt.count("CONTEXT") == 1
    assert not prompt.startswith("\n")


def test_prompts_keep_official_spelling_and_blanks() -> None:
    assert tasks()["narrativeqa"].prompt.count("asconcisely as you can") == 2
    assert "\n\n Answer the question based on the above article" in tasks()["qasper"].prompt
    assert tasks()["passage_count"].prompt.endswith("The final answer is: ")
    assert tasks()["lcc"].prompt == (
        "Please complete the code given below. \n{context}Next line of code:\n"
    )
    assert tasks()["trec"].prompt.endswith("{context}\n{input}")


def test_opencompass_asks_every_task_as_a_turn_and_spells_right() -> None:
    for name, task in tasks().items():
        sample = make_sample(name, task, make_row(name), protocol="opencompass")
        assert sample.chat
        assert "asconcisely" not in sample.prompt
    assert not make_sample("lcc", tasks()["lcc"], make_row("lcc")).chat


def test_triviaqa_and_samsum_are_parted_into_text_question_and_examples() -> None:
    row = {**make_row("triviaqa"), "context": PASSAGES}
    sample = make_sample("triviaqa", tasks()["triviaqa"], row)
    assert (sample.document, sample.question) == ("Oslo lies on a fjord.", "Where does Oslo lie?")
    read = make_sample("triviaqa", tasks()["triviaqa"], row, examples="read")
    assert read.document == f"{PASSAGES}\n\nOslo lies on a fjord."
    dialogue = make_sample("samsum", tasks()["samsum"], make_row("samsum"))
    assert dialogue.document == "Ann: Tea?\r\nBob: Yes!"
    assert dialogue.question == "Summarize the dialogue into a few short sentences."


def test_an_input_of_another_form_is_asked_whole_and_says_so() -> None:
    row = {**make_row("samsum"), "input": "no dialogue at all"}
    sample = make_sample("samsum", tasks()["samsum"], row)
    assert (sample.question, sample.document) == ("no dialogue at all", row["context"])
    assert sample.doc["parted"] is False
    assert make_sample("samsum", tasks()["samsum"], make_row("samsum")).doc["parted"] is True


def test_examples_that_hold_the_labels_are_the_document() -> None:
    row = make_row("trec")
    sample = make_sample("trec", tasks()["trec"], row)
    assert sample.document == row["context"]
    assert sample.question.endswith(row["input"])


def test_code_asks_for_what_follows_the_last_lines() -> None:
    row = {**make_row("lcc"), "context": "\n".join(f"line{i}" for i in range(30)) + "\n"}
    question = make_sample("lcc", tasks()["lcc"], row).question
    assert "line20\n" in question and "line19\n" not in question and "line29" in question
    row = make_row("repobench-p")
    assert row["input"] in make_sample("repobench-p", tasks()["repobench-p"], row).question


def test_folder_and_zip_give_the_same_samples(longbench_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in longbench_folder.iterdir():
            file.write(path, f"data/{path.name}")
    samples = load(str(longbench_folder))
    assert len(samples) == len({sample.id for sample in samples}) == 2 * len(MAX_GEN)
    assert load(str(archive)) == samples
    assert len(load(str(archive), limit=1)) == len(MAX_GEN)


def test_hub_rows_come_through_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str, task: str, *, split: str) -> list[dict[str, object]]:
        asked.append((name, task, split))
        if name == "owner/script":
            raise RuntimeError("Dataset scripts are no longer supported")
        return [make_row(task.removesuffix("_e"))]

    asked: list[tuple[str, str, str]] = []
    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    assert [s.id for s in load("owner/data", ["qasper_e"], extended=True)] == ["qasper_e/qasper-0"]
    assert len(load("owner/data")) == 21
    assert asked[0] == ("owner/data", "qasper_e", "test")
    with pytest.raises(
        UsageError, match="scripts are no longer supported.*give their folder or zip"
    ):
        load("owner/script", ["qasper"])


def test_a_row_that_is_there_twice_is_two_samples(tmp_path: Path) -> None:
    line = json.dumps(make_row("qasper")) + "\n"
    (tmp_path / "qasper.jsonl").write_text(line * 2)
    assert [s.id for s in load(str(tmp_path))] == ["qasper/qasper-0", "qasper/qasper-0#2"]


def test_line_separators_inside_a_text_do_not_end_a_row(tmp_path: Path) -> None:
    row = {**make_row("qasper"), "context": "one\u2028two\x85three"}
    (tmp_path / "qasper.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", "utf-8")
    assert load(str(tmp_path))[0].document == row["context"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "qasper.jsonl, line 1: not JSON"),
        ("[1]", "line 1: expected an object"),
        ('{"input": "x", "context": "y"}', "row 1: answers=None is no list"),
        ('{"input": 3, "context": "y", "answers": []}', "row 1: input=3 is no str"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "qasper.jsonl").write_text(content)
    with pytest.raises(UsageError, match=said):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("task", "change", "said"),
    [
        ("qasper_e", {"length": None}, "row 1: length=None is no int"),
        ("trec", {"all_classes": None}, "row 1: all_classes=None is no list"),
        ("passage_retrieval_en", {"answers": ["2"]}, "row 1: gold answer '2' names no paragraph"),
    ],
)
def test_rows_that_could_not_be_scored_are_refused(
    tmp_path: Path, task: str, change: dict[str, Any], said: str
) -> None:
    row = {**make_row(task.removesuffix("_e")), **change}
    (tmp_path / f"{task}.jsonl").write_text(json.dumps(row))
    with pytest.raises(UsageError, match=said):
        load(str(tmp_path), extended=task.endswith("_e"))


@pytest.mark.parametrize(
    ("source", "names", "said"),
    [
        ("{folder}", ["qaspar"], "task 'qaspar': choose from narrativeqa, qasper"),
        ("{empty}", [], "holds no task's rows"),
        ("{empty}", ["qasper"], "has no file qasper.jsonl"),
        ("{folder}/qasper.jsonl", [], "cannot be read as a zip archive"),
        ("./nowhere", [], "no such file or folder"),
    ],
)
def test_sources_that_cannot_be_used(
    longbench_folder: Path, tmp_path: Path, source: str, names: list[str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        load(source.format(folder=longbench_folder, empty=tmp_path), names)


def test_prompt_bounds_are_official_for_official_windows() -> None:
    assert [max_length(window, 512) for window in (4096, 8192, 32768)] == [3500, 7500, 31500]
    assert max_length(512, 32) == 480
    assert max_length(512, 512) == 256  # never less than half


def test_buckets_of_longbench_e() -> None:
    lengths = (0, 3999, 4000, 7999, 8000, 90000)
    assert [bucket(n) for n in lengths] == ["0-4k", "0-4k", "4-8k", "4-8k", "8k+", "8k+"]


def test_inputs_here_have_the_real_form() -> None:
    for name, text in INPUTS.items():
        assert make_sample(name, tasks()[name], {**make_row(name), "input": text}).doc["parted"]
