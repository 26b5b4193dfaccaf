"""Dream: its proposal and schedule against the book, and every method over shifted logits."""

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from torch import Tensor

from foldctx.decoding import (
    Decoded,
    Decoder,
    Never,
    NoCache,
    Proposer,
    Quota,
    Request,
    Tempered,
    Timesteps,
    WholeCanvas,
    decode,
    decode_one,
    preset,
    preset_options,
)
from foldctx.decoding.commit import BlockStep
from foldctx.errors import UsageError
from foldctx.numeric import LARGEST
from tests.decoding.compositions import CHOICES, Options, named
from tests.decoding.family_toys import dream
from tests.decoding.toys import MASK, VOCAB, info, request

ASKED = [request("a", 12, 24), request("b", 5, 13), request("c", 1, 8), request("d", 20, 17)]


def done(by: Decoder, rows: int) -> dict[str, Decoded]:
    events = decode(dream(), ASKED, by, max_rows=rows)
    return {event.id: event for event in events if isinstance(event, Decoded)}


COMPOSED = [
    {**feed, **cache}
    for feed in CHOICES["feed"][:4]
    for cache in CHOICES["cache"]
    if cache.get("cache") != "sparse" or not feed
]


@pytest.mark.parametrize("options", COMPOSED, ids=named)
def test_methods_feed_the_row_that_the_logits_come_from(options: Options) -> None:
    """A row that is not fed would be refused; company changes no token."""
    by = preset("exact", block_length=8, **options)
    alone, together = done(by, 1), done(by, 4)
    for name, result in alone.items():
        assert MASK not in result.tokens
        assert result.tokens == together[name].tokens
        assert result.usage == together[name].usage


@pytest.mark.parametrize("cache", ["prefix", "dual"])
def test_refreshed_every_forward_equals_no_cache(cache: str) -> None:
    exact = done(preset("exact", block_length=8), 2)
    fresh = done(preset("exact", block_length=8, cache=cache, refresh=1), 2)
    assert all(fresh[name].tokens == exact[name].tokens for name in exact)


def test_a_cached_forward_feeds_one_row_more() -> None:
    model = dream()
    decode_one(model, request("a", 12, 24), preset("exact", block_length=8, cache="dual"))
    lengths = [len(call[0]) for call in model.positions]
    assert lengths == 3 * ([36] + 7 * [9])
    assert model.positions[1][0] == list(range(11, 20))


@pytest.mark.parametrize(
    ("name", "options"), [("exact", {}), ("elastic", {"near": 8}), ("fast-dllm", {})]
)
def test_texts_beyond_the_window(name: str, options: Options) -> None:
    """Behind a fold's seam the row before the block is still the one at the position before it."""
    model = dream(window=48)
    got = decode_one(
        model, request("long", 10, 96), preset(name, block_length=8, span_tokens=3, **options)
    )
    assert got.usage.folded > 0 and got.usage.position_max <= 47
    assert MASK not in got.tokens and len(got.tokens) == 96


def test_the_shift_matters() -> None:
    """The same weights, read as if rows predicted their own position, say something else."""
    by = preset("exact", block_length=8)
    shifted, plain = dream(), dream()
    plain.info = replace(plain.info, logit_shift=False)
    asked = request("a", 12, 24)
    assert decode_one(shifted, asked, by).tokens != decode_one(plain, asked, by).tokens


def book(logits: list[float], temperature: float, top_p: float, top_k: int) -> list[float]:
    """Probabilities of Dream's sampler for one position, token by token."""
    if temperature > 0:
        logits = [x / temperature for x in logits]
    order = sorted(range(len(logits)), key=lambda i: -logits[i])
    total = sum(math.exp(x) for x in logits)
    kept, mass = [], 0.0
    for i in order:
        if mass > top_p:
            break
        kept.append(i)
        mass += math.exp(logits[i]) / total
    kept = kept[:top_k]
    left = sum(math.exp(logits[i]) for i in kept)
    return [math.exp(x) / left if i in kept else 0.0 for i, x in enumerate(logits)]


def propose(rule: Tempered, logits: Tensor, seed: int = 0) -> tuple[list[int], list[float]]:
    got = rule([logits], info(64), torch.Generator().manual_seed(seed))
    return got.tokens.tolist(), got.confidence.tolist()


@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.5])
@pytest.mark.parametrize("top_k", [VOCAB, 3])
def test_proposals_by_the_book(top_p: float, top_k: int) -> None:
    """The mask token's share counts in entropy and margin, though it is never proposed."""
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(20, VOCAB, generator=generator, dtype=torch.float64)
    logits[:, MASK] = -9
    logits[:, MASK] = logits.topk(2, dim=-1).values.mean(1)  # second
    rows = [book(row, 0, top_p, top_k) for row in logits.tolist()]
    for kind in ("low_confidence", "margin", "entropy"):
        rule = Tempered(0.0, top_p, top_k, kind)  # type: ignore[arg-type]
        tokens, confidence = propose(rule, logits)
        for row, token, got in zip(rows, tokens, confidence, strict=True):
            best = sorted(row, reverse=True)
            assert token == row.index(best[0]) != MASK
            expected = {
                "low_confidence": best[0],
                "margin": best[0] - best[1],
                "entropy": sum(p * math.log(p) for p in row if p > 0),
            }[kind]
            assert got == pytest.approx(expected, abs=1e-9)


