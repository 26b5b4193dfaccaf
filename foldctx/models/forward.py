"""The forward walk: tokens at explicit positions, in packed rows, to logits of the wanted rows.

Linear layers see the fed tokens of all rows side by side and no padding; attention runs per group
of rows of equal shape. Positions are data: nothing here counts tokens to find one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from foldctx.models.network import Network


class KeyValues(Protocol):
    """What one row attends to besides the tokens fed now; one object a row, kept by its request."""

    def attend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values that the row's queries see in `layer`.

        `keys` (rotated) and `values` are those of the tokens fed now, (kv_heads, n, head_dim); the
        result has the same first and last dimension. Order does not matter: keys are rotated.
        """
        ...


@dataclass(slots=True)
class Feed:
    """One row's share of one forward pass.

    `tokens` and `positions` (n,), `logit_rows` (m,) indices into the n tokens whose logits are
    wanted, `key_bias` (n,) what is added to every attention logit of a key (None: nothing).
    `blocks` (n,) hides a fed token from those of earlier blocks (None: all see all); what the cache
    adds is seen by every token.
    """

    tokens: Tensor
    positions: Tensor
    logit_rows: Tensor
    cache: KeyValues | None = None
    key_bias: Tensor | None = None
    blocks: Tensor | None = None

    def __len__(self) -> int:
        return self.tokens.numel()


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
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def _row_bias(feed: Feed, queries: Tensor, keys: int, dtype: torch.dtype) -> Tensor | None:
    """What is added to a row's attention logits, (nq or 1, keys); `queries` (nq,) index its tokens.

    The fed tokens are the last keys; those before come from the cache and have no bias.
    """
    bias = None if feed.key_bias is None else feed.key_bias.to(dtype)[None]
    if feed.blocks is not None:
        hidden = feed.blocks[None] > feed.blocks[queries][:, None]  # (nq, n)
        start = hidden.new_zeros((), dtype=dtype) if bias is None else bias
        bias = torch.where(hidden, -torch.inf, start)
    return None if bias is None else functional.pad(bias, (keys - len(feed), 0))


def _attend(
    feeds: Sequence[Feed], layer: int, q: Tensor, k: Tensor, v: Tensor, queries: Sequence[Tensor]
) -> Tensor:
    """Attention of all rows; q (heads, all queries, hd), k and v (kv_heads, n, hd).

    `queries` are each row's querying tokens, as indices into the row.
    """
    counts = [len(feed) for feed in feeds]
    split = torch.split(q, [rows.numel() for rows in queries], dim=1)
    pairs = []
    for feed, key, value in zip(
        feeds, torch.split(k, counts, dim=1), torch.split(v, counts, dim=1), strict=True
    ):
        pairs.append((key, value) if feed.cache is None else feed.cache.attend(layer, key, value))
    biases = [
        _row_bias(feed, rows, pair[0].shape[1], q.dtype)
        for feed, rows, pair in zip(feeds, queries, pairs, strict=True)
    ]
    groups: dict[tuple[int, int, int], list[int]] = {}
    for i, bias in enumerate(biases):
        shape = (split[i].shape[1], pairs[i][0].shape[1], 0 if bias is None else bias.shape[0])
        groups.setdefault(shape, []).append(i)
    out: list[Tensor] = [q] * len(feeds)
    for members in groups.values():
        given = [bias for i in members if (bias := biases[i]) is not None]
        mixed = _attention(
            torch.stack([split[i] for i in members]),
            torch.stack([pairs[i][0] for i in members]),
            torch.stack([pairs[i][1] for i in members]),
            torch.stack(given)[:, None] if given else None,
        )
        for i, row in zip(members, mixed, strict=True):
            out[i] = row
    return torch.cat(out, dim=1)


def hidden_states(
    model: Network, feeds: Sequence[Feed], *, every_row: bool = False
) -> tuple[Tensor, Tensor]:
    """Final-norm rows (sum of m, width) in feed order, and the indices of these rows.

    In the last layer only the wanted rows are queries, unless `every_row` asks for all n.
    """
    dims = model.dims
    starts, total = [], 0
    for feed in feeds:
        starts.append(total)
        total += len(feed)
    x = model.embed(torch.cat([feed.tokens for feed in feeds]))
    positions = torch.cat([feed.positions for feed in feeds])
    tables = rotary_tables(positions, dims.rotary, dims.rope_theta, x.dtype)
    every = [torch.arange(len(feed), device=x.device) for feed in feeds]
    last = every if every_row else [feed.logit_rows for feed in feeds]
    wanted = torch.cat([rows + start for rows, start in zip(last, starts, strict=True)])
    for number, layer in enumerate(model.layers):
        h = layer.before_attention(x)
        k, v = rotate(layer.keys(h), tables), layer.values(h)
        querying, query_tables = every, tables
        if number == dims.layers - 1:  # nothing reads the other rows after this layer
            x, h, query_tables, querying = x[wanted], h[wanted], tables[:, wanted], last
        q = rotate(layer.queries(h), query_tables)
        mixed = _attend(feeds, number, q, k, v, querying)
        x = x + layer.after_attention(mixed.transpose(0, 1).flatten(1))
        x = x + layer.feed_forward(x)
    return model.final_norm(x), wanted


@torch.inference_mode()
def forward(model: Network, feeds: Sequence[Feed]) -> list[Tensor]:
    """Logits of each feed's `logit_rows`: one (m, embeddings) tensor a row.

    The head runs on the wanted rows alone. Raises nothing of its own; the decoder checks windows.
    """
    rows, _ = hidden_states(model, feeds)
    logits = model.head(rows)
    return list(torch.split(logits, [feed.logit_rows.numel() for feed in feeds]))
