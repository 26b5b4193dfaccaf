"""No row's result depends on its batch mates, their lengths or their order."""

import random
from collections.abc import Iterator, Sequence

import pytest

from foldctx.decoding import Decoded, Decoder, Request, decode, decode_one, preset
from tests.decoding.toys import RandomModel, request

PRESETS = {
    "exact": {"block_length": 8, "steps": None},
    "exact guided": {"block_length": 8, "cfg_scale": 1.0},
    "exact noisy": {"block_length": 8, "temperature": 0.7, "remasking": "random"},
    "parallel": {"block_length": 8, "threshold": 0.6},
    "elastic": {"block_length": 8, "near": 6, "threshold": 0.6},
    "dream drawn": {"block_length": 8, "steps": 30, "alg_temp": 0.5},
    "elastic noisy": {"block_length": 8, "near": 6, "stride": 5, "temperature": 0.5},
}


def decoder(name: str) -> Decoder:
    return preset(name.split()[0], **PRESETS[name])


def rows() -> list[Request]:
    shapes = [(3, 8), (12, 24), (12, 24), (7, 20), (1, 16), (20, 24), (30, 40)]
    return [request(f"r{i}", p, g, seed=i) for i, (p, g) in enumerate(shapes)]


def results(model: RandomModel, asked: Sequence[Request], by: Decoder, size: int) -> dict[str, str]:
    done = decode(model, asked, by, max_rows=size)
    return {e.id: outcome(e) for e in done if isinstance(e, Decoded)}


def outcome(decoded: Decoded) -> str:
    return repr((decoded.tokens, decoded.filled_at, decoded.usage, decoded.folds, decoded.finished))


@pytest.mark.parametrize("name", PRESETS)
def test_company_does_not_matter(name: str) -> None:
    """No choice of these rows hangs on a relative 1e-9 of the weights, so none is a tie."""
    by, asked = decoder(name), rows()
    model, moved = RandomModel(), RandomModel(jitter=1e-9)
    alone = {r.id: outcome(decode_one(model, r, by)) for r in asked}
    assert {r.id: outcome(decode_one(moved, r, by)) for r in asked} == alone
    shuffled = random.Random(0).sample(asked, len(asked))
    for order, size in ((asked, 7), (shuffled, 3)):
        together = results(model, order, by, size)
        assert together == alone


def test_rows_are_packed_into_shared_forwards() -> None:
    """Rows with different lengths take as many forwards as the longest, not as their sum."""
    by, model = decoder("exact"), RandomModel()
    asked = [request("a", 3, 8), request("b", 12, 24), request("c", 9, 16)]
    list(decode(model, asked, by, max_rows=3))
    assert model.calls == 24
    model = RandomModel()
    list(decode(model, asked, by, max_rows=2))  # c takes a's place after 8 forwards
    assert model.calls == 24


def test_requests_are_pulled_when_there_is_room() -> None:
    pulled = 0

    def source() -> Iterator[Request]:
        nonlocal pulled
        for i in range(5):
            pulled += 1
            yield request(f"r{i}", 3, 8)

    seen = []
    for event in decode(RandomModel(), source(), decoder("exact"), max_rows=2):
        assert isinstance(event, Decoded)
        seen.append((event.id, pulled))
    assert [name for name, _ in seen] == ["r0", "r1", "r2", "r3", "r4"]
    assert seen[0] == ("r0", 2)


def test_a_seed_decides_the_noise() -> None:
    by = decoder("exact noisy")
    first = decode_one(RandomModel(), request("a", 8, 16, seed=3), by)
    assert decode_one(RandomModel(), request("a", 8, 16, seed=3), by) == first
    assert decode_one(RandomModel(), request("a", 8, 16, seed=4), by).tokens != first.tokens
