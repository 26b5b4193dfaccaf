import math
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldctx.errors import TraceError
from foldctx.evidence import Evidence
from foldctx.records import (
    ModelStamp,
    Outcome,
    RunStamp,
    UsageStamp,
    answer_record,
    canonical_hash,
    chunk_record,
    dumps,
    error_record,
    record_id,
    validate,
)
from foldctx.schemas import NAMES, load

RUN = RunStamp(
    strategy="fold",
    preset="elastic",
    model=ModelStamp("toy", None, "ab" * 32),
    config={"threshold": 0.9, "stride": None},
    seed=0,
    versions={"foldctx": "0.1.0", "torch": "2.9", "device": "cpu"},
)
USAGE = UsageStamp(
    document_tokens=100,
    windows=3,
    skipped=1,
    forwards=9,
    tokens_fed=150,
    fed_max=58,
    position_max=57,
    seconds=1.5,
    peak_memory=2**30,
)
FOUND = Evidence("The rent is 900 euros.", "a.pdf", 1, 20, 42, "exact", "contains")
OUTCOME = Outcome("900 euros", None, 0.75, (FOUND,))


def built(outcome=OUTCOME, run=RUN, usage=USAGE, **names):
    names = {"id": "q1", "source": "a.pdf", "question": "What is the rent?"} | names
    return answer_record(run, outcome, usage, **names)


def test_the_answer_record_has_the_published_fields_in_order():
    record = built()
    assert list(record) == [
        "schema",
        "id",
        "source",
        "question",
        "answer",
        "reason",
        "confidence",
        "evidence",
        "strategy",
        "preset",
        "model",
        "config",
        "seed",
        "usage",
        "versions",
        "canonical_sha256",
    ]
    assert list(record["model"]) == [
        "name",
        "revision",
        "weights_sha256",
        "rope_scale",
        "dtype",
        "quantize",
    ]
    assert ",".join(record["usage"]) == (
        "document_tokens,windows,skipped,forwards,tokens_fed,passes,fed_max,position_max,"
        "seconds,peak_memory"
    )
    assert record["usage"]["passes"] == 1.5
    published = list(load("answer")["$defs"]["answer"]["properties"])
    assert list(record) == [name for name in published if name != "generated"]
    validate(record)


def test_every_generated_token_is_in_the_record_of_a_given_length():
    record = built(outcome=replace(OUTCOME, generated=(5, 6, 1, 1)))
    assert record["generated"] == {"length": 4, "tokens": [5, 6, 1, 1]}
    assert list(record) == list(load("answer")["$defs"]["answer"]["properties"])
    assert record["canonical_sha256"] != built()["canonical_sha256"]
    validate(record)


def test_an_error_is_a_record_too():
    record = error_record(TraceError("line 3: seq"), id="q1", source="a.pdf")
    assert record == {
        "schema": "foldctx.error/1",
        "id": "q1",
        "source": "a.pdf",
        "question": None,
        "error": {"type": "TraceError", "message": "line 3: seq"},
    }
    validate(record)
    validate(error_record(MemoryError(), id="q1", source="a.pdf", question="?"))


def test_a_chunk_is_a_record_too():
    record = chunk_record("a.pdf", 0, (3, 9), "a text", pages=[(1, 3, 7), (2, 7, 9)], tokens=2)
    assert record["pages"][1] == {"page": 2, "start": 7, "end": 9}
    validate(record)
    with pytest.raises(TraceError, match="tokens: -1 is less than"):
        validate(record | {"tokens": -1})


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_are_schemas(name):
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(load(name))
    if name == "answer":
        for record in (built(), error_record(OSError("gone"), id="q", source="a")):
            Draft202012Validator(load(name)).validate(record)


def test_an_unknown_schema_is_refused():
    with pytest.raises(TraceError, match="no schema 'note'; there are: answer, trace, chunk"):
        load("note")
    with pytest.raises(TraceError, match=r"schema='foldctx\.answer/2' is none of"):
        validate(built() | {"schema": "foldctx.answer/2"})


