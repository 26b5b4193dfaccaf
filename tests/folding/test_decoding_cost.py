"""What a plan says that decoding will cost, against what it costs, for every kind of cache."""

import pytest

from foldctx.decoding import decode_one, preset
from foldctx.folding.decoding_cost import decoding_cost
from tests.decoding.toys import RandomModel, request

PRESETS = (
    "exact",
    "parallel",
    "elastic",
    "elastic-cache",
    "fast-dllm",
    "dllm-cache",
    "streaming",
    "dpad",
    "sparse",
    "prophet",
)


@pytest.mark.parametrize("name", PRESETS)
def test_a_plan_bounds_the_cost(name: str) -> None:
    by = preset(name, block_length=8)
    cost = decoding_cost(by, (12, 12, 12), 32, forwards=8)
    usage = decode_one(RandomModel(), request("a", 12, 32), by).usage
    assert cost.low <= usage.tokens_fed <= cost.high
    assert usage.fed_max <= cost.fed_max
    assert cost.low < cost.tokens <= cost.high


@pytest.mark.parametrize("cache", ["none", "prefix", "dual", "feature", "sparse"])
def test_a_single_block_by_quota_costs_what_the_plan_says(cache: str) -> None:
    by = preset("exact", cache=cache, block_length=16)
    cost = decoding_cost(by, (12, 12, 12), 16, forwards=1)
    usage = decode_one(RandomModel(), request("a", 12, 16), by).usage
    assert cost.tokens == cost.high == usage.tokens_fed
    assert cost.forwards == usage.forwards == 16
