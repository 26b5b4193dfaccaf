"""Reading by a script: passes as planned, windows skipped as scripted."""

from dataclasses import replace

import pytest

from foldctx.errors import UsageError
from foldctx.folding.config import FoldConfig, Strategy
from foldctx.folding.prompts import Prompts
from foldctx.records import validate
from foldctx_pipelines.bench.named import build_decoder
from foldctx_pipelines.bench.outcomes import KEY, make_document
from foldctx_pipelines.bench.reading import Script, bench_read, scripted_reading, stretched
from tests.bench.toys import tiny

MODEL = tiny(1024)
CONFIG = FoldConfig(memory_tokens=128)
DECODER = build_decoder("elastic", block_length=32)
STRATEGIES: tuple[Strategy, ...] = ("fold", "map", "truncate", "retrieve")


def test_passes_are_as_planned_and_windows_without_a_note_cost_one_forward() -> None:
    reading = scripted_reading(MODEL, Script(16_000, 0.2), DECODER, CONFIG)
    assert reading.relevant_share == pytest.approx(0.2, abs=0.06)
    found = list(bench_read(MODEL, reading, STRATEGIES, DECODER, CONFIG))
    fold, _, truncate, retrieve = found
    helping = round(reading.relevant_share * fold["windows"])
    for record in found:
        validate(record)
    assert [record["answered"] for record in found if record["strategy"] != "truncate"] == [1] * 3
    assert fold["skipped"] == fold["windows"] - helping
    assert fold["forwards"] == fold["windows"] + helping + 5
    assert fold["passes"] == pytest.approx(fold["planned_passes"], rel=0.05)
    assert truncate["windows"] == 1
    assert retrieve["windows"] == 4
    assert retrieve["skipped"] <= 4 - min(helping, 4)  # the key's windows rank first


def test_a_made_document_is_as_long_as_asked_with_notes_as_far_apart() -> None:
    prompts = Prompts.from_file(MODEL.prompts_source, MODEL.tokenizer)
    document = make_document(prompts, 5000, spacing=1000, note=64)
    (ids,) = prompts.text_ids([document.text])
    assert len(ids) == pytest.approx(5000, rel=0.03)
    assert document.text.count(KEY) == 5
    first = document.text[document.text.index(KEY) :].split(". ")[0]
    assert len(prompts.text_ids([first])[0]) == pytest.approx(64, abs=3)


def test_a_document_is_stretched_and_cut() -> None:
    prompts = Prompts.from_file(MODEL.prompts_source, MODEL.tokenizer)
    document = make_document(prompts, 500, spacing=200, note=20)
    for tokens in (100, 1200):
        other = stretched(document, tokens, MODEL.tokenizer)
        assert len(MODEL.tokenizer.encode_text(other.text)) == pytest.approx(tokens, rel=0.1)
        assert replace(other, text=document.text, pages=document.pages) == document


def test_scripts_that_make_no_sense_are_refused() -> None:
    for wrong in ({"tokens": 0}, {"relevant": 0.0}, {"relevant": 1.5}, {"note": 2}):
        with pytest.raises(UsageError):
            Script(**wrong)  # type: ignore[arg-type]
