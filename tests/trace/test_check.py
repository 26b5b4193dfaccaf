import copy
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foldctx.trace import check

COUNTS = ("windows", "skipped", "forwards", "tokens_fed", "fed_max", "position_max")
COUNTS += ("documents", "answers", "errors", "characters")
NO_FOLDS = {"mask": 0, "span": 0, "chunk": 0}
PROVABLE = (*COUNTS, *NO_FOLDS, "passes", "seconds")


def encode(events: list[dict[str, Any]]) -> list[bytes]:
    return [orjson.dumps(event) + b"\n" for event in events]


def messages(lines: list[bytes]) -> str:
    return "\n".join(str(problem) for problem in check(lines).problems)


def of(run: list[dict[str, Any]], name: str, which: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = [event for event in run if event["event"] == name][which]
    return found


@pytest.fixture
def run(whole_run):
    return copy.deepcopy(whole_run)


def test_a_whole_run_is_clean(lines):
    report = check(lines)
    assert report.problems == ()
    assert report.ok and report.complete
    assert report.events == 20
    assert report.read_whole == ("report.pdf",)
    assert report.totals["tokens_fed"] == 322
    assert check(line.decode() for line in lines).ok
    assert check([*lines, b"\n", b"\n"]).ok


@settings(deadline=None, max_examples=60)
@given(total=st.sampled_from(PROVABLE), change=st.integers(-5, 5).filter(bool))
def test_any_changed_total_is_found(whole_run, total, change):
    run = copy.deepcopy(whole_run)
    totals = run[-1]["folds"] if total in run[-1]["folds"] else run[-1]
    totals[total] += change / 100 if total in ("passes", "seconds") else change
    report = check(encode(run))
    assert not report.ok
    assert report.problems[-1].line == len(run)
    assert any(total in problem.message for problem in report.problems)


def test_run_end_without_documents_has_no_passes(run):
    end = run[-1] | dict.fromkeys(COUNTS, 0) | {"seq": 1, "passes": None, "folds": NO_FOLDS}
    run = [run[0], end]
    assert messages(encode(run)) == ""
    run[1]["passes"] = 1.0
    assert "passes=1.0, but the events give None" in messages(encode(run))


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_lost_line_is_found(whole_run, data):
    gone = data.draw(st.integers(0, len(whole_run) - 1))
    assert not check(encode(whole_run[:gone] + whole_run[gone + 1 :])).ok


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_an_interrupted_run_is_told_apart_from_a_damaged_one(whole_run, data):
    text = b"".join(encode(whole_run))
    cut = data.draw(st.integers(1, len(text) - 2))
    report = check(text[:cut].splitlines(keepends=True))
    assert not report.complete
    torn = ["cut off" in problem.message for problem in report.problems]
    assert sum(torn) == (text[cut - 1 : cut] != b"\n" and text[cut : cut + 1] != b"\n")
    assert "no run.end" in report.problems[-1].message
    assert len(report.problems) == 1 + sum(torn)


def test_an_empty_trace_is_said_to_be_empty():
    assert messages([]) == messages([b"\n"]) == "line 0: the trace is empty"


def test_damage_in_the_middle_is_found_in_every_line(run):
    lines = encode(run)
    lines[3] = b"{]\n"
    lines[5] = b"[1]\n"
    lines[7] = b"\n"
    run[8]["threshold"] = "high"
    lines[8] = encode(run[8:9])[0]
    report = check(lines)
    assert [problem.line for problem in report.problems if "JSON object" in problem.message] == [
        4,
        6,
        8,
    ]
    assert "line 9: skip: threshold: 'high' is not of type 'number'" in messages(lines)
    assert "seq" not in messages(lines)  # a damaged line still holds its place


def test_versions_names_and_fields_are_held(run):
    run[2]["v"] = 2
    run[3]["event"] = "crease"
    run[4]["logits"] = [0.5]
    text = messages(encode(run))
    assert "line 3: v=2; this program reads version 1" in text
    assert "line 4: event='crease' is none of run.start" in text
    assert "line 5: window: Additional properties are not allowed ('logits'" in text


def test_order_is_held(run):
    run[4]["seq"] = 9
    run[6]["run"] = "run-2"
    run[8]["t"] = 0.5
    text = messages(encode(run))
    assert "line 5: seq=9; expected 4" in text
    assert "line 6: seq=5; expected 10" in text
    assert "line 7: run='run-2', but the trace is of run 'run-1'" in text
    assert "line 9: t=0.5 is before the line above" in text


def test_a_trace_is_one_run_from_start_to_end(run):
    again = [*run, *run]
    text = messages(encode(again))
    assert "line 21: a second run.start" in text
    assert "line 21: 'run.start' after run.end in line 20" in text
    assert "line 1: the trace begins with 'document'" in messages(encode(run[1:]))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("fed_max", 65, "fed_max=65 exceeds the model's window 64"),
        ("position_max", 64, "position_max=64 lies outside the model's window 64"),
        ("tokens_fed", 50, "fed_max=58 exceeds tokens_fed=50"),
        ("p_none", [0.5], "1 values of p_none for 2 questions"),
        ("questions", [0, 2], "question 2; the document has 2"),
        ("start", None, "start=None and end=110: one is missing"),
        ("start", 110, "characters 110-110 are no part of 0-300"),
        ("end", 301, "characters 0-301 are no part of 0-300"),
    ],
)
def test_a_window_that_cannot_be_is_found(run, field, value, message):
    of(run, "window")[field] = value
    assert f"line 5: window: {message}" in messages(encode(run))


