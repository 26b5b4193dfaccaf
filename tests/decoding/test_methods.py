"""What holds for every composition of the seams, on random networks in float64."""

import random
from collections.abc import Sequence

import pytest

from foldctx.decoding import Decoded, Decoder, Request, Step, decode, preset
from tests.decoding.compositions import CHOICES, Options, composed, every, named, pairwise
from tests.decoding.toys import MASK, RandomModel, request

WINDOW = 40
COVER = pairwise()
TIED: list[str] = []


def rows() -> list[Request]:
    """Different lengths and phases; the last ones do not fit in the window as a whole."""
    shapes = [(3, 8), (9, 16), (12, 13), (6, 44)]
    return [request(f"r{i}", p, g, seed=i) for i, (p, g) in enumerate(shapes)]


def events(
    model: RandomModel, asked: Sequence[Request], by: Decoder, size: int
) -> tuple[dict[str, Decoded], list[Step]]:
    done = list(decode(model, asked, by, max_rows=size, level="steps"))
    results = {event.id: event for event in done if isinstance(event, Decoded)}
    return results, [event for event in done if isinstance(event, Step)]


def outcome(results: dict[str, Decoded]) -> dict[str, str]:
    return {
        name: repr((d.tokens, d.filled_at, d.usage, d.folds, d.finished))
        for name, d in results.items()
    }


def check(options: Options) -> None:
    """Alone, again, and in company: the same tokens; every forward inside the window and useful."""
    by = composed(options)
    assert by is not None
    model, asked = RandomModel(WINDOW, layers=2), rows()
    alone, steps = events(model, asked, by, 1)
    assert max(fed for fed, _ in model.feeds) <= WINDOW
    assert max(position for _, position in model.feeds) < WINDOW
    assert sum(fed for fed, _ in model.feeds) == sum(d.usage.tokens_fed for d in alone.values())
    assert all(step.positions for step in steps), "at least one commit per forward"
    for one in asked:
        result = alone[one.id]
        assert MASK not in result.tokens and len(result.tokens) == one.gen_length
        assert result.usage.committed == sum(at >= 0 for at in result.filled_at)
        if result.finished == "length":
            assert -1 not in result.filled_at
    found = outcome(alone)
    again = outcome(events(RandomModel(WINDOW, layers=2), asked[:1], by, 1)[0])
    assert again[asked[0].id] == found[asked[0].id], "the same again"
    shuffled = random.Random(0).sample(asked, len(asked))
    together = outcome(events(RandomModel(WINDOW, layers=2), shuffled, by, 3)[0])
    if together != found:
        moved = RandomModel(WINDOW, layers=2, jitter=1e-9)
        assert outcome(events(moved, asked, by, 1)[0]) != found, "company changed a choice"
        TIED.append(named(options))


@pytest.mark.parametrize("options", COVER, ids=named)
def test_every_pair_of_members_works_together(options: Options) -> None:
    check(options)


def test_few_compositions_hang_on_a_tie() -> None:
    """Rows that a relative 1e-9 of the weights turns over are not counted against the batch."""
    assert len(TIED) < 0.05 * len(COVER), TIED


@pytest.mark.slow
@pytest.mark.parametrize("cache", CHOICES["cache"], ids=named)
@pytest.mark.parametrize("feed", CHOICES["feed"], ids=named)
def test_every_combination_works(feed: Options, cache: Options) -> None:
    TIED.clear()
    combos = list(every(feed=feed, cache=cache))
    for options in combos:
        check(options)
    assert len(TIED) < 0.05 * len(combos), TIED


