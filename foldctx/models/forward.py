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

from foldctx.models.architecture import Block, Transformer

# On a CPU the linear layers take another path for a handful of rows and round otherwise, so that a
# row fed alone would differ in its last bits from the same row fed beside others.
_LEAST_ROWS = 16


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
    """

    tokens: Tensor
    positions: Tensor
    logit_rows: Tensor
    cache: KeyValues | None = None
    key_bias: Tensor | None = None

    def __len__(self) -> int:
        return self.tokens.numel()


def rotary_tables(positions: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> Tensor:
    """Cosines and sines (2, n, head_dim / 2) of the rotary angles of n positions (arXiv 2104.09864)."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=positions.device)
    frequencies = 1.0 / theta ** (exponents / head_dim)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    angles = positions.to(wide)[:, None] * frequencies.to(wide)[None, :]
    return torch.stack((angles.cos(), angles.sin()))


def rotate(x: Tensor, tables: Tensor) -> Tensor:
    """Turn x (heads, n, head_dim), first half with second half, in the tables' precision."""
    cos, sin = tables
    first, second = x.to(cos.dtype).chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(x.dtype)


def _attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Unmasked attention of q (rows, heads, nq, hd) over k and v (rows, kv_heads, nk, hd)."""
    if k.shape[1] != q.shape[1]:
        times = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def _row_bias(feed: Feed, keys: int, dtype: torch.dtype) -> Tensor | None:
    """The bias of all keys of a row: the fed ones come last, cached ones have none."""
    if feed.key_bias is None:
        return None
    return functional.pad(feed.key_bias.to(dtype), (keys - len(feed), 0))


def _attend(
    feeds: Sequence[Feed], layer: int, q: Tensor, k: Tensor, v: Tensor, query_counts: list[int]
) -> Tensor:
    """Attention of all rows; q (heads, sum of query_counts, hd), k and v (kv_heads, n, hd)."""
    counts = [len(feed) for feed in feeds]
    queries = torch.split(q, query_counts, dim=1)
    pairs = []
    for feed, key, value in zip(
        feeds, torch.split(k, counts, dim=1), torch.split(v, counts, dim=1), strict=True
    ):
        pairs.append((key, value) if feed.cache is None else feed.cache.attend(layer, key, value))
    groups: dict[tuple[int, int, bool], list[int]] = {}
    for i, feed in enumerate(feeds):
        shape = (query_counts[i], pairs[i][0].shape[1], feed.key_bias is None)
        groups.setdefault(shape, []).append(i)
    out: list[Tensor] = [q] * len(feeds)
    for members in groups.values():
        keys = pairs[members[0]][0].shape[1]
        biases = [_row_bias(feeds[i], keys, q.dtype) for i in members]
        given = [bias for bias in biases if bias is not None]
        mixed = _attention(
            torch.stack([queries[i] for i in members]),
            torch.stack([pairs[i][0] for i in members]),
            torch.stack([pairs[i][1] for i in members]),
            torch.stack(given)[:, None, None, :] if given else None,
        )
        for i, row in zip(members, mixed, strict=True):
            out[i] = row
    return torch.cat(out, dim=1)


def _heads(x: Tensor, heads: int) -> Tensor:
    """(n, heads * hd) to (heads, n, hd)."""
    return x.view(x.shape[0], heads, -1).transpose(0, 1)


def _mlp(block: Block, x: Tensor) -> Tensor:
    h = block.ff_norm(x)
    gated: Tensor = functional.silu(block.ff_proj(h)) * block.up_proj(h)
    out: Tensor = block.ff_out(gated)
    return out


def _spread(mixed: Tensor, spare: int) -> Tensor:
    """(heads, n, hd) to (n + spare, heads * hd), the spare rows zero."""
    return functional.pad(mixed.transpose(0, 1).flatten(1), (0, 0, 0, spare))


def hidden_states(
    model: Transformer, feeds: Sequence[Feed], *, every_row: bool = False, least: int = 0
) -> tuple[Tensor, Tensor]:
    """Final-norm rows (sum of m, width) in feed order, and the indices of these rows.

    In the last layer only the wanted rows are queries, unless `every_row` asks for all n. Fewer
    than `least` of either are filled up by rows of zeros, which attention never sees; they come
    last in the result.
    """
    dims = model.dims
    starts, total = [], 0
    for feed in feeds:
        starts.append(total)
        total += len(feed)
    x: Tensor = model.wte(torch.cat([feed.tokens for feed in feeds]))
    positions = torch.cat([feed.positions for feed in feeds])
    tables = rotary_tables(positions, dims.head_dim, dims.rope_theta, x.dtype)
    if every_row:
        wanted, wanted_counts = torch.arange(total, device=x.device), [len(f) for f in feeds]
    else:
        rows = [feed.logit_rows + start for feed, start in zip(feeds, starts, strict=True)]
        wanted, wanted_counts = torch.cat(rows), [feed.logit_rows.numel() for feed in feeds]
    counts = [len(feed) for feed in feeds]
    spare = max(0, least - min(total, wanted.numel()))
    if spare:
        x, tables = functional.pad(x, (0, 0, 0, spare)), functional.pad(tables, (0, 0, 0, spare))
        wanted = torch.cat((wanted, torch.arange(total, total + spare, device=x.device)))
    for layer, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        h = block.attn_norm(x)
        k = rotate(_heads(block.k_proj(h), dims.kv_heads), tables)
        v = _heads(block.v_proj(h), dims.kv_heads)
        query_tables = tables
        if layer == dims.layers - 1:  # nothing reads the other rows after this layer
            x, h, query_tables, counts = x[wanted], h[wanted], tables[:, wanted], wanted_counts
        q = rotate(_heads(block.q_proj(h), dims.heads), query_tables)
        seen = q[:, : sum(counts)], k[:, :total], v[:, :total]
        x = x + block.attn_out(_spread(_attend(feeds, layer, *seen, counts), spare))
        x = x + _mlp(block, x)
    return model.ln_f(x), wanted


@torch.inference_mode()
def forward(model: Transformer, feeds: Sequence[Feed]) -> list[Tensor]:
    """Logits of each feed's `logit_rows`: one (m, embeddings) tensor a row.

    The head runs on the wanted rows alone. Raises nothing of its own; the decoder checks windows.
    """
    rows, _ = hidden_states(model, feeds, least=_LEAST_ROWS)
    counts = [feed.logit_rows.numel() for feed in feeds]
    return list(torch.split(model.head(rows)[: sum(counts)], counts))
