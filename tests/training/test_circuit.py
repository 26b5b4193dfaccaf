"""With no training at all, a model of the real sizes copies and points."""

import json
import random

import pytest
import torch

from foldctx.models.architecture import Transformer
from foldctx.models.forward import Feed, forward
from foldctx_pipelines.training.__main__ import DIMS, VOCABULARY
from foldctx_pipelines.training.circuit import initialise
from foldctx_pipelines.training.tasks import read_window


@pytest.fixture(scope="module")
def started(ground) -> Transformer:
    vocabulary = json.loads((ground.run / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    model = Transformer(DIMS)
    initialise(model, tokens + [""] * (VOCABULARY - len(tokens)), ground.world.mask_id, 0)
    return model


def test_repeated_random_tokens_are_copied(ground, started: Transformer) -> None:
    rng = random.Random(0)
    ordinary = range(400, ground.world.tokenizer.vocab_size)
    right = total = 0
    for _ in range(12):
        ids = rng.sample(ordinary, 80) * 2
        hidden = {at for at in range(81, 160) if rng.random() < 0.3}
        rows = [at for at in sorted(hidden) if at - 1 not in hidden]
        masked = [ground.world.mask_id if at in hidden else t for at, t in enumerate(ids)]
        feed = Feed(torch.tensor(masked), torch.arange(160), torch.tensor(rows))
        guesses = forward(started, [feed])[0].argmax(-1).tolist()
        right += sum(ids[at] == guess for at, guess in zip(rows, guesses, strict=True))
        total += len(rows)
    assert right / total >= 0.40, f"{right} of {total}"


def test_units_are_pointed_at_ten_times_better_than_by_chance(ground, started) -> None:
    rng, markers = random.Random(5), list(ground.world.prompts.markers)
    right = total = 0
    for length, questions in [(160, 2)] * 24 + [(288, 4)] * 8:
        window = read_window(rng, ground.world, length, questions)
        slots = [(at, token) for at, token, _ in window.targets if token in markers]
        if not slots:
            continue
        rows = torch.tensor([at for at, _ in slots])
        feed = Feed(torch.tensor(window.ids), torch.arange(length), rows)
        for logits, (_, token) in zip(forward(started, [feed])[0], slots, strict=True):
            right += markers[int(logits[markers].argmax())] == token
            total += 1
    assert total >= 20
    assert right / total >= 10 / len(markers), f"{right} of {total}"


def test_the_start_depends_on_the_seed_alone(ground, started: Transformer) -> None:
    vocabulary = json.loads((ground.run / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    tokens += [""] * (VOCABULARY - len(tokens))
    torch.manual_seed(77)
    again = Transformer(DIMS)
    initialise(again, tokens, ground.world.mask_id, 0)
    left = again.state_dict()
    # one orthogonal map comes from LAPACK, whose last bit depends on where its input lies
    assert all(
        torch.allclose(w, left[name], rtol=0, atol=1e-5) for name, w in started.state_dict().items()
    )
    initialise(again, tokens, ground.world.mask_id, 1)
    assert not torch.equal(started.wte.weight, again.wte.weight)
