"""Attention row by row, as on a CPU, and by groups of equal shape, as elsewhere: the same."""

import torch

from foldctx.models.forward import attend_alone, attend_grouped


def test_rows_alone_and_in_groups_attend_alike() -> None:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    shapes = [(3, 9, 0), (5, 9, 0), (3, 9, 1), (0, 9, 0), (3, 9, 0), (4, 7, 4), (3, 9, 1)]
    queries = [random(4, nq, 8) for nq, _, _ in shapes]
    pairs = [(random(2, nk, 8), random(2, nk, 8)) for _, nk, _ in shapes]
    biases = [random(b, nk) if b else None for _, nk, b in shapes]
    alone = attend_alone(queries, pairs, biases)
    grouped = attend_grouped(queries, pairs, biases)
    assert alone.shape == (4, 21, 8)
    assert (alone - grouped).abs().max() < 1e-12
    q, k, v = queries[5][0], pairs[5][0][0], pairs[5][1][0]  # the first head and its keys
    by_hand = ((q @ k.T / 8**0.5 + biases[5]).softmax(-1)) @ v
    assert (alone[0, 14:18] - by_hand).abs().max() < 1e-12
    none = attend_alone(queries[3:4], pairs[3:4], biases[3:4])
    assert none.shape == (4, 0, 8)
