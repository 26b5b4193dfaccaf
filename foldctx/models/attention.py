"""Rotary positions, and unmasked attention of rows that have queries and keys of their own."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def rotary_tables(positions: Tensor, width: int, theta: float, dtype: torch.dtype) -> Tensor:
    """Cosines and sines (2, n, width / 2) of the rotary angles of n positions (arXiv 2104.09864)."""
    exponents = torch.arange(0, width, 2, dtype=torch.float32, device=positions.device)
    frequencies = 1.0 / theta ** (exponents / width)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    angles = positions.to(wide)[:, None] * frequencies.to(wide)[None, :]
    return torch.stack((angles.cos(), angles.sin()))


def rotate(x: Tensor, tables: Tensor) -> Tensor:
    """Turn x (heads, n, head_dim), in the tables' precision.

    The first half of the turned width goes with its second half; where the tables are narrower than
    the head, the rest of it passes as it is.
    """
    cos, sin = tables
    turning, rest = x.tensor_split([2 * cos.shape[-1]], dim=-1)
    first, second = turning.to(cos.dtype).chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return torch.cat((turned.to(x.dtype), rest), dim=-1) if rest.shape[-1] else turned.to(x.dtype)


def _attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Unmasked attention of q (rows, heads, nq, hd) over k and v (rows, kv_heads, nk, hd)."""
    if k.shape[1] != q.shape[1]:
        times = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
    trained = torch.is_grad_enabled() and bias is None
    if trained and q.dtype == torch.bfloat16 and q.device.type == "cpu":
        # The CPU's fused kernel multiplies bfloat16 at the rate of float32, forward and back. It
        # rounds less, which training can do without.
        scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
        return torch.matmul(torch.softmax(scores, -1).to(v.dtype), v)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def attend_alone(
    queries: Sequence[Tensor],
    pairs: Sequence[tuple[Tensor, Tensor]],
    biases: Sequence[Tensor | None],
) -> Tensor:
    """Attention (heads, all queries, hd) of all rows, each with queries (heads, nq, hd) of its own.

    A call a row: on a CPU it costs less than the copy that brings the keys of rows together, unless
    gradients flow through it.
    """
    out = list(queries)
    for i, (q, (k, v), bias) in enumerate(zip(queries, pairs, biases, strict=True)):
        if q.shape[1]:
            given = None if bias is None else bias[None, None]
            out[i] = _attention(q[None], k[None], v[None], given)[0]
    return torch.cat(out, dim=1)


def attend_grouped(
    queries: Sequence[Tensor],
    pairs: Sequence[tuple[Tensor, Tensor]],
    biases: Sequence[Tensor | None],
) -> Tensor:
    """The same, with one call for all rows of equal shape."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for i, bias in enumerate(biases):
        shape = (queries[i].shape[1], pairs[i][0].shape[1], 0 if bias is None else bias.shape[0])
        groups.setdefault(shape, []).append(i)
    out: list[Tensor] = list(queries)
    for (count, _, _), members in groups.items():
        if not count:
            continue
        given = [bias for i in members if (bias := biases[i]) is not None]
        mixed = _attention(
            torch.stack([queries[i] for i in members]),
            torch.stack([pairs[i][0] for i in members]),
            torch.stack([pairs[i][1] for i in members]),
            torch.stack(given)[:, None] if given else None,
        )
        for i, row in zip(members, mixed, strict=True):
            out[i] = row
    return torch.cat(out, dim=1)
