"""Fidelity: cases that can be right, distributions that are compared, rows that are kept."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from foldctx.decoding import Decoded, Quota, Usage, preset
from foldctx.decoding.presets import DEFAULT_PRESET
from foldctx.errors import OutputError, UsageError
from foldctx.folding.config import Calibration
from foldctx.folding.prompts import Prompts
from foldctx.folding.reading import for_answer
from foldctx.records import validate
from foldctx_pipelines.bench.cases import Case, make_cases
from foldctx_pipelines.bench.divergence import decode_listening
from foldctx_pipelines.bench.fidelity import COMPOSITIONS, SHIPPED, cheapest, compare_presets
from foldctx_pipelines.bench.named import build_decoder, build_decoders, parse_name
from foldctx_pipelines.bench.resume import RunFolder
from foldctx_pipelines.bench.statistics import paired_difference
from tests.bench.toys import tiny

MODEL = tiny()
PROMPTS = Prompts.from_file(MODEL.prompts_source, MODEL.tokenizer)


def said(case: Case, tokens: Sequence[int]) -> Decoded:
    """A result that holds these tokens."""
    eos, length = MODEL.info.eos_id, case.request.gen_length
    return Decoded(
        id=case.id,
        tokens=[*tokens, *[eos] * (length - len(tokens))],
        text_length=len(tokens),
        confidences=[1.0] * length,
        filled_at=[0] * length,
        watched={},
        usage=Usage(),
        folds=(),
        finished="length",
    )


def test_a_reading_case_is_right_for_one_unit_alone() -> None:
    none = PROMPTS.none_ids[0]
    cases = [case for case in make_cases(PROMPTS, 24, length=200) if case.kind == "read"]
    marks = [none, *PROMPTS.markers]
    label = list(PROMPTS.canvas(1).pinned.values())
    right = [
        [mark for mark in marks if case.right(said(case, [*label, mark]))] for case in cases[:6]
    ]
    first = next(iter(PROMPTS.markers))
    for found in right:  # a marker that no unit carries points at nothing
        assert first not in found if none in found else len(found) == 1
    assert 0 < sum(none in found for found in right) < len(right)
    assert all(case.request.prompt_length + case.request.gen_length <= 200 for case in cases)


def test_an_answering_case_is_right_for_its_fact_or_for_none() -> None:
    none = PROMPTS.none_ids[0]
    cases = [case for case in make_cases(PROMPTS, 40, length=200) if case.kind == "answer"]
    unknown = [case for case in cases if case.right(said(case, [none]))]
    assert 0 < len(unknown) < len(cases)
    text = PROMPTS.text_ids(["a long tale"])[0]
    assert not any(case.right(said(case, text)) for case in cases)


def test_cases_are_the_same_for_a_seed_and_others_for_another() -> None:
    def prompts(seed: int) -> list[list[int]]:
        return [c.request.prompt_tokens for c in make_cases(PROMPTS, 6, length=200, seed=seed)]

    assert prompts(1) == prompts(1) != prompts(2)


def test_divergence_is_that_of_a_whole_forward_at_the_same_canvas() -> None:
    cases = make_cases(PROMPTS, 4, length=200)
    requests = [case.request for case in cases]
    whole = build_decoder("exact", block_length=8)
    for _, divergence in decode_listening(MODEL, requests, whole, max_rows=3):
        assert divergence.rows > 0
        assert divergence.total == pytest.approx(0, abs=1e-5)
    dual = build_decoder("exact(cache=dual)", block_length=8)
    together, alone = (
        {
            done.id: divergence
            for done, divergence in decode_listening(MODEL, some, dual, max_rows=n)
        }
        for some, n in ((requests, 3), (requests[1:2], 1))
    )
    assert together["1"].total > 1e-6
    assert alone["1"].total == pytest.approx(together["1"].total, rel=1e-3)


def test_the_interval_has_a_width_even_without_differences() -> None:
    same = paired_difference([True] * 500, [True] * 500)
    assert same.value == 0
    assert same.within(0.01)
    assert same.high == pytest.approx(1.96 / 502, rel=1e-3)
    worse = paired_difference([False] * 10 + [True] * 490, [True] * 500)
    assert worse.value == pytest.approx(-0.02)
    assert not worse.within(0.01)
    assert worse.low < -0.02 < worse.high < 0
    few = paired_difference([True] * 20, [True] * 20)
    assert not few.within(0.01)
    assert math.isclose(few.high, -few.low)


def test_the_cheapest_reader_is_named_among_those_that_are_close() -> None:
    def record(name: str, reads: float, same: float, flops: float, within: bool = True) -> object:
        values = {"preset": name, "read_flops": reads, "agreement": same, "flops": flops}
        return {**values, "within": within}

    records = [
        record("exact", 900, 1.0, 900),
        record("stale", 300, 0.97, 250),
        record("fresh", 302, 0.999, 320),
        record("fresh too", 302, 0.999, 310),
        record("cheap and wrong", 100, 1.0, 100, within=False),
    ]
    assert cheapest(records) == "fresh too"
    assert cheapest(records[:2]) == "stale"
    assert cheapest(records[4:]) is None


def test_a_run_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    decoders = build_decoders(["elastic(near=4)"], block_length=8)
    options = {"length": 200, "compared": 2, "rows": 3}
    whole = list(compare_presets(MODEL, decoders, cases=6, folder=tmp_path, **options))
    records = [event for event in whole if isinstance(event, dict)]
    assert [event for event in whole if isinstance(event, str)].count("exact") == 6
    for record in records:
        validate(record)
        assert record["kl_rows"] > 0
        assert record["cheapest"] is False  # six cases show nothing
    rows = tmp_path / "rows.jsonl"
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(b"".join(lines[:7]) + lines[7][:20])
    again = list(compare_presets(MODEL, decoders, cases=6, folder=tmp_path, **options))
    assert [event for event in again if isinstance(event, dict)] == records
    assert sorted(rows.read_bytes().splitlines()) == sorted(b"".join(lines).splitlines())
    with pytest.raises(UsageError, match="seed=0, now it is 1"):
        list(compare_presets(MODEL, decoders, cases=6, folder=tmp_path, seed=1, **options))


def test_a_folder_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="give another folder"):
        RunFolder(tmp_path / "file", {})


def test_the_default_preset_is_a_row_as_it_is_shipped() -> None:
    decoders = build_decoders(COMPOSITIONS, block_length=8)
    assert len(decoders) == len(COMPOSITIONS) == 20  # as help and README say
    assert replace(decoders[SHIPPED], name=DEFAULT_PRESET) == preset(DEFAULT_PRESET)


def test_named_caches_are_those_of_answers_too() -> None:
    """A row is named by what it runs: a cache in its name is not left out of answers."""
    for name in COMPOSITIONS:
        decoder = build_decoder(name, block_length=8)
        _, options = parse_name(name)
        answering = for_answer(decoder, PROMPTS, Calibration(), PROMPTS.answer_length)
        told = "fresh_answers" in options or "cache" not in options or options["cache"] == "none"
        assert told or answering.cache == decoder.cache


def test_twelve_compositions_and_more_can_be_built() -> None:
    decoders = build_decoders(COMPOSITIONS, block_length=8)
    kinds = {
        tuple(type(seam).__name__ for seam in (d.feed, d.cache, d.commit, d.stop))
        for d in decoders.values()
    }
    assert len(kinds) >= 12
    assert isinstance(decoders["exact"].commit, Quota)