def test_a_mask_that_leads_is_passed_over() -> None:
    """Also where the filter would leave nothing else."""
    logits = torch.zeros(1, VOCAB, dtype=torch.float64)
    logits[0, MASK], logits[0, 7] = 9.0, 2.0
    tokens, confidence = propose(Tempered(0.0, 0.5, 1, "margin"), logits)
    assert tokens == [7] and confidence[0] < 0
    assert propose(Tempered(0.7, 0.5, 1, "entropy"), logits)[0] == [7]


def test_temperature_draws_from_what_the_filters_leave() -> None:
    """Frequencies of 4000 draws, and the confidence of the drawn token."""
    row = [2.0, 1.5, 1.0, 0.2] + [-2.0] * (VOCAB - 4)
    logits = torch.tensor([row] * 4000, dtype=torch.float64)
    expected = book(row, 0.8, 0.85, VOCAB)
    tokens, confidence = propose(Tempered(0.8, 0.85, None, "low_confidence"), logits)
    for token, share in enumerate(expected):
        assert tokens.count(token) / 4000 == pytest.approx(share, abs=0.03)
    assert all(
        c == pytest.approx(expected[t], abs=1e-9) for t, c in zip(tokens, confidence, strict=True)
    )


@pytest.mark.parametrize(
    ("steps", "masks", "eps", "expected"),
    [
        (8, 32, 0.05, [3, 3, 4, 4, 4, 4, 4, 6]),
        (16, 32, 1e-3, [1, *[2] * 14, 3]),
        (12, 40, 1e-3, [3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5]),
        (3, 0, 1e-3, [0, 0, 0]),
    ],
)
def test_the_reference_schedule(steps: int, masks: int, eps: float, expected: list[int]) -> None:
    rule, left, taken = Timesteps(steps, eps), masks, []
    for step in range(steps):
        at = BlockStep(step, masks, 1)
        chosen = rule.select(torch.arange(left).double(), at)
        assert chosen.tolist() == list(range(left))[::-1][: len(chosen)]
        taken.append(len(chosen))
        left -= len(chosen)
        assert rule.done(at, left) is (step == steps - 1)
    assert taken == expected


def test_steps_are_shared_by_the_blocks() -> None:
    by = preset("dream", block_length=8, steps=12)
    got = decode_one(dream(), request("a", 12, 24), by)
    assert got.usage.forwards == 12 and MASK not in got.tokens
    with pytest.raises(UsageError, match="steps=10 is not a multiple of the 3 blocks"):
        decode_one(dream(), request("a", 12, 24), preset("dream", block_length=8, steps=10))
    assert decode_one(dream(), request("a", 12, 24), preset("dream")).usage.forwards == 24


def test_every_mask_its_own_chance() -> None:
    """Dream's alg "origin": about m (1 - s/t) a step, all in the end, and the seed decides."""
    options = {"commit": "timesteps", "steps": 8, "independent": True, "remasking": "random"}
    by = preset("dream", **options)
    one, again, other = (
        decode_one(dream(), request("a", 12, 40, seed=seed), by) for seed in (1, 1, 2)
    )
    assert one == again and one.filled_at != other.filled_at
    assert MASK not in one.tokens and one.usage.forwards == 8
    counts = [one.filled_at.count(forward) for forward in range(8)]
    assert sum(counts) == 40 and max(counts) < 14
    with pytest.raises(UsageError, match="rank at random: remasking=random"):
        preset("dream", independent=True)


SPREAD = torch.tensor([0.1, 0.9, 0.5, 0.2, 0.7], dtype=torch.float64)


def drawn(rule: Timesteps, confidence: Tensor, generator: torch.Generator) -> tuple[int, ...]:
    """What a first forward commits."""
    at = BlockStep(0, confidence.numel(), 1, generator=generator)
    return tuple(sorted(rule.select(confidence, at).tolist()))