def test_the_canonical_hash_is_this_one():
    # Fixed: a changed form needs a new schema version, for old hashes would no longer compare.
    assert built()["canonical_sha256"] == canonical_hash(built())
    small = {"b": [1, 0.5], "a": "é", "confidence": 0.12349}
    text = '{"a":"é","b":[1,0.5],"confidence":0.123}'
    import hashlib

    assert canonical_hash(small) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        built(usage=replace(USAGE, seconds=99.0, peak_memory=None)),
        built(run=replace(RUN, versions={"foldctx": "0.1.0", "device": "cuda"})),
        built(outcome=replace(OUTCOME, confidence=0.7500004)),
        built(run=replace(RUN, config={"stride": None, "threshold": 0.9})),
    ],
)
def test_equal_runs_have_equal_hashes(other):
    assert other["canonical_sha256"] == built()["canonical_sha256"]


@pytest.mark.parametrize(
    "other",
    [
        built(outcome=replace(OUTCOME, answer="901 euros")),
        built(outcome=replace(OUTCOME, confidence=0.752)),
        built(outcome=replace(OUTCOME, evidence=())),
        built(outcome=replace(OUTCOME, evidence=(replace(FOUND, start=19),))),
        built(usage=replace(USAGE, forwards=10)),
        built(run=replace(RUN, seed=1)),
        built(run=replace(RUN, config={"threshold": 0.8, "stride": None})),
        built(run=replace(RUN, versions={"foldctx": "0.2.0"})),
        built(question="Who lives there?"),
        built(id="q2"),
    ],
)
def test_unequal_runs_have_unequal_hashes(other):
    assert other["canonical_sha256"] != built()["canonical_sha256"]


def test_a_record_survives_the_way_to_disk():
    line = dumps(built())
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    validate(orjson.loads(line))


def test_a_changed_record_is_found_out():
    record = built() | {"answer": "901 euros"}
    with pytest.raises(TraceError, match="record q1: canonical_sha256 is"):
        validate(record)


def test_validation_lists_everything_that_is_wrong():
    record = built() | {"confidence": 1.5, "evidence": [FOUND.to_dict() | {"page": 0}], "extra": 1}
    with pytest.raises(TraceError) as caught:
        validate(record)
    for part in ("confidence: 1.5", "evidence.0.page: 0", "'extra' was unexpected"):
        assert part in str(caught.value)


def test_an_abstention_has_a_reason():
    record = built(outcome=Outcome(None, "no note helps"))
    assert record["answer"] is None
    validate(record)
    record["reason"] = None
    with pytest.raises(TraceError, match="reason: None is not of type 'string'"):
        validate(record)
    with pytest.raises(ValueError, match="needs a reason"):
        Outcome(None)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_a_confidence_is_a_probability(value):
    with pytest.raises(ValueError, match=f"confidence={value}"):
        Outcome("x", confidence=value)


@pytest.mark.parametrize("change", [{"forwards": -1}, {"seconds": math.nan}, {"skipped": 4}])
def test_usage_refuses_counts_that_cannot_be(change):
    with pytest.raises(ValueError, match=r"usage\.\w+="):
        replace(USAGE, **change)


def test_an_empty_document_has_no_passes():
    record = built(usage=replace(USAGE, document_tokens=0))
    assert record["usage"]["passes"] is None
    validate(record)


def test_undecodable_names_do_not_stop_a_record():
    name = b"caf\xe9.pdf".decode("utf-8", "surrogateescape")
    record = built(source=name)
    assert orjson.loads(dumps(record))["source"] == "caf\ufffd.pdf"
    validate(orjson.loads(dumps(record)))
    with pytest.raises(TypeError, match="not JSON serializable"):
        dumps({"source": object()})


@given(st.text(max_size=10), st.text(max_size=10), st.text(max_size=10), st.text(max_size=10))
def test_ids_tell_sources_and_questions_apart(source, question, other, another):
    same = (source, question) == (other, another)
    if "\0" not in source + other:
        assert (record_id(source, question) == record_id(other, another)) is same
    assert record_id(source, question) == record_id(source, question)


def test_the_id_is_stable():
    assert record_id("ab" * 32, "What is the rent?") == "f52e4f78686b53c85a3efb79"
    assert len(record_id("\ud800", "\udfff")) == 24


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(config=st.dictionaries(st.text(), JSON, max_size=4))
def test_the_hash_is_the_same_after_any_configuration_was_read_back(config):
    record = built(run=replace(RUN, config=config))
    assert canonical_hash(orjson.loads(dumps(record))) == record["canonical_sha256"]
