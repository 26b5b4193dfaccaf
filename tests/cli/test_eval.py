"""foldctx eval: run, go on, score; with a small model that answers with ones."""

import json
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from foldctx_pipelines.benchmarks import longbench
from tests.benchmarks.conftest import BOOK, make_row
from tests.benchmarks.test_babilong import FILES
from tests.cli.conftest import Call, Run

Write = Callable[[list[str]], Path]


@pytest.fixture
def rows(tmp_path: Path) -> Write:
    """Writes one row of each of the tasks as original files."""

    def write(tasks: list[str]) -> Path:
        folder = tmp_path / "rows"
        folder.mkdir()
        for task in tasks:
            (folder / f"{task}.jsonl").write_text(json.dumps(make_row(task)) + "\n", "utf-8")
        return folder

    return write


def no_model(*_: object, **__: object) -> None:
    raise AssertionError("a model was loaded")


@pytest.mark.parametrize("strategy", ["fold", "truncate"])
def test_every_longbench_task_runs_and_is_scored(
    strategy: str, rows: Write, model: Path, call: Call, tmp_path: Path
) -> None:
    source, run = rows(list(longbench.tasks())), tmp_path / "run"
    options = ("--strategy", strategy, "--model", model, "--quiet")
    code, out, err = call("eval", "longbench", "run", source, "-o", run, *options)
    assert (code, err) == (0, "")
    summary = orjson.loads(out)
    assert (summary["rows"], summary["made"], summary["failed"]) == (21, 21, 0)
    code, out, _ = call("eval", "longbench", "score", run)
    scores = orjson.loads(out)
    assert code == 0
    assert set(scores["tasks"]) == set(longbench.tasks())
    assert all(isinstance(t["scores"]["score"], float) for t in scores["tasks"].values())
    assert scores["settings"]["protocol"] == "official"
    assert scores["settings"]["config"]["strategy"] == strategy
    sample = orjson.loads((run / "scores" / "samples-qasper.jsonl").read_bytes())
    assert sample["doc"]["_id"] == "qasper-0" and "qa_f1" in sample
    assert "| qasper | qa_f1 | 1 | 0 |" in (run / "scores" / "table.md").read_text("utf-8")