def test_the_layout_and_its_token_counts_agree(run):
    of(run, "window")["tokens"]["chunk"] = 41
    of(run, "window", 1)["layout"][1]["start"] = 3
    text = messages(encode(run))
    assert "line 5: window: tokens.chunk=41, but the layout has 40" in text
    assert "line 8: window: ranges of the layout overlap" in text


@pytest.mark.parametrize("strategy", ["fold", "map"])
def test_every_character_was_read_for_every_question(run, strategy):
    of(run, "run.start")["strategy"] = strategy
    of(run, "window", 1)["questions"] = [0]
    of(run, "window", 1)["p_none"] = of(run, "skip")["p_none"] = [0.95]
    report = check(encode(run))
    assert [str(problem) for problem in report.problems] == [
        f"line 2: report.pdf: not read for question 1 under {strategy}: characters 110-205"
    ]
    assert report.read_whole == ()


def test_rereads_and_answers_do_not_count_as_reading(run):
    of(run, "window", 1)["kind"] = "reread"
    assert "not read for question 0 under fold: characters 110-205" in messages(encode(run))


@pytest.mark.parametrize("strategy", ["retrieve", "truncate"])
def test_other_strategies_promise_nothing_about_coverage(run, strategy):
    of(run, "run.start")["strategy"] = strategy
    of(run, "window", 1)["end"] = 120
    assert messages(encode(run)) == ""


@settings(deadline=None, max_examples=40)
@given(
    cuts=st.lists(st.integers(1, 299), min_size=2, max_size=2, unique=True), hole=st.integers(0, 2)
)
def test_a_hole_of_any_size_in_the_coverage_is_found(whole_run, cuts, hole):
    run = copy.deepcopy(whole_run)
    low, high = sorted(cuts)
    for which, span in enumerate([(0, low), (low, high), (high, 300)]):
        of(run, "window", which).update(start=span[0], end=span[1])
    of(run, "evidence").update(start=0, end=1)
    assert messages(encode(run)) == ""
    holed = of(run, "window", hole)
    holed["end"] -= 1
    if holed["start"] == holed["end"]:
        holed.update(start=None, end=None)
    assert "not read for question 0" in messages(encode(run))


def test_notes_leave_the_memory_only_with_a_reason(run):
    of(run, "memory", 1)["dropped"] = []
    assert "line 11: memory: notes lost without a reason: s2" in messages(encode(run))
    of(run, "memory", 1)["kept"] = ["s1", "s2", "s7"]
    assert "line 11: memory: notes that were not there: s7" in messages(encode(run))


def test_the_memory_hashes_form_a_chain(run):
    of(run, "memory", 1)["hash_before"] = "other"
    assert "hash_before=other; the memory above ended with s1+s2" in messages(encode(run))


def test_a_memory_hash_changes_exactly_with_the_notes(run):
    of(run, "memory", 1)["hash_after"] = of(run, "memory", 1)["hash_before"]
    assert "hash s1+s2 -> s1+s2 with 1 notes added and 1 dropped" in messages(encode(run))


