"""The window contract and the counters, held against hooks on the network itself."""

from itertools import cycle, pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from foldctx.decoding import (
    Decoded,
    Fold,
    Request,
    Segment,
    Usage,
    check_request,
    decode,
    decode_one,
    flops,
    preset,
)
from foldctx.errors import WindowError
from foldctx.models import forward as walk
from foldctx.models.attention import attend_alone, rotary_tables
from tests.decoding.toys import MASK, RandomModel, info, request

PRESETS = {
    "exact": {"block_length": 8},
    "exact guided": {"block_length": 8, "cfg_scale": 0.5},
    "parallel": {"block_length": 8, "threshold": 0.5, "stop": "never"},
    "elastic": {"block_length": 8, "near": 8, "threshold": 0.5, "stop": "never"},
    "elastic strided": {"block_length": 8, "near": 4, "stride": 6, "span_tokens": 5},
    "elastic attended": {"block_length": 8, "near": 4, "span": "attended", "span_tokens": 5},
    "elastic-cache": {"block_length": 8, "near": 6, "stop": "never", "threshold": 0.3},
    "fast-dllm": {"block_length": 8, "threshold": 0.3},
    "dllm-cache": {"prompt_interval": 9, "response_interval": 4},
    "dllm-cache guided": {"prompt_interval": 9, "cfg_scale": 0.5, "cfg_interval": 3},
    "dllm-cache attended": {"span": "attended", "span_tokens": 4},
    "streaming": {"block_length": 8, "suffix": 6, "stop": "never"},
    "dpad": {"block_length": 8, "reach": 9, "stop": "never"},
    "sparse": {"block_length": 8},
}


