"""The likelihood estimate against a plain transcription of LLaDA's, and its freedom from company."""

import random
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from foldctx.decoding import Request, Segment, decode_one, preset
from foldctx.decoding.likelihood import MonteCarlo, Pair, greedy_matches, log_likelihoods
from foldctx.errors import UsageError, WindowError
from foldctx.models.forward import Feed, forward
from tests.decoding.toys import MASK, VOCAB, RandomModel


def pair(name: str, prompt: int, text: int, seed: int = 0) -> Pair:
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    ids = torch.randint(0, MASK, (prompt + text,), generator=generator).tolist()
    return Pair(name, tuple(ids[:prompt]), tuple(ids[prompt:]), seed)


def reference(model: RandomModel, asked: Pair, how: MonteCarlo) -> float:
    """`get_loglikelihood` of ML-GSAI/LLaDA, row by row, with torch's own generator."""
    torch.manual_seed(asked.seed)
    whole = torch.tensor(asked.prompt + asked.text)
    prompt, length = len(asked.prompt), len(asked.text)
    losses = []
    for _ in range(how.draws // how.batch):
        k = torch.randint(1, length + 1, ())
        steps = torch.linspace(
            float(k), k + (how.batch - 1) * (length / how.batch), steps=how.batch
        )
        x = ((torch.round(steps).long() - 1) % length) + 1
        assert 1 <= int(x.min()) <= int(x.max()) <= length
        loss = 0.0
        for row in range(how.batch):
            is_mask = (torch.arange(length) < x[row])[torch.randperm(length)]
            is_mask = torch.cat((torch.zeros(prompt, dtype=torch.bool), is_mask))
            noisy = torch.where(is_mask, MASK, whole)
            logits = _logits(model, noisy)
            if how.cfg_scale > 0:
                bare = noisy.clone()
                bare[:prompt] = MASK
                bare_logits = _logits(model, bare)
                logits = bare_logits + (how.cfg_scale + 1) * (logits - bare_logits)
            each = functional.cross_entropy(logits[is_mask], whole[is_mask], reduction="none")
            loss += float((each / (x[row] / length)).sum())
        losses.append(loss / how.batch)
    return -sum(losses) / len(losses)


def _logits(model: RandomModel, tokens: Tensor) -> Tensor:
    """All rows: (T, V)."""
    every = torch.arange(len(tokens))
    return forward(model.model, [Feed(tokens, every, every)])[0]


@pytest.mark.parametrize("scale", [0.0, 0.5])
@pytest.mark.parametrize(
    ("length", "draws", "batch"), [(1, 4, 4), (3, 32, 16), (11, 12, 4), (9, 1, 1)]
)
def test_the_estimate_is_the_reference_s(length: int, draws: int, batch: int, scale: float) -> None:
    model, how = RandomModel(), MonteCarlo(draws, batch, scale)
    asked = pair("text", 7, length, seed=3)
    expected = reference(model, asked, how)
    ((number, found),) = log_likelihoods(model, [asked], how, max_rows=5)
    assert number == 0
    assert found == pytest.approx(expected, rel=1e-6)


def test_company_order_and_rows_do_not_matter() -> None:
    model, how = RandomModel(), MonteCarlo(16, 8)
    asked = [pair(f"p{i}", 3 + i, 1 + 2 * i, seed=i) for i in range(6)]
    alone = {p.id: next(log_likelihoods(model, [p], how, max_rows=1))[1] for p in asked}
    for rows in (2, 7, 64):
        random.Random(rows).shuffle(asked)
        found = {asked[i].id: x for i, x in log_likelihoods(model, asked, how, max_rows=rows)}
        assert found == pytest.approx(alone, rel=1e-12)


def test_equal_draws_are_fed_once() -> None:
    model = RandomModel()
    single = pair("one", 5, 1)
    ((_, found),) = log_likelihoods(model, [single], MonteCarlo(128, 16))
    assert model.calls == 1
    masked = torch.tensor([*single.prompt, MASK])
    expected = _logits(model, masked)[-1].log_softmax(-1)[single.text[0]]
    assert found == pytest.approx(float(expected))
    list(log_likelihoods(model, [pair("two", 5, 2)], MonteCarlo(128, 16), max_rows=1))
    assert model.calls == 1 + 3  # one or the other token masked, or both


def test_greedy_is_what_the_exact_sampler_writes() -> None:
    model = RandomModel()
    prompts = [pair(f"g{i}", 4 + i, 3 + i) for i in range(3)]
    written = []
    for given in prompts:
        length = len(given.text)
        request = Request("r", (Segment("template", given.prompt),), length)
        written.append(
            tuple(decode_one(model, request, preset("exact", block_length=length)).tokens)
        )
    asked = [replace(p, text=text) for p, text in zip(prompts, written, strict=True)]
    asked.append(replace(asked[1], text=(*asked[1].text[:-1], (asked[1].text[-1] + 1) % MASK)))
    for rows in (1, 4):
        assert dict(greedy_matches(model, asked, max_rows=rows)) == {
            0: True,
            1: True,
            2: True,
            3: False,
        }


def test_what_cannot_be_estimated_is_refused_before_a_forward() -> None:
    model, how = RandomModel(window=64), MonteCarlo(4, 4)
    good = pair("good", 3, 3)
    refused = [
        (pair("long", 60, 5), WindowError, "60 tokens of prompt and 5 of text"),
        (Pair("mask", (1,), (2, MASK)), UsageError, f"mask token {MASK}"),
        (Pair("other", (1,), (VOCAB,)), UsageError, f"vocabulary of {VOCAB}"),
    ]
    for bad, kind, told in refused:
        with pytest.raises(kind, match=told):
            list(log_likelihoods(model, [good, bad], how))
        with pytest.raises(kind, match=told):
            list(greedy_matches(model, [good, bad]))
    model.info = replace(model.info, block_grid=32)
    with pytest.raises(UsageError, match="block-causal"):
        list(log_likelihoods(model, [good], how))
    assert model.calls == 0
    with pytest.raises(UsageError, match="text is empty"):
        Pair("empty", (1,), ())
    with pytest.raises(UsageError, match="draws=10 is not a multiple of batch=4"):
        MonteCarlo(10, 4)
    with pytest.raises(UsageError, match="cfg_scale=-1"):
        MonteCarlo(cfg_scale=-1.0)