def test_positions_are_drawn_as_the_reference_draws_them() -> None:
    """Pairs of five: 8000 draws against 80000 of torch.multinomial's; 0.02 is 3.7 deviations."""
    draws, many, generator = 8000, 80000, torch.Generator().manual_seed(0)
    rule, chances = Timesteps(2, alg_temp=0.4), (SPREAD / 0.4).softmax(-1)
    got = Counter(drawn(rule, SPREAD, generator) for _ in range(draws))
    reference = torch.multinomial(chances.expand(many, -1), 2, generator=generator)
    expected = Counter(map(tuple, reference.sort(-1).values.tolist()))
    p = chances.tolist()
    for i, j in combinations(range(5), 2):
        share = p[i] * p[j] * (1 / (1 - p[i]) + 1 / (1 - p[j]))
        assert got[i, j] / draws == pytest.approx(share, abs=0.02)
        assert got[i, j] / draws == pytest.approx(expected[i, j] / many, abs=0.02)
    assert sum(got.values()) == draws and all(len(pair) == 2 for pair in got)


@pytest.mark.parametrize("alg_temp", [5e-324, 1e-300, 1e-9])
def test_a_tiny_alg_temp_takes_the_most_confident(alg_temp: float) -> None:
    """The softmax has fewer chances above zero than a step commits, and that refuses nothing."""
    assert int(((SPREAD / 1e-9).softmax(-1) > 0).sum()) == 1
    assert drawn(Timesteps(2, alg_temp=alg_temp), SPREAD, torch.Generator()) == (1, 4)
    asked = request("a", 12, 40)
    plain, near = (
        decode_one(dream(), asked, preset("dream", steps=8, alg_temp=t)) for t in (0.0, alg_temp)
    )
    assert near == plain


def test_a_huge_alg_temp_draws_evenly() -> None:
    rule, generator = Timesteps(2, alg_temp=LARGEST), torch.Generator().manual_seed(0)
    counts = Counter(i for _ in range(2000) for i in drawn(rule, SPREAD, generator))
    assert all(counts[i] / 2000 == pytest.approx(2 / 5, abs=0.05) for i in range(5))


def test_the_seed_decides_which_positions_are_drawn() -> None:
    """And nothing else of the run: as many a forward, every one of them at least one."""
    by = preset("dream", steps=8, alg_temp=0.5)
    torch.manual_seed(1)
    one = decode_one(dream(), request("a", 12, 40, seed=1), by)
    torch.manual_seed(2)
    again, other = (decode_one(dream(), request("a", 12, 40, seed=seed), by) for seed in (1, 2))
    plain = decode_one(dream(), request("a", 12, 40, seed=1), preset("dream", steps=8))
    assert one == again
    assert one.filled_at != other.filled_at and one.filled_at != plain.filled_at
    for run in (one, other):
        assert MASK not in run.tokens and run.usage == plain.usage
        assert Counter(run.filled_at) == Counter(plain.filled_at)
        assert set(run.filled_at) == set(range(8))


def test_drawing_changes_no_confidence() -> None:
    """What is recorded is what the model believed: of the first forward, where inputs are equal."""
    plain, run = (
        decode_one(dream(), request("a", 12, 8), preset("dream", steps=steps, alg_temp=alg_temp))
        for steps, alg_temp in ((1, 0.0), (2, 0.5))
    )
    first = [i for i, forward in enumerate(run.filled_at) if forward == 0]
    assert first and all(run.confidences[i] == plain.confidences[i] for i in first)


def test_alg_temp_is_an_option_like_any_other() -> None:
    assert preset_options("dream")["alg_temp"] == 0.0
    assert preset("dream", alg_temp=1).describe()["commit"]["alg_temp"] == 1
    with pytest.raises(UsageError, match="alg_temp belongs to commit=timesteps"):
        preset("exact", alg_temp=0.5)
    with pytest.raises(UsageError, match="alg_temp='hot' is not of type float or int"):
        preset("dream", alg_temp="hot")


REFUSED = [
    (lambda: Tempered(-1.0), "temperature=-1.0"),
    (lambda: Tempered(top_p=0.0), "top_p=0.0"),
    (lambda: Tempered(top_k=0), "top_k=0"),
    (lambda: Tempered(remasking="best"), "remasking='best'"),  # type: ignore[arg-type]
    (lambda: Timesteps(0), "steps=0"),
    (lambda: Timesteps(4, 1.0), "eps=1.0"),
    (lambda: Timesteps(alg_temp=-0.1), "alg_temp=-0.1 must be a number of at least 0"),
    (lambda: Timesteps(alg_temp=math.nan), "alg_temp=nan; it must be"),
    (lambda: Timesteps(alg_temp=math.inf), "alg_temp=inf; it must be"),
    (lambda: Timesteps(independent=True, alg_temp=0.5), "alg_temp=0.5 with independent=true"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_refusals(make: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()  # type: ignore[operator]


def test_an_empty_prompt_begins_at_position_0() -> None:
    """Position 0 has no row before it and keeps its own; behind padding there is none."""
    by = Decoder(WholeCanvas(), NoCache(), Proposer(), Quota(None), Never(), 8)
    got = decode_one(dream(), Request("x", (), 8, pinned={3: 5}), by)
    assert MASK not in got.tokens
