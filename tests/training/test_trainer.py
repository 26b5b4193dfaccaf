"""Batches come from seed and step alone; a killed run goes on to the same weights."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from foldctx.errors import UsageError
from foldctx.models.architecture import Dims, Transformer
from foldctx_pipelines.training import train
from foldctx_pipelines.training.curriculum import Plan, Stage
from foldctx_pipelines.training.tasks import answer_window, read_window
from foldctx_pipelines.training.train import Trainer, batches_from, make_batches
from foldctx_pipelines.training.windows import UNANSWERING
from foldctx_pipelines.training.worlds import build_world

STAGES = (
    Stage(steps=2, length=192, rows=2, questions=2, answer_rows=2),
    Stage(steps=2, length=224, rows=2, questions=3, answer_length=88, answer_rows=2),
)
PLAN = Plan(STAGES, rate=1e-3, warmup=2, decay=2, seed=3)


def network(ground, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    size = ground.world.tokenizer.vocab_size
    return Transformer(Dims(16, 2, 2, 2, 24, size, tied=True))


def trainer(ground, run: Path, seed: int = 0) -> Trainer:
    return Trainer(network(ground, seed), ground.world, PLAN, run)


def test_a_batch_depends_on_seed_and_step_only(ground) -> None:
    def tensors(plan: Plan, step: int) -> list[torch.Tensor]:
        return [tensor for batch in make_batches(ground.world, plan, step) for tensor in batch]

    first = tensors(PLAN, 1)
    random.seed(99)
    torch.manual_seed(99)
    tensors(PLAN, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, tensors(PLAN, 1), strict=True))
    other_rate = Plan(STAGES, rate=1.0, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(first, tensors(other_rate, 1), strict=True))
    assert not torch.equal(first[0], tensors(PLAN, 0)[0])
    assert not torch.equal(first[0], tensors(Plan(STAGES, seed=4), 1)[0])


def test_worker_processes_make_the_same_batches(ground) -> None:
    alone = batches_from(ground.world, PLAN, 0, 4, 0)
    ahead = batches_from(ground.world, PLAN, 0, 4, 2)
    for one, other in zip(alone, ahead, strict=True):
        for a, b in zip((*one[0], *one[1]), (*other[0], *other[1]), strict=True):
            assert torch.equal(a, b)


def test_a_share_of_the_batches_is_long(ground) -> None:
    stage = Stage(40, 192, 4, 2, answer_rows=1, long=384, long_share=0.5)
    shapes = [
        tuple(make_batches(ground.world, Plan((stage,)), step)[0][0].shape) for step in range(40)
    ]
    assert set(shapes) == {(4, 192), (2, 384)}
    assert 8 <= shapes.count((2, 384)) <= 32


def test_marks_name_the_unit_that_answers_and_the_answer_in_the_notes(ground) -> None:
    rng, prompts = random.Random(3), ground.world.prompts
    markers, units, spans = prompts.markers, 0, 0
    for _ in range(30):
        window = read_window(rng, ground.world, 192, 3)
        first = {at: token for at, token, weight in window.targets if weight > 0.5}
        pointed = {token for token in first.values() if token in markers}
        marked = {window.ids[at] for at, label in window.marks if label != UNANSWERING}
        assert all(window.ids[at] in markers for at, _ in window.marks)
        assert pointed <= marked
        units += len(marked)
        window = answer_window(rng, ground.world, 112)
        labels = dict(window.marks)
        for at in (at for at, label in labels.items() if label == 1):
            wide = next(n for n in range(1, 80) if labels.get(at + n) != 2)
            spans += 1
            end = window.ids.index(ground.world.tokenizer.token_id("<|answer|>"))
            assert at + wide <= end
    assert units > 20 and spans > 10


def test_a_batch_has_the_shapes_of_its_stage(ground) -> None:
    for step, stage in ((1, STAGES[0]), (2, STAGES[1])):
        read, answer = make_batches(ground.world, PLAN, step)
        assert read[0].shape == (stage.rows, stage.length)
        assert answer[0].shape == (stage.answer_rows, stage.answer_length)
        for ids, rows, wanted, weights, *_ in (read, answer):
            trained = weights > 0
            assert trained.any(1).all()
            assert (ids.gather(1, rows)[trained] == ground.world.mask_id).all()
            assert (wanted[trained] != ground.world.mask_id).all()


def test_a_run_killed_while_it_saves_goes_on_to_the_same_weights(
    ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer(ground, tmp_path / "whole")
    rows = list(whole.train())
    assert [row["step"] for row in rows] == [1, 2, 3, 4]

    run = tmp_path / "killed"
    killed = trainer(ground, run)
    list(killed.train(2))
    killed.save()
    before = (run / "state.safetensors").read_bytes()
    list(killed.train(3))

    def half(tensors: object, path: str, metadata: object) -> None:
        Path(path).write_bytes(before[: len(before) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "save_file", half)
        with pytest.raises(KeyboardInterrupt):
            killed.save()
    assert (run / "state.safetensors").read_bytes() == before

    resumed = trainer(ground, run, seed=1)
    assert resumed.resume() and resumed.step == 2
    again = list(resumed.train())
    assert [row["reading"] for row in again] == [row["reading"] for row in rows[2:]]
    resumed.save()
    left = resumed.model.state_dict()
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, left[name]), name


def test_a_run_without_a_state_starts_at_step_0(ground, tmp_path: Path) -> None:
    fresh = trainer(ground, tmp_path)
    assert not fresh.resume() and fresh.step == 0


def test_a_missing_dictionary_is_named(ground, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.noun: not there; give --wordnet"):
        build_world(ground.run, ground.text, tmp_path)


def test_a_loss_that_is_no_number_stops_the_run(ground, tmp_path: Path) -> None:
    broken = trainer(ground, tmp_path)
    with torch.no_grad():
        broken.model.ln_f.weight.fill_(float("nan"))
    with pytest.raises(UsageError, match="at step 1; lower --rate"):
        list(broken.train())


def test_the_rate_rises_stays_and_falls() -> None:
    plan = Plan((Stage(10, 192, 1, 1),), rate=1.0, warmup=2, decay=4)
    rates = [plan.rate_at(step) for step in range(10)]
    assert rates == [0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    with pytest.raises(UsageError, match="step 10 lies beyond the plan of 10 steps"):
        plan.stage(10)


SCRIPT = """
import sys
from pathlib import Path
import torch
from foldctx.models.architecture import Dims, Transformer
from foldctx_pipelines.training.worlds import build_world
from foldctx_pipelines.training.curriculum import Plan, Stage
from foldctx_pipelines.training.train import Trainer

ground, run, kill = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
torch.manual_seed(0)
world = build_world(ground / "run", [ground / "prose.txt"], ground / "wordnet")
model = Transformer(Dims(16, 2, 2, 2, 24, world.tokenizer.vocab_size, tied=True))
plan = Plan((Stage(4, 192, 2, 2, answer_rows=2),), warmup=2, decay=2)
trainer = Trainer(model, world, plan, run)
trainer.resume()
for row in trainer.train():
    if row["step"] == kill:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    trainer.save()
"""


@pytest.mark.slow
def test_a_killed_process_goes_on_in_a_new_one(ground, tmp_path: Path) -> None:
    def start(run: str, kill: int) -> int:
        arguments = [sys.executable, "-c", SCRIPT, ground.run.parent, tmp_path / run, str(kill)]
        path = os.pathsep.join(sys.path)
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(arguments, check=False, env=environment).returncode

    assert start("whole", 0) == 0
    assert start("killed", 3) == -9
    assert start("killed", 0) == 0
    whole, killed = (load_file(tmp_path / run / "state.safetensors") for run in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(tensor, killed[name]) for name, tensor in whole.items())
