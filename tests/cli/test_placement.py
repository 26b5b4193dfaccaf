"""Types, int8 and device maps from the command line: what runs, what records say, what is refused."""

import json
from pathlib import Path

import orjson
import pytest

from foldctx.records import validate
from tests.cli.conftest import ONES, Call, Run, records

QUESTION = "What is the number of the hall?"


def test_records_and_traces_say_the_type(
    call: Call, model: Path, hall: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace.jsonl"
    given = ["answer", hall, "-q", QUESTION, "-m", model, "--json", "--dtype", "bfloat16"]
    code, out, told = call(*given, "--device", "cpu", "--trace", trace)
    record = orjson.loads(out)
    validate(record)
    assert (code, told, record["answer"]) == (0, "", ONES)
    assert (record["model"]["dtype"], record["model"]["quantize"]) == ("bfloat16", None)
    start = orjson.loads(trace.read_bytes().splitlines()[0])
    assert start["model"]["dtype"] == "bfloat16"
    assert call("trace", "check", trace)[0] == 0
    _, out, _ = call("generate", "Hello", "-m", model, "--gen-length", "8", "--device", "cpu")
    assert orjson.loads(out)["model"]["dtype"] == "float32"


def test_int8_from_end_to_end(run: Run, model: Path, hall: Path, tmp_path: Path) -> None:
    pytest.importorskip("torchao", reason="foldctx[quantize] is not installed")
    trace = tmp_path / "trace.jsonl"
    given = ["answer", hall, "-q", QUESTION, "-m", model, "--device", "cpu"]
    done = run(*given, "--quantize", "int8", "--trace", trace)
    assert (done.returncode, done.stderr) == (0, b"")  # torchao's own news are for its developers
    (record,) = records(done)
    validate(record)
    assert record["answer"] == ONES
    assert (record["model"]["dtype"], record["model"]["quantize"]) == ("float32", "int8")
    assert record["versions"]["torchao"]
    start = orjson.loads(trace.read_bytes().splitlines()[0])
    assert start["model"]["quantize"] == "int8"
    (plain,) = records(run(*given))
    assert plain["model"]["quantize"] is None and "torchao" not in plain["versions"]
    assert plain["canonical_sha256"] != record["canonical_sha256"]


@pytest.mark.parametrize("how", ["file", "room"])
def test_a_device_map_gives_the_same_tokens(
    run: Run, model: Path, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"": "cpu", "blocks.1": "disk", "ff_out": "disk"}))
    spread = ["--device-map", file] if how == "file" else ["--device-map", "auto"]
    spread += [] if how == "file" else ["--max-memory", "cpu=110KB"]
    given = ["generate", "The number of", "-m", model, "--gen-length", "16", "--json"]
    done = run(*given, *spread)
    assert (done.returncode, done.stderr) == (0, b"")
    (split,) = records(done)
    (whole,) = records(run(*given, "--device", "cpu"))
    assert split["tokens"] == whole["tokens"]
    assert split["versions"]["device"] == "cpu+disk" and split["versions"]["accelerate"]
    assert whole["versions"]["device"] == "cpu"


REFUSED = {
    ("--dtype", "float8"): "dtype='float8': choose from auto, float32",
    ("--quantize", "int3"): "quantize='int3': choose from int8",
    ("--max-memory", "cpu=1GiB"): "max_memory has no meaning without device_map",
    ("--offload-folder", "x"): "offload_folder has no meaning without device_map",
    ("--device-map", "auto", "--device", "cpu"): "exclude each other",
    ("--device-map", "auto", "--quantize", "int8"): "exclude each other",
    ("--device-map", "auto", "--max-memory", "8GiB"): "give it as cpu=8GiB,cuda:0=20GiB",
    ("--device-map", "auto", "--max-memory", "disk=8GiB"): "it takes cpu and cuda:N",
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_wrong_options_are_told_before_torch_is_imported(
    quick: Run, model: Path, options: tuple[str, ...]
) -> None:
    done = quick("generate", "Hello", "-m", model, *options)
    assert done.returncode == 2 and done.stdout == b""
    assert REFUSED[options].encode() in done.stderr


def test_a_missing_map_is_told(call: Call, model: Path) -> None:
    code, out, told = call("generate", "Hello", "-m", model, "--device-map", "nowhere.json")
    assert (code, out) == (2, "")
    assert told.startswith("error: device_map='nowhere.json': give auto or a JSON file")


def test_a_batch_depends_on_type_and_quantisation(
    call: Call, model: Path, hall: Path, tmp_path: Path
) -> None:
    given = ["batch", hall, "-q", QUESTION, "-m", model, "--device", "cpu", "-o", tmp_path / "run"]
    assert call(*given)[0] == 0
    manifest = orjson.loads((tmp_path / "run" / "manifest.json").read_bytes())
    (depends,) = [part["model"] for part in manifest.values() if "weights_sha256" in str(part)]
    assert (depends["dtype"], depends["quantize"]) == ("float32", None)
    for option, told in (
        (("--dtype", "bfloat16"), "model.dtype was 'float32' and is 'bfloat16'"),
        (("--quantize", "int8"), "model.quantize was None and is 'int8'"),
    ):
        code, _, error = call(*given, *option)
        assert code == 2 and told in error


def test_ray_workers_have_a_device_each(
    call: Call, model: Path, hall: Path, tmp_path: Path
) -> None:
    given = ["batch", hall, "-q", QUESTION, "-m", model, "-o", tmp_path / "run"]
    code, _, told = call(*given, "--engine", "ray", "--device-map", "auto")
    assert code == 2 and "--device-map spreads one model over this machine" in told
