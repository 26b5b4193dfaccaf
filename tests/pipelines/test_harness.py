"""foldctx under lm-evaluation-harness: its arguments, its strings, and a run of its own command."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import foldctx
from foldctx.decoding.tasks import TASKS
from foldctx.errors import UsageError, WindowError
from foldctx.models import llada
from foldctx.models.forward import Feed, forward
from foldctx.models.load import Model
from foldctx.models.placement import Placement
from foldctx.models.tokenizer import Tokenizer
from foldctx_pipelines.harness import __main__ as command
from foldctx_pipelines.harness.arguments import Arguments, Wanted
from foldctx_pipelines.harness.texts import Texts
from tests.models.checkpoints import DREAM, LLADA2, SPECIALS, write_checkpoint

CHAT_SPECIALS = (*SPECIALS, "<|start_header_id|>", "<|end_header_id|>")
ROWS = [
    {"question": "The harbour lay", "choices": ["still", "in fog"], "gold": 0},
    {"question": "Who is it? ", "choices": ["Ann", "nobody"], "gold": 1},
    {"question": "One", "choices": ["two", "three"], "gold": 0},
]
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: {kind}
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: gold
{more}
"""
GENERATION = 'generation_kwargs: {until: ["\\n"], do_sample: false, max_gen_toks: 8}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random model that knows turns."""
    path = tmp_path_factory.mktemp("model")
    write_checkpoint(path, specials=CHAT_SPECIALS)
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Model:
    return foldctx.load(folder)


@pytest.fixture(scope="module")
def texts(loaded: Model) -> Texts:
    assert loaded.info.bos_id is not None
    return Texts(loaded.tokenizer, llada.CHAT, loaded.info.bos_id)


# -- strings ----------------------------------------------------------------------------------


def test_a_conversation_has_its_tokens_and_its_messages_have_none(
    texts: Texts, loaded: Model
) -> None:
    eot = loaded.tokenizer.token_id("<|eot_id|>")
    history = [{"role": "user", "content": "Say <|eot_id|> twice "}]
    context = texts.conversation(history, generation=True)
    ids = texts.encode(context)
    assert ids.count(eot) == 1 and ids[0] == loaded.info.bos_id
    expected = llada.CHAT.prompt([("user", "Say <|eot_id|> twice")])
    assert loaded.tokenizer.decode(ids, keep_special=True) == expected
    left_open = [*history, {"role": "assistant", "content": "It is"}]
    assert texts.conversation(left_open, generation=False) == context + "It is"
    prompt, text = texts.pair(context, "It says <|eot_id|>")
    assert [*prompt, *text][: len(ids)] == ids and eot not in text


def test_special_tokens_are_text_outside_of_a_conversation(texts: Texts, loaded: Model) -> None:
    text = "a paper says <|eot_id|> and <|startoftext|>"
    ids = texts.encode(text)
    assert loaded.tokenizer.token_id("<|eot_id|>") not in ids
    assert loaded.tokenizer.decode(ids) == text


