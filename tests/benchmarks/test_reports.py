"""Tables, samples and heat maps of scored records."""

from pathlib import Path
from typing import Any

import pytest

from foldctx.errors import TraceError, UsageError
from foldctx_pipelines.benchmarks.plots import grids, write_heatmap
from foldctx_pipelines.benchmarks.report import Report, markdown, sample_lines, score_records

SETTINGS = {"model": {"name": "m|1"}, "config": {"strategy": "fold"}, "protocol": "official"}


def record(task: str, response: str, number: int = 0, **doc: Any) -> dict[str, Any]:
    return {
        "id": f"{task}/{number}",
        "task": task,
        "doc": doc,
        "target": doc.get("answers", []),
        "response": response,
        "prompt_sha256": "0" * 64,
    }


def failure(task: str, number: int, **doc: Any) -> dict[str, Any]:
    error = {"type": "WindowError", "message": "too long"}
    return {"id": f"{task}/{number}", "task": task, "doc": doc, "error": error}


def longbench_report() -> Report:
    records = [
        record("hotpotqa", "Paris", 0, answers=["Paris"], length=100),
        record("hotpotqa", "Rome", 1, answers=["Paris"], length=100),
        failure("hotpotqa", 2, answers=["Paris"], length=100),
        record("trec", "Date\nQuestion", 0, answers=["Date"], all_classes=["Date"], length=1),
        record("2wikimqa", "Paris", 0, answers=["Paris"], length=100),
    ]
    return score_records("longbench", records, SETTINGS)


def ruler_report() -> Report:
    records = [
        record("niah_single_1", "7" if length < 4096 else "", i, index=i, length=length,
               outputs=["7"], depths=[i / 4])
        for length in (8192, 1024, 2048) for i in range(4)
    ]  # fmt: skip
    return score_records("ruler", records, SETTINGS)


def test_scores_are_means_of_rows_and_averages_means_of_tasks() -> None:
    report = longbench_report()
    assert [(r.task, r.rows, r.failed, r.cells["score"]) for r in report.tasks] == [
        ("hotpotqa", 3, 1, 33.33),  # a failed row scores 0
        ("2wikimqa", 1, 0, 100.0),
        ("trec", 1, 0, 100.0),
    ]
    averages = {label: cells["score"] for label, cells in report.averages}
    assert averages == {
        "multi-document QA": round((33.33 + 100) / 2, 2),
        "few-shot learning": 100.0,
        "all tasks": 77.78,
    }


def test_longbench_e_has_buckets_by_length() -> None:
    records = [
        record("qasper_e", "yes", i, answers=["yes" if i else "no"], length=length)
        for i, length in enumerate((3999, 4000, 9000))
    ]
    report = score_records("longbench", records, SETTINGS)
    assert list(report.columns) == ["0-4k", "4-8k", "8k+", "score"]
    assert report.tasks[0].cells == {"0-4k": 0.0, "4-8k": 100.0, "8k+": 100.0, "score": 66.67}


def test_ruler_has_lengths_and_an_effective_one() -> None:
    report = ruler_report()
    assert list(report.columns) == ["1024", "2048", "8192"]
    assert dict(report.averages)["all tasks"] == {"1024": 100.0, "2048": 100.0, "8192": 0.0}
    assert report.effective_length == 2048


def test_babilong_reports_the_mean_of_its_first_five_tasks() -> None:
    records = [
        record(f"qa{i}", "garden" if i < 3 else "", 0, index=0, length=0,
               target="garden", question="Where is it?")
        for i in (1, 2, 3, 4, 6)
    ]  # fmt: skip
    report = score_records("babilong", records, SETTINGS)
    assert dict(report.averages) == {"qa1 to qa5": {"0": 50.0}, "all tasks": {"0": 40.0}}


def test_samples_have_the_fields_that_other_harnesses_read() -> None:
    lines = dict(enumerate(line for _, line in sample_lines(longbench_report())))
    first = lines[0]
    assert first["doc_id"] == 0 and first["doc"]["answers"] == ["Paris"]
    assert (first["resps"], first["filtered_resps"]) == ([["Paris"]], ["Paris"])
    assert (first["metrics"], first["qa_f1"], first["score"]) == (["qa_f1"], 1.0, 1.0)
    assert first["prompt_hash"] == "0" * 64 and len(first["target_hash"]) == 64
    failed = next(line for line in lines.values() if "error" in line)
    assert failed["score"] == 0 and failed["response"] == ""
    few_shot = next(line for line in lines.values() if line["task"] == "trec")
    assert few_shot["resps"] == [["Date\nQuestion"]] and few_shot["filtered_resps"] == ["Date"]


def test_markdown_has_table_and_settings() -> None:
    text = markdown(longbench_report())
    assert "| hotpotqa | qa_f1 | 3 | 1 | 33.33 |" in text
    assert "| **all tasks** | mean of tasks | | | **77.78** |" in text
    assert "| protocol | official |" in text
    assert "| model.name | m\\|1 |" in text
    assert "Effective length: 2048 tokens." in markdown(ruler_report())


def test_a_record_that_cannot_be_scored_is_named() -> None:
    with pytest.raises(TraceError, match="record hotpotqa/0: cannot be scored"):
        score_records("longbench", [record("hotpotqa", "x")], SETTINGS)
    with pytest.raises(TraceError, match="record qasper_e/0: cannot be scored.*length"):
        score_records("longbench", [record("qasper_e", "x", answers=["x"])], SETTINGS)
    with pytest.raises(TraceError, match="of another benchmark"):
        score_records("longbench", [record("vt", "x", outputs=["x"])], SETTINGS)


def test_heat_maps_hold_the_means_by_task_and_by_depth(tmp_path: Path) -> None:
    by_task, by_depth = grids(ruler_report())
    assert [[c and c.score for c in row] for row in by_task.cells] == [[100, 100, 0]]
    depths = {name: cells for name, cells in zip(by_depth.rows, by_depth.cells, strict=True)}
    assert [c and (c.score, c.samples) for c in depths["50-60%"]] == [(100, 1), (100, 1), (0, 1)]
    assert depths["90-100%"] == [None, None, None]
    page, picture = tmp_path / "map.html", tmp_path / "map.png"
    write_heatmap(ruler_report(), page)
    text = page.read_text("utf-8")
    assert text.count("<tr>") == 2 + 1 + 10 and 'title="1 samples"' in text
    pytest.importorskip("matplotlib")
    write_heatmap(ruler_report(), picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_benchmark_without_lengths_has_no_heat_map(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="longbench has no lengths to draw"):
        write_heatmap(longbench_report(), tmp_path / "map.html")
    with pytest.raises(UsageError, match="give a file that ends in .html or .png"):
        write_heatmap(ruler_report(), tmp_path / "map.svg")