def test_a_second_invocation_loads_no_model(
    rows: Write, model: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["eval", "longbench", "run", rows(["hotpotqa", "trec"]), "-o", tmp_path / "run"]
    options = ["--model", model, "--task", "hotpotqa"]
    assert call(*command, *options)[0] == 0
    before = sorted(p.read_bytes() for p in (tmp_path / "run").glob("shard-*.jsonl"))
    monkeypatch.setattr("foldctx.models.load.load_checkpoint", no_model)
    code, out, _ = call(*command, *options)
    assert (code, orjson.loads(out)["made"]) == (0, 0)
    assert before == sorted(p.read_bytes() for p in (tmp_path / "run").glob("shard-*.jsonl"))
    # A task more is made beside what is there.
    monkeypatch.undo()
    code, out, _ = call(*command, "--model", model)
    assert (code, orjson.loads(out)["made"]) == (0, 1)


def test_another_way_of_answering_is_refused(
    rows: Write, model: Path, call: Call, tmp_path: Path
) -> None:
    command = ["eval", "longbench", "run", rows(["lcc"]), "-o", tmp_path / "run", "--model", model]
    assert call(*command, "--strategy", "truncate")[0] == 0
    for options in (
        ("--strategy", "map"),
        ("--strategy", "truncate", "--seed", "3"),
        ("--strategy", "truncate", "--protocol", "opencompass"),
    ):
        code, _, err = call(*command, *options)
        assert code == 2
        assert "was" in err and " and is " in err


def test_a_raised_window_is_what_the_run_says_and_depends_on(
    rows: Write, model: Path, call: Call, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ["eval", "longbench", "run", rows(["hotpotqa"]), "-o", run, "--model", model]
    assert call(*command, "--rope-scale-to", 1024)[0] == 0
    stated = orjson.loads((run / "manifest.json").read_bytes())["fingerprint"]
    assert (stated["config"]["window"], stated["rope_scale_to"]) == (1024, 1024)
    assert stated["dtype"] == "float32", "the type that is computed in, not its option"
    code, _, err = call(*command)
    assert code == 2
    assert "config.window was 1024 and is 512" in err and "rope_scale_to was 1024" in err
    assert call(*command, "--rope-scale-to", 1024, "--dtype", "float32")[0] == 0


def test_a_shard_counts_its_own_rows(rows: Write, model: Path, call: Call, tmp_path: Path) -> None:
    run, made = tmp_path / "run", []
    command = ["eval", "longbench", "run", rows(["hotpotqa", "trec", "lcc"]), "-o", run]
    for shard in ("1/2", "2/2"):
        code, out, _ = call(*command, "--model", model, "--shard", shard, "--strategy", "truncate")
        assert code == 0
        made.append(orjson.loads(out)["made"])
    _, out, _ = call("batch", "status", run)
    totals = [shard["total"] for shard in orjson.loads(out)["shards"]]
    assert totals == made and sum(made) == 3


def test_scoring_needs_no_torch_and_can_be_repeated(
    rows: Write, model: Path, call: Call, quick: Run, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ("eval", "longbench", "run", rows(["samsum", "dureader"]), "-o", run)
    assert call(*command, "--model", model, "--strategy", "truncate")[0] == 0
    one, two = (quick("eval", "longbench", "score", run) for _ in range(2))
    assert one.returncode == 0, one.stderr
    assert one.stdout == two.stdout
    text = quick("eval", "longbench", "score", run, "--text").stdout.decode()
    assert "protocol official, strategy truncate" in text
    into = tmp_path / "drawn"
    refused = quick(
        "eval", "longbench", "score", run, "--into", into, "--heatmap", tmp_path / "a.html"
    )
    assert (refused.returncode, into.exists()) == (2, False)
    assert b"longbench has no lengths to draw" in refused.stderr


def test_ruler_is_made_run_scored_and_drawn(model: Path, call: Call, tmp_path: Path) -> None:
    book, run, page = tmp_path / "book.txt", tmp_path / "run", tmp_path / "map.html"
    book.write_text(BOOK)
    command = ["eval", "ruler", "run", "-o", run, "--text", book, "--length", "2500"]
    options = ["--samples", "1", "--task", "niah_single_2", "--task", "vt", "--model", model]
    code, out, err = call(*command, *options)
    assert code == 0, err
    assert orjson.loads(out)["made"] == 2
    code, out, _ = call("eval", "ruler", "score", run, "--heatmap", page)
    assert code == 0
    assert list(orjson.loads(out)["tasks"]["vt"]["scores"]) == ["2500"]
    assert "Score by depth of the needle and length" in page.read_text("utf-8")
    code, _, err = call("eval", "longbench", "score", run)
    assert (code, "holds a run of ruler, not of longbench" in err) == (2, True)


def test_ruler_says_what_it_leaves_out(model: Path, call: Call, tmp_path: Path) -> None:
    command = ["eval", "ruler", "run", "-o", tmp_path / "run", "--length", "4000", "--samples", "1"]
    code, out, err = call(*command, "--model", model, "--strategy", "truncate")
    assert (code, orjson.loads(out)["made"]) == (0, 6)
    assert "left out for want of --text, --squad or --hotpotqa: niah_single_2" in err


def test_babilong_is_made_run_and_scored(model: Path, call: Call, tmp_path: Path) -> None:
    folder, run = tmp_path / "babi", tmp_path / "run"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (tmp_path / "book.txt").write_text(BOOK)
    command = ["eval", "babilong", "run", folder, "-o", run, "--book", tmp_path / "book.txt"]
    options = ["--length", "0", "--length", "400", "--samples", "1", "--model", model]
    code, out, err = call(*command, *options)
    assert code == 0, err
    assert orjson.loads(out)["made"] == 12
    code, out, _ = call("eval", "babilong", "score", run)
    assert list(orjson.loads(out)["tasks"]) == ["qa1", "qa6", "qa7", "qa8", "qa9", "qa10"]


def test_longwriter_writes_past_the_window(model: Path, call: Call, tmp_path: Path) -> None:
    prompts, run = tmp_path / "prompts.jsonl", tmp_path / "run"
    prompts.write_text('{"prompt": "Write about the hall.", "length": 500}\n')
    command = ["eval", "longwriter", "run", prompts, "-o", run, "--tokens-per-word", "1.2"]
    code, out, err = call(*command, "--model", model)
    assert code == 0, err
    code, out, _ = call("eval", "longwriter", "score", run)
    assert orjson.loads(out)["tasks"]["longwriter"]["scores"] == {"[500,2k)": 0.0, "score": 0.0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["longbench", "run", "{rows}", "-o", "{run}", "--protocol", "own"],
            "choose from official",
        ),
        (["longbench", "run", "{rows}", "-o", "{run}", "--examples", "all"], "choose from skip"),
        (["longbench", "run", "{rows}", "-o", "{run}", "--task", "qa"], "task 'qa': choose from"),
        (["longbench", "run", "{rows}"], "Missing option '--output'"),
        (["longbench", "score", "{rows}"], "holds no run"),
        (["ruler", "score", "{rows}", "--heatmap", "a.svg"], "ends in .html or .png"),
        (["ruler", "run", "-o", "{run}"], "Missing option '--length'"),
        (
            ["babilong", "run", "{rows}", "-o", "{run}", "--length", "9", "--book", "x"],
            "no bAbI file",
        ),
        (["squad"], "longbench, ruler, babilong, longwriter"),
        (["ruler"], "Missing command; there are run, score"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    arguments: list[str], said: str, rows: Write, call: Call, tmp_path: Path
) -> None:
    places = {"rows": str(rows(["qasper"])), "run": str(tmp_path / "run")}
    code, out, err = call("eval", *(argument.format(**places) for argument in arguments))
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "run").exists()
