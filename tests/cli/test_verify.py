"""foldctx models verify, as a command."""

from pathlib import Path

import orjson
import pytest

from foldctx.records import validate
from tests.cli.conftest import Call


def test_a_report_is_one_line_and_a_failure_exits_with_1(
    call: Call, model: Path, tmp_path: Path
) -> None:
    """The small model points at the eleventh sentence whatever is asked: no fact is found."""
    trace = tmp_path / "report.json"
    code, out, told = call("models", "verify", model, "-o", trace, "--preset", "parallel")
    assert (code, out, told) == (1, "", "")
    (line,) = trace.read_bytes().splitlines()
    report = orjson.loads(line)
    validate(report)
    statuses = {check["name"]: check["status"] for check in report["checks"]}
    assert statuses["tokenizer"] == statuses["prompt"] == "passed"
    assert statuses["speed"] == "information"
    assert statuses["needle past the window"] == "failed" and report["ok"] is False
    assert report["decoder"]["preset"] == "parallel"


def test_people_read_a_table(call: Call) -> None:
    code, out, _ = call("models", "verify", "embedded", "--text")
    assert code == 0
    assert out.startswith("embedded, window 512 tokens, preset elastic")
    assert "needle past the window" in out and "nothing failed" in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["no-such-model"], "no-such-model"), (["embedded", "--set", "nearr=3"], "nearr")],
)
def test_what_cannot_be_verified_is_a_usage_error(
    call: Call, arguments: list[str], named: str
) -> None:
    code, out, told = call("models", "verify", *arguments)
    assert (code, out) == (2, "") and named in told
