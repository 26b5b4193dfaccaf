import io

import orjson
import pytest
from rich.console import Console

from foldctx.trace.view import show


def rendered(lines, **options):
    console = Console(file=io.StringIO(), width=160, force_terminal=False, color_system=None)
    show(lines, console, **options)
    return console.file.getvalue()


def test_a_run_is_shown_from_model_to_totals(lines):
    text = rendered(lines)
    for part in (
        "model toy, window 64 tokens",
        "strategy fold, preset elastic, seed 0",
        "2 pages, 300 characters, 100 tokens, sha256 abababababab",
        "warning: page 2 holds no text",
        "question 1: Who lives there?",
        "read, skipped",
        "██░░░░░░ 0.25",
        "████████ 1.00",
        "chunk 40->5 (outside the near window)",
        "folds between windows: span 30->10",
        "memory of question 0 after window 2: 1 kept, added s9, dropped s2 (the memory is full)",
        "A: 900 euros  (confidence 0.75)",
        '"The rent is 900 euros."  page 1, characters 20-42, exact',
        "A: no answer: no note helps",
        "WindowError: too long",
        "2 documents, 600 characters; 2 answers, 1 errors",
        "4 windows read, 1 of them skipped; folds: 1 mask, 1 span, 1 chunk",
        "9 forwards, 322 tokens fed (1.61 passes); at most 58 in one forward, highest position 57",
        "peak memory 1024 MiB",
    ):
        assert part in text
    assert "damaged" not in text
    assert "interrupted" not in text


def test_an_interrupted_and_damaged_trace_is_shown_as_far_as_it_goes(lines):
    text = rendered([*lines[:5], b"{]\n", lines[14][:40]])
    assert "the run was interrupted" in text
    assert "2 damaged line(s)" in text
    assert "report.pdf" in text


def test_nothing_in_a_document_acts_on_the_terminal(written, events):
    for name, fields in events:
        if name == "answer" and fields["text"]:
            fields["text"] = "[bold]9\x1b[2J00[/bold] \x9b31m"
    text = rendered(written(events))
    assert "\x1b" not in text and "\x9b" not in text
    assert "[bold]9·[2J00[/bold] ·31m" in text


def test_long_runs_are_cut_and_many_folds_summed_up(written, events):
    fold = next(event for event in events if event[0] == "fold")
    text = rendered(written([*events[:4], fold, fold, *events[4:]]), windows=2)
    assert "3 mask 24->6 (outside the near window)" in text
    assert "... and 2 more windows" in text


@pytest.mark.parametrize("name", ["source", "revision"])
def test_errors_of_the_run_and_revisions_are_shown(written, events, name):
    start, failure = events[0][1], dict(events[-2][1])
    start["model"]["revision"] = "v2"
    failure["source"], failure["question"] = None, None
    text = rendered(written([events[0], ("error", failure)]))
    assert {"source": "WindowError: too long", "revision": "toy @ v2"}[name] in text


def test_an_unmeasured_p_none_is_a_dash(lines):
    window = orjson.loads(lines[4]) | {"p_none": [None, 0.5]}
    assert "--------" in rendered([lines[0], orjson.dumps(window)])
