"""Attention row by row, as on a CPU, and by groups of equal shape, as elsewhere: the same."""

import pytest
import torch

from foldctx.models.attention import attend_alone, attend_grouped


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


@pytest.mark.parametrize("bias", [None, torch.zeros(1, 9)])
def test_attention_in_bfloat16_is_that_of_float64_with_and_without_gradients(
    bias: torch.Tensor | None,
) -> None:
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randn(2, n, 8, generator=generator).bfloat16() for n in (5, 9, 9)]
    exact = [row.double().requires_grad_() for row in rows]
    wanted = attend_alone(exact[:1], [(exact[1], exact[2])], [None])
    wanted.sum().backward()
    given = [None if bias is None else bias.bfloat16()]
    with torch.no_grad():
        plain = attend_alone(rows[:1], [(rows[1], rows[2])], given)
    trained = [row.requires_grad_() for row in rows]
    mixed = attend_grouped(trained[:1], [(trained[1], trained[2])], given)
    mixed.sum().backward()
    assert plain.dtype == mixed.dtype == torch.bfloat16
    assert (plain - wanted).abs().max() < 0.02 and (mixed - wanted).abs().max() < 0.04
    for row, reference in zip(trained, exact, strict=True):
        assert row.grad is not None and reference.grad is not None
        assert (row.grad - reference.grad).abs().max() < 0.1