def test_conversations_are_for_models_that_know_turns(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    plain = Texts(Tokenizer(tmp_path), llada.CHAT, 3)
    with pytest.raises(UsageError, match="start_header_id.*apply_chat_template"):
        plain.conversation([{"role": "user", "content": "hi"}], generation=True)


def test_white_space_at_the_end_of_a_context_goes_to_the_continuation(
    texts: Texts, loaded: Model
) -> None:
    encode = loaded.tokenizer.encode_text
    prompt, text = texts.pair("Who is it? \n", "Ann")
    assert (list(prompt), list(text)) == (encode("Who is it?"), encode(" \nAnn"))
    prompt, text = texts.pair(" ", "Ann")
    assert (prompt, list(text)) == ((loaded.info.bos_id,), encode(" Ann"))
    assert texts.prompt("") == (loaded.info.bos_id,)


# -- arguments --------------------------------------------------------------------------------


def test_what_is_no_argument_is_an_option_of_the_preset() -> None:
    given = {
        "pretrained": "m",
        "preset": "exact",
        "steps": 8,
        "device": None,
        "batch_size": "auto:4",
    }
    arguments = Arguments.of(given)
    assert (arguments.options, arguments.device, arguments.rows) == ({"steps": 8}, "auto", 8)
    assert Arguments.of({"device": "cuda:0"}).device == "auto"  # the harness says it by itself
    assert Arguments.of({"device": "cpu", "batch_size": 3}).rows == 3
    for bad, told in (
        ({"stepps": 8}, "stepps"),
        ({"preset": "fastest"}, "fastest"),
        ({"gen_length": 0}, "gen_length=0"),
        ({"batch_size": "many"}, "batch_size='many'"),
    ):
        with pytest.raises(UsageError, match=told):
            Arguments.of(bad)


def test_where_the_model_lies_is_an_argument() -> None:
    given = {"pretrained": "m", "dtype": "bfloat16", "quantize": "int8", "device": "cpu"}
    assert Arguments.of(given).placement() == Placement("cpu", "bfloat16", "int8")
    spread = Arguments.of({"device_map": "auto", "device": "cuda:0"})  # the harness's own device
    assert spread.placement() == Placement(device_map="auto") and not spread.options
    with pytest.raises(UsageError, match="quantize='int2'"):
        Arguments.of({"quantize": "int2"}).placement()


def test_guidance_and_temperature_reach_the_preset() -> None:
    arguments = Arguments.of({"preset": "exact", "cfg_scale": 0.5})
    assert arguments.preset_options(0.7) == {"cfg_scale": 0.5, "temperature": 0.7}
    own = Arguments.of({"preset": "exact", "temperature": 0.2})
    assert own.preset_options(0.7) == {"temperature": 0.2}


def test_what_a_task_asks_for() -> None:
    run = Arguments()
    wanted = Wanted.of({"until": ["\n", "", "Q:"], "max_new_tokens": 9, "temperature": 0.5}, run)
    assert wanted == Wanted(9, ("\n", "Q:"), 0.5)
    assert wanted.cut("an answer Q: and\nmore") == "an answer "
    own = Arguments(gen_length=32)
    assert Wanted.of({"until": "x", "temperature": 0.5, "do_sample": False, "top_p": 0.9}, own) == (
        Wanted(32, ("x",), 0.0)
    )
    assert Wanted.of({}, run).gen_length == 256
    for asked, told in (({"beams": 2}, "beams"), ({"do_sample": True, "top_p": 0.9}, "top_p=0.9")):
        with pytest.raises(UsageError, match=told):
            Wanted.of(asked, run)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("gsm8k", "gsm8k"),
        ("gsm8k_cot", "gsm8k"),
        ("mmlu_pro_biology", "mmlu-pro"),
        ("minerva_math500", "math"),
        ("arc_challenge", "arc-c"),
        ("humaneval_instruct", "humaneval"),
        ("mathqa", None),
        ("local", None),
    ],
)
def test_published_settings_go_by_the_task_s_name(name: str, published: str | None) -> None:
    run = Arguments(preset="exact", task="auto")
    wanted = Wanted.of({"max_gen_toks": 20}, run, name)
    assert wanted.published == published
    assert wanted.gen_length == (20 if published is None else TASKS[published].gen_length)
    assert Wanted.of({}, Arguments(), name).published is None


def test_what_the_run_says_wins_over_what_is_published() -> None:
    run = Arguments(preset="exact", task="humaneval", gen_length=64, options={"block_length": 8})
    assert Wanted.of({}, run, "local").gen_length == 64
    options = run.preset_options(0.0, "humaneval")
    assert options == {**TASKS["humaneval"].options, "block_length": 8}
    with pytest.raises(UsageError, match="task 'humaneva'"):
        Arguments(task="humaneva")


# -- the harness itself -----------------------------------------------------------------------


def test_without_the_extra_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.delitem(sys.modules, "lm_eval.__main__", raising=False)
    assert command.main() == 1
    assert capsys.readouterr().err == "error: lm_eval is missing; pip install 'foldctx[lm-eval]'\n"


def harness_model(**given: Any) -> Any:
    """The harness's model; skips where the extra is not installed."""
    pytest.importorskip("lm_eval", reason="needs the extra foldctx[lm-eval]")
    from foldctx_pipelines.harness.model import FoldctxLM

    return FoldctxLM(**given)


def asking(*arguments: Sequence[Any]) -> list[Any]:
    return [SimpleNamespace(args=tuple(row)) for row in arguments]


def test_the_harness_s_command_runs_a_local_task(
    folder: Path, loaded: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name foldctx, through the harness's own command, to its own files."""
    lm = harness_model(pretrained=str(folder), preset="exact", gen_length=6, mc_num=8)
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(map(json.dumps, ROWS)))
    for name, kind, more in (
        ("local_gen", "generate_until", GENERATION),
        ("local_choice", "multiple_choice", "metric_list: [{metric: acc}]"),
    ):
        form = TASK.format(name=name, kind=kind, data=data, more=more)
        (tmp_path / f"{name}.yaml").write_text(form)
    arguments = f"pretrained={folder},preset=exact,gen_length=6,mc_num=8"
    argv = ["lm_eval", "--model", "foldctx", "--model_args", arguments, "--batch_size", "3"]
    argv += ["--tasks", "local_gen,local_choice", "--include_path", str(tmp_path)]
    argv += ["--output_path", str(tmp_path / "out"), "--log_samples"]
    monkeypatch.setattr(sys, "argv", argv)
    assert command.main() == 0

    samples = {path.name.split("_2")[0]: path for path in (tmp_path / "out").rglob("samples_*")}
    generated = _samples(samples["samples_local_gen"])
    for row, sample in zip(ROWS, generated, strict=True):
        options = {"preset_name": "exact", "gen_length": 6}
        text, _ = foldctx.decode(loaded, row["question"], **options)  # type: ignore[arg-type]
        assert sample["resps"] == [[text.split("\n")[0]]]
    chosen = _samples(samples["samples_local_choice"])
    for sample in chosen:
        pairs = [tuple(sample["arguments"][f"gen_args_{i}"].values()) for i in range(2)]
        found = [(float(x), flag == "True") for ((x, flag),) in sample["resps"]]
        assert found == [
            (pytest.approx(x, rel=1e-5), flag) for x, flag in lm.loglikelihood(asking(*pairs))
        ]
        best = max(range(2), key=lambda i: found[i][0])
        assert sample["acc"] == float(best == sample["doc"]["gold"])
    (results,) = (tmp_path / "out").rglob("results_*.json")
    config = json.loads(results.read_text())["config"]
    used = config["foldctx_generation"]["local_gen"]
    assert (used["gen_length"], used["published"], used["decoder"]["preset"]) == (6, None, "exact")
    assert config["foldctx_model"]["weights_sha256"] == loaded.info.weights_sha256