def test_independent_windows_have_no_memory_chain(run):
    of(run, "run.start")["strategy"] = "map"
    of(run, "memory", 1).update(kept=[], dropped=[], hash_before="", hash_after="s9")
    assert messages(encode(run)) == ""


def test_a_fold_shrinks(run):
    of(run, "fold")["after"] = 9
    of(run, "fold", 1)["dropped"] = [[4, 40]]
    text = messages(encode(run))
    assert "line 4: fold: after=9 is more than before=8" in text
    assert "line 6: fold: ranges overlap" in text


def test_a_skip_is_held_against_its_window(run):
    of(run, "skip").update(p_none=[0.8, 1.0])
    of(run, "window", 1)["forwards"] = 2
    text = messages(encode(run))
    assert "skip: p_none=[0.8, 1.0] does not reach the threshold 0.9" in text
    assert "skip: p_none=[0.8, 1.0]; its window has [0.95, 1.0]" in text
    assert "skip: its window took 2 forwards, not 1" in text


def test_windows_and_sources_that_events_name_exist(run):
    of(run, "skip")["window"] = 8
    of(run, "denoise")["source"] = "c.txt"
    text = messages(encode(run))
    assert "skip: window 8 of 'report.pdf' has no window event" in text
    assert "line 3: denoise: source 'c.txt' has no document event above" in text


def test_indexes_and_sources_are_unique(run):
    of(run, "window", 2)["index"] = 0
    of(run, "document", 1)["source"] = "report.pdf"
    text = messages(encode(run))
    assert "line 10: window: index=0 was already used" in text
    assert "line 17: document: source 'report.pdf' was already opened in line 2" in text


def test_each_question_has_one_answer_or_an_error(run):
    of(run, "answer", 1)["question"] = 0
    text = messages(encode(run))
    assert "line 16: answer: question 0 was already answered in line 14" in text
    assert "line 20: report.pdf: question 1 has no answer and no error" in text


def test_an_abstention_has_a_reason(run):
    of(run, "answer", 1)["reason"] = None
    assert "line 16: answer: no text and no reason" in messages(encode(run))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": 301}, "characters 20-301 are no part of 0-300"),
        ({"end": 20}, "characters 20-20 are no part of 0-300"),
        ({"document": "c.txt"}, "document 'c.txt' has no document event above"),
    ],
)
def test_evidence_lies_in_its_document(run, change, message):
    of(run, "evidence").update(change)
    assert f"line 15: evidence: {message}" in messages(encode(run))


def test_evidence_lies_in_what_was_read(run):
    of(run, "run.start")["strategy"] = "retrieve"
    of(run, "evidence").update(start=150, end=160)
    assert messages(encode(run)) == ""
    of(run, "window", 1)["end"] = 155
    assert "characters 150-160 were not read for question 0" in messages(encode(run))


def test_a_cut_document_has_no_single_span_to_hold_evidence_against(run):
    of(run, "run.start")["strategy"] = "truncate"
    for which in range(3):
        of(run, "window", which).update(start=None, end=None)
    assert messages(encode(run)) == ""


def test_steps_commit_a_token_for_each_position(run):
    of(run, "denoise")["tokens"] = [7]
    assert "different lengths: [1, 2]" in messages(encode(run))


def test_plain_generation_needs_no_document(run):
    start = run[0] | {"strategy": None}
    window = of(run, "window", 3) | {"kind": "generate", "seq": 1, "source": "-"}
    end = run[-1] | dict.fromkeys(COUNTS, 0) | {"seq": 2, "passes": None, "folds": NO_FOLDS}
    end |= {"forwards": 2, "tokens_fed": 66, "fed_max": 58, "position_max": 57}
    assert messages(encode([start, window, end])) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 400) | st.floats(0, 2) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_value_of_any_field_breaks_the_check(whole_run, data):
    run = copy.deepcopy(whole_run)
    for _ in range(data.draw(st.integers(1, 4))):
        event = data.draw(st.sampled_from(run))
        event[data.draw(st.sampled_from(sorted(event)))] = data.draw(JSON)
    report = check(encode(run))
    assert report.events == len(run)
