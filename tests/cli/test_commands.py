"""generate, plan, chunk, models and trace on good input."""

from pathlib import Path

import orjson
import pytest

from foldctx.decoding.presets import PRESET_NAMES
from foldctx.errors import UsageError
from foldctx.models import llada
from foldctx.models.tokenizer import Tokenizer
from foldctx.records import validate
from foldctx_pipelines.prompts import check_chat, make_prompt, prompt_segments
from tests.cli.conftest import Call, Run, records


def test_prompts_are_continued_beyond_the_window(run: Run, model: Path, tmp_path: Path) -> None:
    """Records come in the order of the prompts; one that does not fit is an error record."""
    rows = [
        {"prompt": "The number"},
        {"prompt": "long " * 600, "id": 7},
        {"prompt": "A hall", "id": "h"},
    ]
    trace = tmp_path / "trace.jsonl"
    options = ["--prompts", "-", "-m", model, "--gen-length", "700", "--trace", trace]
    done = run(
        "generate", *options, "--trace-level", "steps", stdin=b"\n".join(map(orjson.dumps, rows))
    )
    assert done.returncode == 3, done.stderr
    first, bad, last = records(done)
    for record in (first, bad, last):
        validate(record)
    assert (bad["id"], bad["error"]["type"], last["id"]) == ("7", "WindowError", "h")
    for record in (first, last):
        assert len(record["tokens"]) == len(record["filled_at"]) == 700
        assert record["text"] == "1" * 700
        assert record["usage"]["position_max"] < 512
    assert b"error: " in done.stderr
    events = [orjson.loads(line) for line in trace.read_bytes().splitlines()]
    assert any(event["event"] == "fold" and event["kind"] == "span" for event in events)
    steps = [e for e in events if e["event"] == "denoise" and e["source"] == "h"]
    assert sum(len(step["tokens"]) for step in steps) == 700
    checked = run("trace", "check", trace)
    assert checked.returncode == 0, checked.stdout
    shown = run("trace", "show", "-", stdin=trace.read_bytes())
    assert b"plain generation" in shown.stdout and b"span" in shown.stdout


def test_generate_from_standard_input_as_text(run: Run, model: Path) -> None:
    options = ["-m", model, "--text", "--gen-length", "5", "--preset", "exact", "--set", "steps=5"]
    done = run("generate", "-", *options, "--block-length", "5", stdin=b"The number of the hall")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"11111\n", b"")


def test_a_task_sets_lengths_and_end_tokens(run: Run, model: Path) -> None:
    done = run("generate", "The hall", "-m", model, "--task", "gsm8k-1.5", "--preset", "exact")
    (record,) = records(done)
    assert len(record["tokens"]) == 256
    decoder = record["config"]["decoder"]
    assert decoder["block_length"] == 16 and decoder["propose"]["confidence_eos_eot_inf"]
    own = ("--gen-length", "6", "--block-length", "3", "--set", "confidence_eos_eot_inf=false")
    done = run("generate", "The hall", "-m", model, "--task", "gsm8k-1.5", *own)
    (record,) = records(done)
    decoder = record["config"]["decoder"]
    assert (len(record["tokens"]), decoder["block_length"]) == (6, 3)
    assert not decoder["propose"]["confidence_eos_eot_inf"]
    done = run("generate", "The hall", "-m", model, "--task", "chess")
    assert done.returncode == 2 and b"task 'chess': choose from mmlu" in done.stderr


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_every_preset_generates_or_says_why_not(call: Call, model: Path, name: str) -> None:
    options = ("--preset", name, "--gen-length", "24", "--block-length", "8")
    code, out, err = call("generate", "The number of the hall", "-m", model, *options)
    if name.startswith("block"):
        assert code == 2 and "only a block-causal model" in err
        return
    record = orjson.loads(out)
    validate(record)
    assert (code, record["preset"], len(record["tokens"])) == (0, name, 24)


