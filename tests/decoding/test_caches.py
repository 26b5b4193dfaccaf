"""What single caches and feeds do to a forward, against slow twins."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from foldctx.decoding import Converged, Decoded, check_request, decode_one, preset
from foldctx.decoding.attended import Attended
from foldctx.decoding.guidance import Guidance
from foldctx.models.forward import Feed, forward
from foldctx.models.row_cache import RowCache
from foldctx.models.shift import aligned
from tests.decoding.toys import VOCAB, RandomModel, Scripted, info, request


def fed(model: RandomModel) -> list[int]:
    return [count for count, _ in model.feeds]


def run(model: RandomModel, **options: object) -> Decoded:
    by = preset("exact", **{"block_length": 8, **options})
    return decode_one(model, request("a", 12, 16), by)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"cache": "dual"}, [28] + [8] * 7),
        ({"cache": "dual", "refresh": 4}, ([28] + [8] * 3) * 2),
        ({"cache": "prefix"}, [28] + [16] * 7),
        ({"cache": "sparse"}, [28, 28] + [8] * 6),
        ({"cache": "sparse", "delay": 0}, [28] + [8] * 7),
        ({"cache": "feature"}, [28] * 8),
    ],
)
def test_what_a_cache_feeds(options: dict[str, object], expected: list[int]) -> None:
    model = RandomModel(layers=3)
    run(model, **options)
    assert fed(model)[:8] == expected
    by = preset("exact", block_length=8, **options)
    assert [by.cache.fed(step, 28, 16, 8) for step in range(8)] == expected


def test_a_sparse_cache_attends_to_what_it_keeps() -> None:
    model = RandomModel(layers=3)
    usage = run(model, cache="sparse", retention=0.25).usage
    full, block = 28 * 28, 8 * (5 + 8)
    assert usage.keys_attended == 2 * (2 * full + 6 * block)


def test_the_block_and_the_token_before_it_are_fed_where_rows_predict_the_next_token() -> None:
    class Shifted(RandomModel):
        def __init__(self) -> None:
            super().__init__(layers=3)
            self.info = replace(self.info, logit_shift=True)

        def predict(self, feeds: list[Feed]) -> list[Tensor]:  # type: ignore[override]
            return super().predict([aligned(feed) for feed in feeds])

    model = Shifted()
    run(model, cache="dual")
    assert fed(model)[:8] == [28] + [9] * 7
    exact = run(Shifted())
    assert exact.tokens != run(RandomModel(layers=3)).tokens
    for options in (
        {"cache": "dual", "refresh": 1},
        {"cache": "prefix", "refresh": 1},
        {"cache": "sparse", "delay": 90},
        {"cache": "feature", "prompt_interval": 1, "response_interval": 1},
    ):
        assert run(Shifted(), **options).tokens == exact.tokens
    assert decode_one(Shifted(), request("b", 0, 16), preset("fast-dllm", block_length=8)).tokens


def test_a_representative_of_n_masks_weighs_as_n_equal_keys() -> None:
    """In the first layer: keys of one token at one position are equal there and nowhere else."""
    network = RandomModel(layers=1).model
    tokens, positions = torch.tensor([3, 9, 40]), torch.tensor([0, 1, 7])
    bias = torch.tensor([0.0, 0.0, 4.0]).clamp(min=1).double().log()
    wanted = torch.tensor([0, 1])
    (weighed,) = forward(network, [Feed(tokens, positions, wanted, key_bias=bias)])
    many = torch.tensor([3, 9, 40, 40, 40, 40]), torch.tensor([0, 1, 7, 7, 7, 7])
    (repeated,) = forward(network, [Feed(*many, wanted)])
    (plain,) = forward(network, [Feed(tokens, positions, wanted)])
    assert torch.allclose(weighed, repeated, atol=1e-12)
    assert not torch.allclose(weighed, plain, atol=1e-3)


def test_multiplicities_are_the_masks_since_the_one_before() -> None:
    model = RandomModel()
    by = preset("elastic", block_length=8, near=2, stride=4, multiplicity=True)
    seen: list[Tensor] = []

    class Spy(RandomModel):
        def predict(self, feeds: list[Feed]) -> list[Tensor]:  # type: ignore[override]
            seen.extend(feed.key_bias for feed in feeds if feed.key_bias is not None)
            return super().predict(feeds)

    decode_one(Spy(), request("a", 5, 21), by)
    assert by.feed.kept(13, 26) == ((13, 15), (18, 19), (22, 23), (25, 26))
    counts = seen[0].exp().round().long().tolist()
    assert counts == [1] * 13 + [1, 1, 4, 4, 3]
    assert sum(counts) == 26, "every position of the canvas has its weight"
    unweighed = decode_one(
        model, request("a", 5, 21), replace(by, feed=replace(by.feed, multiplicity=False))
    )
    assert (
        unweighed.usage.tokens_fed
        == decode_one(RandomModel(), request("a", 5, 21), by).usage.tokens_fed
    )


def test_attention_is_noted_as_the_kernel_pays_it() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(h, 10, 6, generator=generator).double() for h in (4, 2, 2))
    by = preset("exact", block_length=4, span="attended", span_tokens=2)
    layout = check_request(request("a", 3, 7), by, info(64))
    noted = Attended(RowCache(), layout, 0)
    noted.fresh_rows(0, v)
    assert noted.attend(0, q, k, v) == (k, v)
    shared = k.repeat_interleave(2, 0)
    weights = functional.scaled_dot_product_attention(
        q[:, 3:7], shared, torch.eye(10).double().expand(4, 10, 10)
    )
    assert torch.allclose(noted.scores, weights.mean((0, 1)))


def test_a_span_keeps_what_the_block_attended_to_most(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[Attended] = []
    make = Attended.__init__

    def spy(self: Attended, *arguments: object) -> None:
        make(self, *arguments)  # type: ignore[arg-type]
        notes.append(self)

    monkeypatch.setattr(Attended, "__init__", spy)
    by = preset("exact", block_length=8, span="attended", span_tokens=4)
    result = decode_one(RandomModel(window=48), request("a", 6, 64), by)
    first = next(fold for fold in result.folds if fold.kind == "span")
    start = int(first.reason.split("[")[1].split(",")[0])
    note = notes[start - 6 - 1]  # one token a forward: the last forward before the fold
    span = range(6, first.dropped[-1][1])
    best = sorted(span, key=lambda index: -float(note.scores[index]))[:4]
    kept = [index for left, right in first.kept for index in range(left, right)]
    assert kept == sorted(best)
    assert kept != list(span[:4])


def test_guidance_is_fed_at_its_interval() -> None:
    """Both branches in the first five forwards, then in every fourth."""
    model = RandomModel()
    result = run(model, cfg_scale=0.5, cfg_interval=4)
    per_forward = result.usage.tokens_fed // 28
    assert result.usage.forwards == 16
    assert per_forward == 16 + len({0, 1, 2, 3, 4, 8, 12})
    guidance = Guidance(2, 4)
    logits = [torch.ones(2, 3), torch.zeros(2, 3)]
    assert guidance.complete(logits, [5, 6]) is logits
    assert guidance.due(6, [6]) == 1 and guidance.due(6, [7]) == 2 and guidance.due(8, [6]) == 2
    cond, unguided = guidance.complete([torch.full((1, 3), 4.0)], [6])
    assert torch.equal(cond - unguided, torch.ones(1, 3))


@pytest.mark.parametrize("cache", ["prefix", "dual", "sparse", "feature"])
def test_a_branch_that_misses_a_block_s_first_forwards_starts_the_block_anew(cache: str) -> None:
    """A guidance branch with an interval may be fed in a block's later forwards alone."""
    by = preset("exact", cache=cache, block_length=8)
    first, second = (check_request(request(n, 9, 24), by, info(64)) for n in "ab")
    state = by.cache.open()
    for step in range(4):
        last = state.plan(first, step)
    plan = state.plan(second, 3)
    assert plan.rows == slice(0, 33)
    assert plan.cache is not last.cache or cache == "feature"


