import io
from pathlib import Path

import orjson
import pytest

from foldctx.errors import OutputError, TraceError
from foldctx.schemas import load
from foldctx.trace import TraceWriter
from foldctx.trace.events import EVENTS, FIELDS, HEADER

FAILURE = {"source": None, "question": None, "type": "WindowError", "message": "too long"}


def test_every_line_has_the_header_and_a_rising_seq(lines):
    events = [orjson.loads(line) for line in lines]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert all(list(event)[:5] == list(HEADER) for event in events)
    assert {event["run"] for event in events} == {"run-1"}
    assert events[2]["t"] == 1.5  # the clock ticks by 0.5; its first tick made the writer
    assert events[-1]["seconds"] == events[-1]["t"]


def test_lines_are_whole_after_every_event(tmp_path, events):
    path = tmp_path / "trace.jsonl"
    with TraceWriter(path, "r") as trace:
        for count, (name, fields) in enumerate(events, start=1):
            trace.emit(name, **fields)
            text = path.read_bytes()
            assert text.endswith(b"\n")
            assert len(text.splitlines()) == count


def test_an_exception_leaves_the_lines_before_it(tmp_path):
    path = tmp_path / "trace.jsonl"
    with pytest.raises(KeyboardInterrupt), TraceWriter(path, "r") as trace:
        trace.emit("error", **FAILURE)
        raise KeyboardInterrupt
    assert orjson.loads(path.read_bytes())["event"] == "error"


@pytest.mark.parametrize("name", ["missing/trace.jsonl", "."])
def test_a_path_that_cannot_be_written_is_named(tmp_path, name):
    path = tmp_path / name
    with (
        pytest.raises(OutputError, match="cannot write the trace") as caught,
        TraceWriter(path, "r"),
    ):
        pass
    assert str(path) in str(caught.value)


class Full(io.BytesIO):
    name = "/dev/full"

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_an_output_error():
    trace = TraceWriter(Full(), "r")
    with pytest.raises(OutputError, match="/dev/full: No space left on device"):
        trace.emit("error", **FAILURE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_is_reported_once():
    with (
        pytest.raises(OutputError, match="No space left"),
        TraceWriter("/dev/full", "r") as trace,
    ):
        trace.emit("error", **FAILURE)


def test_without_a_target_nothing_is_written_but_fields_are_held():
    trace = TraceWriter(None, "r")
    trace.emit("error", **FAILURE)
    with pytest.raises(TraceError, match="lacks message"):
        trace.emit("error", source=None, question=None, type="WindowError")


def test_a_stream_stays_open():
    stream = io.BytesIO()
    with TraceWriter(stream, "r") as trace:
        trace.emit("error", **FAILURE)
    assert not stream.closed


def test_unknown_events_and_fields_are_refused(events):
    trace = TraceWriter(None, "r")
    with pytest.raises(TraceError, match="no event 'widnow'; there are: run.start"):
        trace.emit("widnow")
    with pytest.raises(TraceError, match="has no field logits"):
        trace.emit("error", logits=[1.0], **FAILURE)
    for name, fields in events:
        trace.emit(name, **fields)
    with pytest.raises(TraceError, match="after run.end"):
        trace.emit("error", **FAILURE)


def test_a_path_needs_its_with_block(tmp_path):
    with pytest.raises(TraceError, match="not open"):
        TraceWriter(tmp_path / "t.jsonl", "r").emit("error", **FAILURE)
    with pytest.raises(TraceError, match="run_id"):
        TraceWriter(None, "")


def test_the_schema_and_the_writer_know_the_same_fields():
    definitions = load("trace")["$defs"]
    assert {f"#/$defs/{name}" for name in EVENTS} == {one["$ref"] for one in load("trace")["oneOf"]}
    for name, fields in FIELDS.items():
        added = {"seconds"} if name == "run.end" else set()
        assert set(definitions[name]["properties"]) == fields | set(HEADER) | added
        assert set(definitions[name]["required"]) == set(definitions[name]["properties"])


def test_each_written_line_is_valid_under_the_whole_schema(lines):
    from jsonschema import Draft202012Validator

    schema = load("trace")
    Draft202012Validator.check_schema(schema)
    for line in lines:
        Draft202012Validator(schema).validate(orjson.loads(line))
