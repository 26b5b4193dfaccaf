import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foldctx.decoding import preset
from foldctx.errors import DocumentError, ModelError, UsageError
from foldctx.folding.config import FoldConfig
from foldctx.folding.happened import Happened
from foldctx.models.tokenizer import Tokenizer
from foldctx.records import validate
from foldctx.trace import TraceWriter, check
from foldctx_pipelines.answer import Opened, Record, answer_jobs
from foldctx_pipelines.jobs import Job
from tests.folding.toys import Toy, filler, make_tokenizer

MakeToy = Callable[..., Toy]
ALPHA, BETA = "The colour of alpha is deep blue.", "The price of beta is 1250 dollars."


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def make_toy(tokenizer: Tokenizer) -> MakeToy:
    def make(**options: Any) -> Toy:
        return Toy(tokenizer, **{"calibration": {"memory_tokens": 48}, **options})

    return make


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """Three documents, a file that is no document and one that is missing."""
    files = {
        "a.txt": f"{filler(12)} {ALPHA} {filler(12, 30)}",
        "b.md": f"# Prices\n\n{BETA}\n\n{filler(20)}\f{filler(4, 60)}",
        "c.txt": "alpha",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 cut off")
    return [str(tmp_path / n) for n in ("a.txt", "bad.pdf", "b.md", "missing.txt", "c.txt")]


def go(
    toy: Toy,
    jobs: list[Job],
    trace: Path | None,
    *,
    preset_name: str = "elastic",
    steps: bool = False,
    **options: Any,
) -> list[Record | Opened | Happened]:
    with TraceWriter(trace, "run") as writer:
        return list(
            answer_jobs(
                jobs,
                toy,  # type: ignore[arg-type]
                config=FoldConfig(**options),
                decoder=preset(preset_name),
                trace=writer,
                steps=steps,
            )
        )


def values(events: list[Record | Opened | Happened]) -> list[dict[str, Any]]:
    return [event.value for event in events if isinstance(event, Record)]


QUESTIONS = ("Which colour has alpha?", "What costs beta?", "Who is gamma?")


@pytest.mark.parametrize("strategy", ["fold", "map", "retrieve", "truncate"])
@pytest.mark.parametrize("kind", ["pointer", "written"])
def test_a_run_over_good_and_bad_sources_adds_up(
    make_toy: MakeToy, sources: list[str], tmp_path: Path, strategy: str, kind: str
) -> None:
    toy, path = make_toy(), tmp_path / "trace.jsonl"
    events = go(
        toy,
        [Job(source, QUESTIONS) for source in sources],
        path,
        strategy=strategy,
        note_kind=kind,
        skip_threshold=0.9,
        steps=True,
    )
    report = check(path.read_bytes().splitlines())
    assert report.problems == [] or report.problems == ()
    assert report.ok and report.complete
    rows = values(events)
    for row in rows:
        validate(row)
    assert len(rows) == len({row["id"] for row in rows}) == 15
    assert [(row["source"], row["question"]) for row in rows] == [
        (source, question) for source in sources for question in QUESTIONS
    ]
    failed = [row["source"] for row in rows if "error" in row]
    assert failed == [sources[1]] * 3 + [sources[3]] * 3
    answers = {(row["source"], row["question"]): row.get("answer") for row in rows}
    if strategy != "truncate":
        assert answers[sources[0], QUESTIONS[0]] == "deep blue"
    assert answers[sources[2], QUESTIONS[1]] == "1250 dollars"
    assert answers[sources[4], QUESTIONS[0]] is None
    opened = {event.source: event.windows for event in events if isinstance(event, Opened)}
    for source, windows in opened.items():
        reads = [
            event
            for event in events
            if isinstance(event, Happened)
            and event.event == "window"
            and event.fields["source"] == source
            and event.fields["kind"] == "read"
        ]
        assert len(reads) == windows
    end = json.loads(path.read_bytes().splitlines()[-1])
    assert end["tokens_fed"] == sum(fed for fed, _ in toy.feeds)
    assert (end["documents"], end["answers"], end["errors"]) == (3, 9, 2)


def test_every_event_is_plain_json(make_toy: MakeToy, sources: list[str]) -> None:
    events = go(
        make_toy(), [Job(sources[0], QUESTIONS)], None, strategy="map", memory_tokens=16, steps=True
    )
    told = [event for event in events if isinstance(event, Happened)]
    assert {"document", "window", "fold", "memory", "denoise", "answer", "evidence"} <= {
        event.event for event in told
    }
    for event in told:
        assert json.loads(json.dumps(event.fields)) == event.fields


def test_a_long_answer_folds_its_own_text_and_the_trace_adds_up(
    make_toy: MakeToy, sources: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "trace.jsonl"
    events = go(make_toy(), [Job(sources[0], QUESTIONS[:1])], path, gen_length=480)
    (row,) = values(events)
    validate(row)
    assert row["answer"] == "deep blue" and row["generated"]["length"] == 480
    report = check(path.read_bytes().splitlines())
    assert report.ok, report.problems
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert sum(line.get("kind") == "span" for line in lines) >= 3
    assert lines[-1]["fed_max"] <= 160 > lines[-1]["position_max"]


@pytest.mark.parametrize("preset_name", ["exact", "parallel"])
def test_other_presets_add_up_too(
    make_toy: MakeToy, sources: list[str], tmp_path: Path, preset_name: str
) -> None:
    path = tmp_path / "trace.jsonl"
    events = go(make_toy(), [Job(sources[0], QUESTIONS)], path, preset_name=preset_name)
    assert check(path.read_bytes().splitlines()).ok
    assert [row["answer"] for row in values(events)] == ["deep blue", None, None]


def test_a_record_states_the_values_in_force(make_toy: MakeToy, sources: list[str]) -> None:
    toy = make_toy(calibration={"memory_tokens": 40, "skip_threshold": 0.93})
    (row,) = values(go(toy, [Job(sources[0], QUESTIONS[:1])], None, window=150))
    assert {k: row["config"][k] for k in ("window", "memory_tokens", "skip_threshold")} == {
        "window": 150,
        "memory_tokens": 40,
        "skip_threshold": 0.93,
    }
    assert row["usage"]["skipped"] > 0 and row["usage"]["fed_max"] <= 150


def test_two_runs_are_equal_whatever_the_rows(make_toy: MakeToy, sources: list[str]) -> None:
    jobs = [Job(sources[0], QUESTIONS)]
    first, second = (values(go(make_toy(), jobs, None, strategy="map", rows=n)) for n in (1, 5))
    hashes = [[row["canonical_sha256"] for row in rows] for rows in (first, second)]
    assert hashes[0] == hashes[1]


def test_a_source_is_opened_once_and_a_question_asked_once(
    make_toy: MakeToy, sources: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "trace.jsonl"
    jobs = [
        Job(sources[4], ("Of alpha?", "Of alpha?")),
        Job(sources[2], ("Of beta?",)),
        Job(sources[4], ("Of beta?", "Of alpha?")),
    ]
    rows = values(go(make_toy(), jobs, path))
    assert [(row["source"], row["question"]) for row in rows] == [
        (sources[4], "Of alpha?"),
        (sources[4], "Of beta?"),
        (sources[2], "Of beta?"),
    ]
    assert check(path.read_bytes().splitlines()).ok


@pytest.mark.parametrize(
    ("options", "questions", "message"),
    [
        ({}, ("Of alpha?", " "), "question 2 is empty"),
        ({}, (), "no question"),
        ({}, (filler(30) + "?",), "a quarter of the window"),
        ({"window": 4096}, ("Of alpha?",), "window=4096"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_the_first_line(
    make_toy: MakeToy,
    sources: list[str],
    tmp_path: Path,
    options: dict[str, Any],
    questions: tuple[str, ...],
    message: str,
) -> None:
    toy, path = make_toy(), tmp_path / "trace.jsonl"
    with pytest.raises(UsageError, match=message):
        go(toy, [Job(sources[0], ("Of beta?",)), Job(sources[2], questions)], path, **options)
    assert toy.calls == 0 and path.read_bytes() == b""


def test_a_window_that_is_too_small_fails_each_source(
    make_toy: MakeToy, sources: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "trace.jsonl"
    rows = values(go(make_toy(), [Job(sources[0], QUESTIONS[:1])], path, window=44))
    assert [row["error"]["type"] for row in rows] == ["WindowError"]
    assert check(path.read_bytes().splitlines()).ok


def test_a_failure_in_the_middle_leaves_the_answers_before_it(
    make_toy: MakeToy, sources: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "trace.jsonl"
    job = Job(sources[0], ("Of alpha?", "On alpha?", "To alpha?"))
    calm = make_toy()
    go(calm, [job], None)
    toy = make_toy(fail_after=calm.calls - 1, error=ModelError("the device is gone"))
    rows = values(go(toy, [job], path))
    assert [row.get("answer") for row in rows] == ["deep blue", "deep blue", None]
    assert rows[2]["error"] == {"type": "ModelError", "message": "the device is gone"}
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["question"] for line in lines if line["event"] == "error"] == [2]
    assert not [p for p in check(path.read_bytes().splitlines()).problems if "question" in str(p)]


@pytest.mark.parametrize("after", [0, 3, 7])
def test_an_interrupted_run_leaves_whole_lines(
    make_toy: MakeToy, sources: list[str], tmp_path: Path, after: int
) -> None:
    path, seen = tmp_path / "trace.jsonl", list[Any]()
    with pytest.raises(KeyboardInterrupt), TraceWriter(path, "run") as writer:
        seen.extend(  # what came before the interruption stays in the list
            answer_jobs(
                [Job(sources[0], QUESTIONS)],
                make_toy(fail_after=after),  # type: ignore[arg-type]
                config=FoldConfig(),
                decoder=preset("elastic"),
                trace=writer,
            )
        )
    data = path.read_bytes()
    assert data.endswith(b"\n")
    lines = [json.loads(line) for line in data.splitlines()]
    told = [event for event in seen if isinstance(event, Happened)]
    assert [line["event"] for line in lines] == ["run.start", *(event.event for event in told)]
    report = check(data.splitlines())
    assert not report.complete


def test_documents_opened_before_are_not_read_again(make_toy: MakeToy, sources: list[str]) -> None:
    gone = DocumentError("a.txt: went away")
    with TraceWriter(None, "run") as writer:
        events = list(
            answer_jobs(
                [Job(sources[0], QUESTIONS[:1])],
                make_toy(),  # type: ignore[arg-type]
                config=FoldConfig(),
                decoder=preset("elastic"),
                trace=writer,
                opened={sources[0]: gone},
            )
        )
    (row,) = values(events)
    assert row["error"]["message"] == "a.txt: went away"