@pytest.mark.parametrize("cache", ["prefix", "dual", "sparse", "feature"])
def test_guidance_at_intervals_goes_with_every_cache(cache: str) -> None:
    common = {"block_length": 8, "cfg_scale": 0.8, "cfg_interval": 7, "cache": cache}
    for feed in ({}, {"feed": "elastic", "near": 3, "stride": 4, "multiplicity": True}):
        result = run(RandomModel(layers=2), **{**common, **feed})
        assert -1 not in result.filled_at


def test_an_answer_that_has_settled_ends_the_request() -> None:
    """Gaps are small for three forwards and large from the fourth on."""

    def script(position: int, call: int) -> tuple[int, float]:
        return position, 0.3 if call < 3 else 0.999

    by = preset("prophet", block_length=4, early=5.0, mid=5.0, late=5.0)
    result = decode_one(Scripted(script), request("a", 4, 12), by)
    assert (result.finished, result.usage.forwards) == ("converged", 4)
    assert result.tokens == [*range(4, 16)]
    assert result.filled_at == [0, 1, 2, *[3] * 9]
    assert result.usage.committed == 12
    late = preset("prophet", block_length=4, early=99.0, mid=5.0, late=5.0)
    assert decode_one(Scripted(script), request("a", 4, 12), late).usage.forwards == 4
    never = preset("prophet", block_length=4, early=99.0, mid=99.0, late=99.0)
    assert decode_one(Scripted(script), request("a", 4, 12), never).finished == "length"
    region = replace(by, stop=Converged(5.0, 5.0, 5.0, answer=10))
    assert decode_one(Scripted(script), request("a", 4, 12), region).finished == "converged"
    assert region.stop.look([3, 4], 12) == (3, 4, 10, 11)


def test_a_shape_without_queries_costs_nothing() -> None:
    """A feature cache that updates nothing between refreshes still gives every row its logits."""
    model = RandomModel(layers=3)
    result = run(model, cache="feature", prompt_interval=9, response_interval=9, rho=0.0)
    assert len(result.tokens) == 16 and max(result.tokens) < VOCAB
    assert result.usage.rows_reused == 14 * 28 * 2
