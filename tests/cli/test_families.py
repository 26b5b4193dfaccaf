"""Dream and LLaDA2 checkpoints on the command line: what is known of them, text and answers."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.conftest import Run, records
from tests.models.checkpoints import DREAM, LLADA2, write_checkpoint

SPECIALS = (
    *("<|mask|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<role>", "</role>", "<|role_end|>"),
)
BASES: dict[str, Any] = {"dream": DREAM, "llada2": LLADA2}
IDS = {"mask_token_id": None, "eos_token_id": None, "max_position_embeddings": 1280}


@pytest.fixture(scope="module", params=BASES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families") / str(request.param)
    write_checkpoint(folder, base=BASES[request.param], specials=SPECIALS, **IDS)
    return folder


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("documents") / "hall.txt"
    path.write_text("The hall is open on Monday. The number of the hall is 12. " * 20)
    return path


def test_models_show(run: Run, checkpoint: Path) -> None:
    (shown,) = records(run("models", "show", checkpoint))
    assert shown["family"] == checkpoint.name
    assert Path(shown["template"]).name == f"{checkpoint.name}.toml"
    expected = {"dream": (True, None, "elastic"), "llada2": (False, 32, "block")}
    found = shown["logit_shift"], shown["block_grid"], shown["preset"]
    assert found == expected[checkpoint.name]


def test_models_list_and_a_family(run: Run) -> None:
    listed = {record.get("model"): record for record in records(run("models", "list"))}
    assert listed["Dream-org/Dream-v0-Instruct-7B"]["window"] == 2048
    assert listed["inclusionAI/LLaDA2.0-mini"] == {
        "model": "inclusionAI/LLaDA2.0-mini",
        "family": "llada2",
        "window": 32768,
    }
    (family,) = records(run("models", "show", "llada2"))
    assert (family["mask_id"], family["eos_id"], family["block_grid"]) == (156_895, 156_892, 32)
    (dream,) = records(run("models", "show", "Dream-org/Dream-v0-Base-7B"))
    assert (dream["mask_id"], dream["eot_id"], dream["logit_shift"]) == (151_666, 151_645, True)


def test_text_by_the_familys_own_sampler(run: Run, checkpoint: Path) -> None:
    """Dream by its preset, LLaDA2 by the one it has for default; the prompt is a turn of its chat."""
    options = ["--preset", "dream", "--set", "top_p=0.9"] if checkpoint.name == "dream" else []
    done = run("generate", "Hello there", "-m", checkpoint, "--gen-length", "40", *options)
    (record,) = records(done)
    assert record["preset"] == ("dream" if options else "block")
    assert len(record["tokens"]) == 40 and 0 not in record["tokens"]
    turns = {"dream": "<|im_start|>system", "llada2": "<role>SYSTEM</role>"}
    assert record["usage"]["prompt_tokens"] > len(turns[checkpoint.name])
    assert record["config"]["prompt_form"] == "chat"
    again = records(
        run("generate", "Hello there", "-m", checkpoint, "--gen-length", "40", *options)
    )
    assert again[0]["canonical_sha256"] == record["canonical_sha256"]


def test_a_document_is_read_and_planned(run: Run, checkpoint: Path, hall: Path) -> None:
    (plan,) = records(run("plan", hall, "-q", "Which hall?", "-m", checkpoint))
    done = run("answer", hall, "-q", "Which hall?", "-m", checkpoint)
    (answer,) = records(done)
    assert done.returncode == 0, done.stderr
    assert answer["usage"]["windows"] == plan["windows"] > 1
    assert answer["usage"]["fed_max"] <= 1280 and answer["usage"]["position_max"] < 1280
    assert plan["passes_low"] <= answer["usage"]["passes"] <= plan["passes_high"]
    assert answer["config"]["template"] == f"{checkpoint.name}.toml"


def test_a_full_sequence_preset_is_no_good_for_block_causal_models(
    run: Run, checkpoint: Path
) -> None:
    done = run("generate", "Hello", "-m", checkpoint, "--preset", "exact", "--gen-length", "64")
    if checkpoint.name == "dream":
        assert done.returncode == 0
    else:
        assert done.returncode == 2
        assert b"use the preset 'block'" in done.stderr


def test_the_rotary_scale_is_recorded(run: Run, tmp_path: Path, hall: Path) -> None:
    """In every record and in the trace's first event, with the window it raised."""
    write_checkpoint(tmp_path, max_sequence_length=640, rope_theta=1000.0)
    trace = tmp_path / "trace.jsonl"
    options = ["-m", tmp_path, "--rope-scale-to", "1500"]
    (text,) = records(run("generate", "Hello", *options, "--gen-length", "8", "--trace", trace))
    (shown,) = records(run("models", "show", tmp_path, "--rope-scale-to", "1500"))
    assert shown["window"] == 1500 and shown["rope_scale"] > 1
    assert text["model"]["rope_scale"] == shown["rope_scale"]
    start = orjson.loads(trace.read_bytes().splitlines()[0])
    assert (start["model"]["window"], start["model"]["rope_scale"]) == (1500, shown["rope_scale"])
    assert run("trace", "check", trace).returncode == 0
    (answer,) = records(run("answer", hall, "-q", "Which hall?", *options))
    assert answer["model"]["rope_scale"] == shown["rope_scale"]
    assert answer["config"]["window"] == 1500 and answer["usage"]["fed_max"] > 640
    refused = run("models", "show", tmp_path, "--rope-scale-to", "100")
    assert refused.returncode == 2 and b"the model takes 640 tokens" in refused.stderr
