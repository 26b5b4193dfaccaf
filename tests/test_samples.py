"""The embedded reader on the samples, through the installed command; and the shuffled control."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import foldctx
import foldctx.models.forward as walk
from foldctx.documents import read_document
from foldctx.models.attention import rotary_tables
from foldctx.models.checkpoint import EMBEDDED_FOLDER
from foldctx.trace import check
from foldctx_pipelines.scoring import Score, score_rows

ROOT = Path(__file__).parents[1]
COMMAND = str(Path(sys.executable).parent / "foldctx")
ROWS = [json.loads(line) for line in (ROOT / "samples/questions.jsonl").read_text().splitlines()]


def foldctx_json(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_fold_answers_the_samples(tmp_path: Path) -> None:
    """Every run keeps the window and adds up."""
    trace = tmp_path / "run.jsonl"
    questions = ["--questions", "samples/questions.jsonl"]
    records = foldctx_json("answer", *questions, "--json", "--trace", str(trace))
    score = score_rows(ROWS, records)
    assert score.answerable == 20 and score.unanswerable == 4
    assert all(record["usage"]["fed_max"] <= 512 for record in records)
    assert all(record["usage"]["position_max"] < 512 for record in records)
    report = check(trace.read_bytes().splitlines())
    assert report.ok and report.complete, report.problems
    assert score.right >= 11 and score.abstained >= 2 and score.on_page >= 0.8 * score.right, score


def test_the_demo_prints_the_right_answer_and_its_page() -> None:
    (question,) = re.findall(r'--question "(.*)"', (ROOT / "Makefile").read_text())
    (row,) = [row for row in ROWS if row["question"] == question]
    (record,) = foldctx_json("answer", row["source"], "--question", question, "--json")
    assert any(gold in record["answer"] for gold in row["answers"]), record["answer"]
    assert record["evidence"][0]["page"] == row["page"]


def test_shuffled_weights_answer_by_chance(tmp_path: Path) -> None:
    """Without the longest document: weights that know nothing skip nothing, and it is seven tenths."""
    rows = [row for row in ROWS if "handbook" not in row["source"]]
    control = shuffled_score(tmp_path, rows)
    assert control.answerable >= 10 and control.right <= 1, control


@pytest.mark.slow
def test_shuffled_weights_answer_all_samples_by_chance(tmp_path: Path) -> None:
    assert shuffled_score(tmp_path, ROWS).right <= 2


def shuffled_score(tmp_path: Path, rows: list[dict[str, Any]]) -> Score:
    """The same questions with every weight matrix permuted: what is right is chance."""
    folder = tmp_path / "shuffled"
    shutil.copytree(EMBEDDED_FOLDER, folder)
    weights = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in weights.items():
        order = torch.randperm(tensor.numel(), generator=generator)
        weights[name] = tensor.flatten()[order].view(tensor.shape).contiguous()
    save_file(weights, folder / "model.safetensors")
    asked = tmp_path / "questions.jsonl"
    lines = (json.dumps(row | {"source": str(ROOT / row["source"])}) for row in rows)
    asked.write_text("\n".join(lines))
    options = ["--questions", str(asked), "--model", str(folder), "--json"]
    return score_rows(rows, foldctx_json("answer", *options))


@pytest.mark.slow
def test_cost_of_the_handbook_is_as_planned(tmp_path: Path) -> None:
    handbook = "samples/handbook.md"
    questions = [row["question"] for row in ROWS][:8]
    one = ["-q", questions[0]]
    eight = [part for question in questions for part in ("-q", question)]
    plan = foldctx_json("plan", handbook, *one, "--json")[0]
    (single,) = foldctx_json("answer", handbook, *one, "--json")
    together = foldctx_json("answer", handbook, *eight, "--json")
    passes = single["usage"]["passes"]
    assert passes <= 2.5
    assert abs(passes - plan["passes"]) <= 0.05 * plan["passes"], (passes, plan["passes"])
    assert len(together) == 8
    assert sum(record["usage"]["passes"] for record in together) < 2 * passes


@pytest.mark.slow
@pytest.mark.parametrize("command", ["answer", "generate"])
def test_output_three_windows_long_keeps_every_token(command: str, tmp_path: Path) -> None:
    trace = tmp_path / "run.jsonl"
    options = ["--gen-length", "1536", "--json", "--trace", str(trace)]
    if command == "answer":
        asked = ["samples/handbook.md", "-q", "Whose will paid for the bursary fund?"]
        (record,) = foldctx_json("answer", *asked, *options)
        tokens = record["generated"]["tokens"]
    else:
        # The reader is no writer: by itself it ends the text at once.
        options += ["--set", "stop=never"]
        (record,) = foldctx_json("generate", "The harbour lay still.", *options)
        tokens = record["tokens"]
    assert len(tokens) == 1536
    mask = foldctx_json("models", "show", "embedded", "--json")[0]["mask_id"]
    assert mask not in tokens
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    spans = [event for event in events if event["event"] == "fold" and event["kind"] == "span"]
    assert len(spans) >= 3
    report = check(trace.read_bytes().splitlines())
    assert report.ok, report.problems


@pytest.mark.parametrize("strategy", ["fold", "map", "retrieve", "truncate"])
def test_records_count_what_the_modules_see(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks on the embedding and on the rotary tables find the counts of the answers."""
    model = foldctx.load()
    seen: dict[str, int] = {"fed": 0, "position": 0}

    def embedded(_: torch.nn.Module, arguments: tuple[torch.Tensor, ...], __: Any) -> None:
        seen["fed"] += arguments[0].numel()

    def rotary(positions: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen["position"] = max(seen["position"], int(positions.max()))
        return rotary_tables(positions, *rest)

    monkeypatch.setattr(walk, "rotary_tables", rotary)
    handle = model.transformer.wte.register_forward_hook(embedded)
    answers = foldctx.answer(
        model,
        read_document(ROOT / "samples/minutes.html"),
        ["Which plumber is to replace the two burst standpipes?", "Who won the sunflower prize?"],
        strategy=strategy,
    )
    handle.remove()
    assert sum(answer.tokens_fed for answer in answers) == pytest.approx(seen["fed"])
    assert max(answer.position_max for answer in answers) == seen["position"] < model.info.window


def test_scores_are_not_of_one_answer_for_everything() -> None:
    """A reader that always says the same would pass no row of this file."""
    golds: Mapping[str, list[str]] = {row["question"]: row["answers"] for row in ROWS}
    counted = [gold.lower() for answers in golds.values() for gold in answers[:1]]
    assert len(set(counted)) == len(counted) == 20