def test_members_are_named_on_the_command_line(call: Call, model: Path) -> None:
    options = ("--gen-length", "8", "--set", "cache=none", "--set", "commit=factor")
    code, out, err = call("generate", "The hall", "-m", model, *options, "--set", "stride=none")
    assert code == 0, err
    decoder = orjson.loads(out)["config"]["decoder"]
    assert decoder["cache"] == {"kind": "NoCache"}
    assert decoder["commit"] == {"kind": "Factor", "factor": 1.0, "compat": False}
    code, _, err = call("generate", "x", "-m", model, "--set", "cache=lru")
    assert code == 2 and "cache='lru': choose from none, prefix, dual" in err


def test_chat_is_for_models_that_know_turns(model: Path) -> None:
    tokenizer = Tokenizer(model / "tokenizer.json")
    assert check_chat(tokenizer, llada.CHAT, None) is False
    with pytest.raises(UsageError, match="start_header_id"):
        check_chat(tokenizer, llada.CHAT, True)


def test_special_tokens_in_a_prompt_stay_text(model: Path) -> None:
    tokenizer = Tokenizer(model / "tokenizer.json")
    prompt = make_prompt("Say <|eot_id|> twice", "test")
    (raw,) = prompt_segments(prompt, tokenizer)
    before, text, after = prompt_segments(prompt, tokenizer, llada.CHAT)
    eot = tokenizer.token_id("<|eot_id|>")
    assert raw == text and eot not in text.tokens
    assert eot in after.tokens and tokenizer.token_id("<|startoftext|>") == before.tokens[0]


def test_plan_and_its_prompt(run: Run, model: Path, hall: Path) -> None:
    done = run("plan", hall, "-q", "Which hall?", "-m", model)
    (plan,) = records(done)
    assert done.returncode == 0
    assert plan["source"] == str(hall) and plan["pages"] == 2 and plan["window"] == 512
    assert plan["fed_max"] <= 512
    shown = run("plan", hall, "-q", "Which hall?", "-m", model, "--prompts", "--text").stdout
    assert b"Which hall?<|memory|><|text|>" in shown and b"The number of the hall" in shown


def test_chunks_are_exact(quick: Run, model: Path, hall: Path, note: Path) -> None:
    text = hall.read_text()
    done = quick("chunk", hall, note, hall, "--tokens", "80", "--no-overlap", "-m", model)
    chunks = [record for record in records(done) if record["source"] == str(hall)]
    for number, chunk in enumerate(chunks):
        validate(chunk)
        assert chunk["index"] == number and chunk["tokens"] <= 80
        assert text[chunk["start"] : chunk["end"]] == chunk["text"]
    assert "".join(chunk["text"] for chunk in chunks) == text
    assert {page["page"] for page in chunks[-1]["pages"]} == {2}


def test_models_and_presets_are_listed(call: Call) -> None:
    listed = [orjson.loads(line) for line in call("models", "list")[1].splitlines()]
    assert {"embedded", "GSAI-ML/LLaDA-8B-Instruct"} <= {row.get("model") for row in listed}
    assert {"exact", "elastic"} <= {row.get("preset") for row in listed}
    assert "4096" in call("models", "list", "--text")[1]


@pytest.mark.parametrize("name", ["llada", "GSAI-ML/LLaDA-1.5"])
def test_a_published_model_is_shown_without_a_download(call: Call, name: str) -> None:
    shown = orjson.loads(call("models", "show", name)[1])
    assert shown["mask_id"] == 126336 and shown["window"] == 4096
    assert shown["presets"]["elastic"]["threshold"] == 0.9


def test_a_folder_is_shown_as_it_is(call: Call, model: Path) -> None:
    code, out, _ = call("models", "show", model)
    shown = orjson.loads(out)
    assert (code, shown["window"], shown["family"]) == (0, 512, "llada")
    assert shown["template"] == str(model / "ones.toml")
    assert "window: 512" in call("models", "show", model, "--text")[1]


def test_check_lists_every_problem(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'{"v":1}\nnot json\n{"v":2,"event":"x"')
    code, out, _ = call("trace", "check", path)
    report = orjson.loads(out)
    assert (code, report["ok"], report["complete"]) == (1, False, False)
    assert {problem["line"] for problem in report["problems"]} == {1, 2, 3}
    code, out, _ = call("trace", "check", path, "--text")
    assert code == 1 and out.count("\n") == len(report["problems"])