@pytest.mark.parametrize("name", PRESETS)
def test_the_network_sees_what_usage_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = RandomModel(window=64)
    fed, positions, attended = [], [], [0, 0]
    model.model.wte.register_forward_hook(lambda _m, args, _o: fed.append(args[0].numel()))
    tables, attention = rotary_tables, attend_alone
    layers = cycle(range(2))

    def spy(at: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> Tensor:
        positions.append(int(at.max()))
        return tables(at, head_dim, theta, dtype)

    def count(queries: Any, pairs: Any, biases: Any) -> Tensor:
        seen = sum(q.shape[1] * k.shape[1] for q, (k, _) in zip(queries, pairs, strict=True))
        attended[next(layers)] += seen
        return attention(queries, pairs, biases)

    monkeypatch.setattr(walk, "rotary_tables", spy)
    monkeypatch.setattr(walk, "attend_alone", count)
    asked = [request("a", 11, 48), request("b", 20, 200), request("c", 2, 16, first_position=9)]
    done = decode(model, asked, preset(name.split()[0], **PRESETS[name]), max_rows=2)
    results = [event for event in done if isinstance(event, Decoded)]
    total = sum((result.usage for result in results), Usage())
    assert sum(fed) == total.tokens_fed
    assert attended[0] == total.keys_attended
    if "dllm-cache" in name or name == "elastic-cache":
        assert attended[1] == total.keys_attended - total.keys_reused < attended[0]
        assert 0 < total.rows_reused < total.tokens_fed
    else:
        assert total.rows_reused == total.keys_reused == 0
    assert max(positions) == total.position_max <= 63
    assert total.position_max == 63 or name == "dpad"  # which has no terminal mask
    assert max(n for n, _ in model.feeds) == total.fed_max <= 64
    assert model.calls <= total.forwards
    for result in results:
        assert MASK not in result.tokens
        assert result.usage.folded == sum(f.before - f.after for f in result.folds)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("prompt", [0, 10, 30])
def test_three_windows_of_text_end_with_every_token(name: str, prompt: int) -> None:
    model = RandomModel(window=64)
    by = preset(name.split()[0], **{**PRESETS[name], "stop": "never"})
    result = decode_one(model, request("a", prompt, 192), by)
    spans = [fold for fold in result.folds if fold.kind == "span"]
    assert len(result.tokens) == 192 and MASK not in result.tokens
    assert -1 not in result.filled_at and result.usage.committed == 192
    assert len(spans) >= 3
    assert result.usage.position_max < 64 and result.usage.fed_max <= 64
    for before, after in pairwise(spans):
        grown = after.dropped[0][0] == before.dropped[-1][1]
        assert grown or by.span.kept == "attended", "the folded span grows without a gap"
        assert after.shift == before.shift + after.before - after.after
    first = ((prompt, prompt + by.span.tokens),) if by.span.tokens else ()
    for fold in spans:
        assert fold.kept == first or by.span.kept == "attended"
        assert sum(end - start for start, end in fold.kept) == by.span.tokens


def test_positions_are_the_indices_while_the_canvas_fits() -> None:
    """Then distances inside what survives are kept, and the terminal sits at the window's end."""
    by = preset("elastic", block_length=8, near=4, span_tokens=3)
    layout = check_request(request("a", 10, 54), by, info(64))
    assert torch.equal(layout.indices, layout.positions)
    assert layout.indices.tolist() == [*range(22), 63]
    kinds = [(part.kind, part.start, part.end) for part in layout.segments]
    assert kinds[:3] == [("template", 0, 5), ("chunk", 5, 10), ("mask", 10, 18)]

    layout = check_request(request("a", 10, 100, first_position=2), by, info(64))
    assert layout.positions.tolist() == [*range(2, 24), 63]
    assert layout.indices.tolist() == [*range(22), 109]


def test_a_span_fold_goes_down_to_half_of_what_is_left_for_text() -> None:
    result = decode_one(
        RandomModel(window=128), request("a", 10, 300), preset("elastic", block_length=8, near=8)
    )
    first = next(fold for fold in result.folds if fold.kind == "span")
    room = 128 - 10 - 8 - 9  # prompt, block, near masks and the terminal one
    start = int(first.reason.split("[")[1].split(",")[0])
    left = start - first.dropped[-1][1]
    assert room // 2 - 8 < left <= room // 2
    assert first.dropped[0][0] == 10


def test_a_prompt_without_room_is_refused_with_the_numbers() -> None:
    by = preset("elastic", block_length=8, near=8)
    with pytest.raises(WindowError, match=r"request 'a': a prompt of 40 tokens needs 65 .* 64 fit"):
        check_request(request("a", 40, 100), by, info(64))
    check_request(request("a", 39, 100), by, info(64))
    with pytest.raises(WindowError, match="a prompt of 60 tokens needs 68"):
        check_request(request("a", 60, 8), by, info(64))
    check_request(request("a", 56, 8), by, info(64))
    with pytest.raises(WindowError, match="63 fit"):
        check_request(request("a", 56, 8, first_position=1), by, info(64))


def test_a_long_prompt_generates_block_by_block() -> None:
    asked = Request("a", (Segment("chunk", tuple(range(38))),), 100)
    by = preset("exact", block_length=8)
    result = decode_one(RandomModel(window=64), asked, by)
    assert result.usage.position_max == 63 and MASK not in result.tokens
    assert [fold for fold in result.folds if fold.kind == "span"]


def test_folds_come_as_events_before_the_result() -> None:
    by = preset("elastic", block_length=8, near=4)
    events = list(decode(RandomModel(), [request("a", 10, 100)], by))
    assert isinstance(events[-1], Decoded)
    assert tuple(e for e in events if isinstance(e, Fold)) == events[-1].folds != ()


def test_flops_of_one_plain_forward() -> None:
    """Projections, gated MLP and attention of ten tokens in two layers, a head on eight rows."""
    usage = Usage(forwards=1, tokens_fed=10, keys_attended=100, logit_rows=8)
    layer = 10 * (2 * (16 * 16 + 2 * 16 * 8 + 16 * 16) + 2 * 3 * 16 * 24) + 4 * 100 * 16
    assert flops(usage, layers=2, width=16, kv_width=8, mlp=24, vocab=48) == 2 * layer + (
        2 * 8 * 16 * 48
    )
