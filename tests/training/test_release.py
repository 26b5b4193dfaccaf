"""A run becomes a folder that loads, with thresholds and a card; never a half-made one."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from foldctx.errors import UsageError
from foldctx.models import load_model
from foldctx.models.architecture import Dims, Transformer
from foldctx.models.forward import Feed, forward
from foldctx_pipelines.training import __main__ as command
from foldctx_pipelines.training import release as releasing
from foldctx_pipelines.training.calibrate import calibrate
from foldctx_pipelines.training.card import Recipe, read_effort
from foldctx_pipelines.training.curriculum import Plan, Stage
from foldctx_pipelines.training.release import release
from foldctx_pipelines.training.train import Trainer

PLAN = Plan((Stage(30, 192, 2, 2, answer_rows=2), Stage(10, 320, 3, 2, answer_rows=1)))
RECIPE = Recipe("python -m foldctx_pipelines.training --seed 0", ("prose.txt",))
FILES = [
    "README.md",
    "config.json",
    "foldctx.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
]


def sizes(ground) -> Dims:
    return Dims(16, 2, 2, 2, 24, ground.world.tokenizer.vocab_size, tied=True)


@pytest.fixture
def run(ground, tmp_path: Path) -> Path:
    """A run folder that stands at step 35 of 40."""
    torch.manual_seed(0)
    folder = tmp_path / "run"
    trainer = Trainer(Transformer(sizes(ground)), ground.world, PLAN, folder)
    trainer.step = 35
    trainer.save()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).write_bytes((ground.run / name).read_bytes())
    rows = [(10, 3600.0), (20, 1.0), (10, 36.0), (30, 72.0), (40, 9.0)]
    log = "".join(json.dumps({"step": k, "seconds": s}) + "\n" for k, s in rows)
    (folder / "log.jsonl").write_text(log, "utf-8")
    return folder


def state_model(ground, run: Path) -> Transformer:
    trainer = Trainer(Transformer(sizes(ground)), ground.world, PLAN, run)
    assert trainer.resume()
    return trainer.model


def test_an_export_gives_the_logits_of_the_state_at_16_bits(ground, run: Path) -> None:
    out = run / "export"
    figures = release(
        run, out, sizes(ground), ground.held_out, recipe=RECIPE, cases=6, cost_tokens=800
    )
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert [path.name for path in run.iterdir() if path.name.startswith("export")] == ["export"]
    assert (out / "model.safetensors").stat().st_mode & 0o444 == 0o444
    expected = state_model(ground, run)
    with torch.no_grad():
        for weight in expected.parameters():
            weight.copy_(weight.half().float())
    model = load_model(out, device="cpu")
    ids = torch.arange(60, 100)
    feed = Feed(ids, torch.arange(40), torch.arange(40))
    assert torch.equal(model.predict([feed])[0], forward(expected, [feed])[0])
    special = {
        name: ground.world.tokenizer.token_id(t)
        for name, t in (
            ("mask_id", "<|mdm_mask|>"),
            ("eos_id", "<|endoftext|>"),
            ("eot_id", "<|eot_id|>"),
            ("bos_id", "<|startoftext|>"),
        )
    }
    assert {name: getattr(model.info, name) for name in special} == special
    assert model.info.window == 512
    form = json.loads((out / "foldctx.json").read_text("utf-8"))
    assert form["template"] == "reader.toml" and form["memory_tokens"] == 320
    assert 0 <= form["hit_share"] <= 1
    for forwards in ("read_forwards", "read_forwards_shared", "answer_forwards"):
        assert form[forwards] >= 1
    assert form["note_tokens"] >= 0
    assert form["skip_threshold"] == figures.thresholds.skip_threshold
    assert form["abstain_threshold"] == figures.thresholds.abstain_threshold
    assert form["weights_sha256"] == model.info.weights_sha256


def test_a_release_is_the_same_each_time_and_its_card_says_the_figures(ground, run: Path) -> None:
    for name in ("one", "two"):
        figures = release(
            run,
            run.parent / name,
            sizes(ground),
            ground.held_out,
            recipe=RECIPE,
            cases=6,
            cost_tokens=800,
        )
    for name in FILES:
        one, two = (run.parent / out / name for out in ("one", "two"))
        assert one.read_bytes() == two.read_bytes(), name
    card = (run.parent / "one" / "README.md").read_text("utf-8")
    assert RECIPE.command in card and "`prose.txt`" in card and str(run) not in card
    assert "35 steps of 40 planned" in card and "Princeton University" in card
    assert f"{figures.info.parameters:,}" in card
    for count in (1, 2, 8):
        shares = [figures.scores[count][c] for c in ("pointer", "none", "answer", "no_answer")]
        assert f"| {count} | " + " | ".join(f"{100 * s:.0f}%" for s in shares) + " |" in card
    assert f"{figures.thresholds.skip_threshold:.4f}" in card


def test_calibration_depends_on_weights_cases_and_seed(ground, run: Path) -> None:
    out = run / "export"
    release(run, out, sizes(ground), ground.held_out, recipe=RECIPE, cases=4, cost_tokens=800)
    model = load_model(out, device="cpu")
    first = calibrate(model, ground.held_out, cases=5, seed=2, length=320)
    assert first == calibrate(model, ground.held_out, cases=5, seed=2, length=320)
    assert 0.5 <= first.skip_threshold < 1 and 0 <= first.abstain_threshold < 1
    with pytest.raises(UsageError, match="cases=0"):
        calibrate(model, ground.held_out, cases=0, seed=2)


def test_a_release_that_fails_leaves_the_older_one_whole(
    ground, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run / "export"
    release(run, out, sizes(ground), ground.held_out, recipe=RECIPE, cases=4, cost_tokens=800)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fails(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(releasing, "calibrate", fails)
    with pytest.raises(KeyboardInterrupt):
        release(run, out, sizes(ground), ground.held_out, recipe=RECIPE, cases=4, cost_tokens=800)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in run.iterdir() if path.name.startswith("export")] == ["export"]


def test_effort_counts_steps_done_again_once(run: Path) -> None:
    effort = read_effort(run)
    first, second = 2 * 192 + 2 * 112, 3 * 320 + 112
    assert (effort.steps, effort.planned) == (35, 40)
    assert effort.tokens == 30 * first + 5 * second
    assert effort.hours == pytest.approx((10 * 36 + 10 * 1 + 10 * 72) / 3600)


def options(ground, run: Path) -> list[str]:
    return ["--run", str(run), "--text", str(ground.text[0]), "--wordnet", str(ground.wordnet)]


def test_the_command_refuses_what_cannot_be(ground, tmp_path: Path) -> None:
    call = CliRunner().invoke(command.app, [*options(ground, tmp_path), "--export-only"])
    assert isinstance(call.exception, UsageError) and "train first" in str(call.exception)
    ones = ["1"] * len(command.STAGES)
    for counts in ([*ones, "1"], [*ones[1:], "x"], [*ones[1:], "-3"]):
        steps = ",".join(counts)
        call = CliRunner().invoke(command.app, [*options(ground, tmp_path), f"--steps={steps}"])
        assert isinstance(call.exception, UsageError) and steps in str(call.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_trains_evaluates_and_exports(
    ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "DIMS", replace(command.DIMS, mlp=16))
    stages = (Stage(1, 192, 2, 2, answer_rows=2), Stage(1, 224, 2, 2, answer_rows=2))
    monkeypatch.setattr(command, "STAGES", stages)
    monkeypatch.setattr(command, "release", partial(release, cases=4, cost_tokens=800))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).write_bytes((ground.run / name).read_bytes())
    common = [*options(ground, tmp_path), "--steps", "1,1"]
    call = CliRunner().invoke(command.app, [*common, "--every", "1"], catch_exceptions=False)
    assert call.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == FILES
    last = json.loads((tmp_path / "log.jsonl").read_text("utf-8").splitlines()[-1])
    assert last["step"] == 2 and {"pointer", "none"} <= set(last)
    load_model(tmp_path / "export", device="cpu")
    given = [*common, "--export-only", "--out", str(tmp_path / "other")]
    assert CliRunner().invoke(command.app, given, catch_exceptions=False).exit_code == 0
    weights = [tmp_path / folder / "model.safetensors" for folder in ("export", "other")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