EQUAL = {
    "stride 1": {"feed": "elastic", "near": 0, "stride": 1},
    "stride 1 weighed": {"feed": "elastic", "near": 0, "stride": 1, "multiplicity": True},
    "huge window": {"feed": "window", "suffix": 500},
    "all drawn": {"feed": "uniform", "reach": 90, "count": 90},
    "certain draw": {"feed": "gaussian", "reach": 90, "decay": 0.0, "scale": 3.0},
    "prefix refreshed": {"cache": "prefix", "refresh": 1},
    "dual refreshed": {"cache": "dual", "refresh": 1},
    "features every step": {"cache": "feature", "prompt_interval": 1, "response_interval": 1},
    "sparse delayed for good": {"cache": "sparse", "delay": 90},
    "never settled": {"stop": "converged", "early": 1e9, "mid": 1e9, "late": 1e9},
    "no trust": {"commit": "factor", "factor": 1e-9},
    "certainty": {"commit": "threshold", "threshold": 1.0},
    "guided every step": {"cfg_scale": 0.7, "cfg_interval": 1},
}


@pytest.mark.parametrize("name", EQUAL)
def test_a_degenerate_setting_equals_exact(name: str) -> None:
    scale = {"cfg_scale": 0.7} if "cfg_scale" in EQUAL[name] else {}
    exact, by = (preset("exact", block_length=8, **o) for o in (scale, EQUAL[name]))
    asked = [request("a", 12, 32), request("b", 0, 16), request("c", 7, 21)]
    expected = events(RandomModel(layers=3), asked, exact, 1)[0]
    got = events(RandomModel(layers=3), asked, by, 1)[0]
    for one in expected:
        assert got[one].tokens == expected[one].tokens
        assert got[one].filled_at == expected[one].filled_at


@pytest.mark.parametrize("stop", ["never", "eos", "eos-block"])
def test_a_threshold_without_alpha_does_not_fall(stop: str) -> None:
    asked = [request("a", 12, 32), request("b", 5, 24)]
    common = {"block_length": 8, "threshold": 0.3, "stop": stop}
    plain = preset("exact", commit="threshold", **common)
    falling = preset("exact", commit="dynamic", alpha=0.0, **common)
    assert events(RandomModel(), asked, plain, 2) == events(RandomModel(), asked, falling, 2)
    falling = preset("exact", commit="dynamic", alpha=0.9, **common)
    fewer = [
        sum(d.usage.forwards for d in events(RandomModel(), asked, by, 2)[0].values())
        for by in (falling, plain)
    ]
    assert fewer[0] < fewer[1]


@pytest.mark.parametrize("options", [{"cache": "sparse", "retention": 1.0}, {"cache": "dual"}])
def test_kept_keys_are_exact_where_they_depend_on_their_token_alone(options: Options) -> None:
    """In one layer the keys outside the block cannot go stale."""
    asked = [request("a", 12, 32)]
    exact, by = (preset("exact", block_length=8, **o) for o in ({}, options))
    expected, _ = events(RandomModel(layers=1), asked, exact, 1)
    got, _ = events(RandomModel(layers=1), asked, by, 1)
    assert got["a"].tokens == expected["a"].tokens
    assert got["a"].filled_at == expected["a"].filled_at
    assert got["a"].usage.tokens_fed < expected["a"].usage.tokens_fed


def test_drawn_masks_depend_on_the_seed_and_the_block_alone() -> None:
    for feed in ("gaussian", "uniform"):
        by = preset("exact", feed=feed, block_length=8)
        kept = by.feed.kept(20, 300, 5)
        assert kept == by.feed.kept(20, 300, 5)
        assert kept != by.feed.kept(20, 300, 6) and kept != by.feed.kept(28, 300, 5)
        assert kept[0][0] >= 20 and kept[-1][1] <= 20 + 256


def test_dropout_falls_with_distance_as_the_paper_says() -> None:
    """Half of scale * reach / decay masks are kept on average, most of them near."""
    feed = preset("dpad").feed
    counts, near = [], 0
    for seed in range(200):
        ranges = feed.kept(0, 1000, seed)
        counts.append(sum(end - start for start, end in ranges))
        near += sum(min(end, 64) - start for start, end in ranges if start < 64)
    assert sum(counts) / 200 == pytest.approx(2.0 * 256 / 4.0 * 0.5, rel=0.05)
    assert near / sum(counts) == pytest.approx(0.683, abs=0.03)  # within one deviation of four
