"""The commands: tables, Markdown, charts, and what is refused before anything runs."""

from pathlib import Path

import orjson
import pytest

from foldctx.records import validate
from foldctx_cli.app import main

DECODE = "bench decode --prompt 16 --gen-length 8 --block 4 --runs 1 --presets exact,elastic"


def call(line: str, *more: str) -> int:
    return main([*line.split(), *more])


def test_decode_writes_records_and_a_markdown_table(tmp_path: Path) -> None:
    out, table = tmp_path / "out.jsonl", tmp_path / "table.md"
    assert call(f"{DECODE} --schedule 4", "-o", str(out), "--markdown", str(table)) == 0
    records = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    for record in records:
        validate(record)
    assert [record["preset"] for record in records] == ["exact", "elastic"]
    lines = table.read_text().splitlines()
    assert lines[0].startswith("| preset | forwards |")
    assert len(lines) == 4


def test_a_chart_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the chart is an extra, foldctx[plots]")
    from foldctx_pipelines.bench.plots import bar_chart

    path = tmp_path / "chart.png"
    records = [{"preset": "exact", "x": 1.0}, {"preset": "elastic", "x": 2.5}]
    bar_chart(path, records, name="preset", value="x", title="t", unit="x")
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("bench decode --shape 7b", "choose from 30m"),
        ("bench decode --presets exat", "choose from exact"),
        ("bench decode --schedule none", "schedule"),
        ("bench read --strategies fold,mop", "choose from fold"),
        ("bench read --source x.txt", "needs --source and -q"),
        ("bench fidelity --presets elastic(nar=1)", "no option 'nar'"),
    ],
)
def test_wrong_options_are_told(line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(line) != 0
    assert told in capsys.readouterr().err


def test_files_that_cannot_be_written_are_told_before_any_work(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert call("bench decode --markdown /none/table.md") == 1
    assert "there is no folder" in capfd.readouterr().err