def _samples(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(rows, key=lambda row: row["doc_id"])


def test_results_do_not_depend_on_batches_or_order(folder: Path) -> None:
    kwargs = {"until": ["\n"], "do_sample": True, "temperature": 0.8, "max_gen_toks": 7}
    contexts = ["The harbour lay", "One", "Who is it?", "A longer text than the others"]
    asked = asking(*((text, {**kwargs, "max_gen_toks": 5 + i}) for i, text in enumerate(contexts)))
    pairs = asking(*((text, " still here"[: 6 + i]) for i, text in enumerate(contexts)))
    options = {"pretrained": str(folder), "preset": "exact", "mc_num": 16, "mc_batch": 8}
    one, many = (harness_model(batch_size=size, **options) for size in (1, 8))
    texts = one.generate_until(asked, disable_tqdm=True)
    scores = one.loglikelihood(pairs, disable_tqdm=True)
    assert many.generate_until(asked[::-1], disable_tqdm=True) == texts[::-1]
    back = many.loglikelihood(pairs[::-1], disable_tqdm=True)[::-1]
    assert [x for x, _ in back] == pytest.approx([x for x, _ in scores], rel=1e-5)
    again = one.generate_until([asked[0], asked[0]], disable_tqdm=True)
    assert again[0] == texts[0] != again[1]  # a repeated context is drawn anew


def test_tasks_are_decoded_as_published_side_by_side(folder: Path) -> None:
    lm = harness_model(pretrained=str(folder), preset="exact", task="auto", gen_length=6, steps=3)
    asked = [
        SimpleNamespace(args=("The harbour lay", {}), task_name=name) for name in ("gpqa", "local")
    ]
    assert len(lm.generate_until(asked, disable_tqdm=True)) == 2
    used = lm.get_model_info()["foldctx_generation"]
    assert used["gpqa"]["decoder"]["propose"]["confidence_eos_eot_inf"] is True
    assert used["local"]["decoder"]["propose"]["confidence_eos_eot_inf"] is False
    assert "GPQA" in used["gpqa"]["published"] and used["local"]["published"] is None


def test_dream_is_scored_with_its_own_shift(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, base=DREAM)
    lm = harness_model(pretrained=str(tmp_path), mc_num=4, gen_length=4)
    assert len(lm.generate_until(asking(("The harbour", {})), disable_tqdm=True)) == 1
    ((found, _),) = lm.loglikelihood(asking(("The harbour", "!")), disable_tqdm=True)
    tokens = torch.tensor([*lm.model.tokenizer.encode_text("The harbour"), lm.model.info.mask_id])
    feed = Feed(tokens, torch.arange(len(tokens)), torch.tensor([len(tokens) - 2]))
    (logits,) = forward(lm.model.transformer, [feed])  # the row before predicts the last token
    (wanted,) = lm.model.tokenizer.encode_text("!")
    assert found == pytest.approx(float(logits[0].log_softmax(-1)[wanted]), rel=1e-5)


def test_block_causal_models_generate_and_are_not_scored(tmp_path: Path) -> None:
    specials = ("<|mask|>", "<|endoftext|>", "<|role_end|>")
    write_checkpoint(tmp_path, base=LLADA2, specials=specials, mask_token_id=0, eos_token_id=1)
    lm = harness_model(pretrained=str(tmp_path))
    (text,) = lm.generate_until(asking(("The harbour", {"max_gen_toks": 4})), disable_tqdm=True)
    assert isinstance(text, str)
    assert lm.get_model_info()["foldctx_generation"][""]["decoder"]["preset"] == "block"
    with pytest.raises(UsageError, match="block-causal"):
        lm.loglikelihood(asking(("The harbour", "!")))


def test_what_the_model_cannot_do_is_said_before_it_starts(folder: Path) -> None:
    lm = harness_model(pretrained=str(folder), check_greedy=False, mc_num=4)
    with pytest.raises(UsageError, match="only bounds that of a text"):
        lm.loglikelihood_rolling(asking(("some text",)))
    with pytest.raises(WindowError, match="window of 64"):
        lm.loglikelihood(asking(("short", "text"), ("long " * 20, "text")))
    with pytest.raises(WindowError, match="window"):
        lm.generate_until(asking(("long " * 20, {"max_gen_toks": 8})))
    assert [flag for _, flag in lm.loglikelihood(asking(("short", "text")))] == [False]
