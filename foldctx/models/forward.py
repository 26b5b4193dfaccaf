"""The forward walk: tokens at explicit positions, in packed rows, to logits of the wanted rows.

Linear layers see the fed tokens of all rows side by side and no padding; attention runs per group
of rows of equal shape. Positions are data: nothing here counts tokens to find one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from foldctx.models.architecture import Block, Transformer
from foldctx.models.row_cache import RowCache


@dataclass(slots=True)
class Feed:
    """One row's share of one forward pass.

    `tokens` and `positions` (n,), `logit_rows` (m,) indices into the n tokens whose logits are
    wanted, `key_bias` what is added to every attention logit of a key (None: nothing): one value
    for each key that the cache knows of, in the order of the layout; the n tokens where it keeps none.
    """

    tokens: Tensor
    positions: Tensor
    logit_rows: Tensor
    cache: RowCache = field(default_factory=RowCache)
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


def _row_bias(feed: Feed, layer: int, keys: int, dtype: torch.dtype) -> Tensor | None:
    """The bias of the keys that a row attends to in `layer`."""
    if feed.key_bias is None:
        return None
    bias = feed.cache.key_bias(layer, feed.key_bias.to(dtype))
    assert bias.numel() == keys, "a bias has one value a key"
    return bias


def _attend(
    feeds: Sequence[Feed], layer: int, queries: Sequence[Tensor], pairs: Sequence[tuple[Tensor, Tensor]]
) -> list[Tensor]:
    """Attention of all rows: their queries (heads, nq, hd) over their keys and values.

    Rows of equal shape go through one call.
    """
    groups: dict[tuple[int, int, bool], list[int]] = {}
    for i, feed in enumerate(feeds):
        shape = (queries[i].shape[1], pairs[i][0].shape[1], feed.key_bias is None)
        groups.setdefault(shape, []).append(i)
    out: list[Tensor] = list(queries)
    for (count, keys, _), members in groups.items():
        if not count:
            continue
        biases = [_row_bias(feeds[i], layer, keys, queries[i].dtype) for i in members]
        given = [bias for bias in biases if bias is not None]
        mixed = _attention(
            torch.stack([queries[i] for i in members]),
            torch.stack([pairs[i][0] for i in members]),
            torch.stack([pairs[i][1] for i in members]),
            torch.stack(given)[:, None, None, :] if given else None,
        )
        for i, row in zip(members, mixed, strict=True):
            out[i] = row
    return out


def _heads(x: Tensor, heads: int) -> Tensor:
    """(n, heads * hd) to (heads, n, hd)."""
    return x.view(x.shape[0], heads, -1).transpose(0, 1)


def _mlp(block: Block, x: Tensor) -> Tensor:
    h = block.ff_norm(x)
    gated: Tensor = functional.silu(block.ff_proj(h)) * block.up_proj(h)
    out: Tensor = block.ff_out(gated)
    return out


class _Rows:
    """Which of the packed tokens of all feeds something is done for; `picks` None: all of them."""

    def __init__(
        self, counts: Sequence[int], picks: Sequence[Tensor | None], device: torch.device
    ) -> None:
        self.counts = [
            count if pick is None else pick.numel()
            for count, pick in zip(counts, picks, strict=True)
        ]
        self._index: Tensor | None = None
        if any(pick is not None for pick in picks):
            at, parts = 0, []
            for count, pick in zip(counts, picks, strict=True):
                rows = torch.arange(count) if pick is None else pick
                parts.append(rows.to(device) + at)
                at += count
            self._index = torch.cat(parts)

    def of(self, packed: Tensor, dim: int = 0) -> Tensor:
        """The rows of a packed tensor."""
        return packed if self._index is None else packed.index_select(dim, self._index)

    def split(self, fresh: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
        """A tensor of these rows, one part a feed."""
        return torch.split(fresh, self.counts, dim)


def _layer(
    model: Transformer,
    feeds: Sequence[Feed],
    layer: int,
    x: Tensor,
    tables: Tensor,
    wanted: Sequence[Tensor | None],
) -> Tensor:
    """One layer, from the residual rows x of all feeds to those that are `wanted` of each."""
    dims, block = model.dims, model.blocks[layer]
    assert isinstance(block, Block)
    counts = [len(feed) for feed in feeds]
    h = block.attn_norm(x)
    valued = _Rows(counts, [feed.cache.fresh_values(layer) for feed in feeds], x.device)
    values = valued.split(_heads(block.v_proj(valued.of(h)), dims.kv_heads), 1)
    picks = [feed.cache.fresh_rows(layer, v) for feed, v in zip(feeds, values, strict=True)]
    fresh = _Rows(counts, picks, x.device)
    k = rotate(_heads(block.k_proj(fresh.of(h)), dims.kv_heads), fresh.of(tables, 1))
    asking = [p if w is None else w for p, w in zip(picks, wanted, strict=True)]
    asked = _Rows(counts, asking, x.device)
    q = rotate(_heads(block.q_proj(asked.of(h)), dims.heads), asked.of(tables, 1))
    queries = asked.split(q, 1)
    pairs = [
        feed.cache.attend(layer, *row)
        for feed, *row in zip(feeds, queries, fresh.split(k, 1), values, strict=True)
    ]
    mixed = torch.cat(_attend(feeds, layer, queries, pairs), dim=1)
    out = asked.split(block.attn_out(mixed.transpose(0, 1).flatten(1)))
    kept = _Rows(counts, wanted, x.device)
    x = kept.of(x) + torch.cat([f.cache.mixed(layer, o) for f, o in zip(feeds, out, strict=True)])
    running = [p if w is None else None for p, w in zip(picks, wanted, strict=True)]
    run = _Rows(kept.counts, running, x.device)
    out = run.split(_mlp(block, run.of(x)))
    return x + torch.cat([f.cache.transformed(layer, o) for f, o in zip(feeds, out, strict=True)])


def hidden_states(
    model: Transformer, feeds: Sequence[Feed], *, every_row: bool = False
) -> tuple[Tensor, Tensor]:
    """Final-norm rows (sum of m, width) in feed order, and the indices of these rows.

    In the last layer only the wanted rows are queries, unless `every_row` asks for all n or a
    cache has use for the others.
    """
    dims = model.dims
    counts, whole = [len(feed) for feed in feeds], [None] * len(feeds)
    x: Tensor = model.wte(torch.cat([feed.tokens for feed in feeds]))
    positions = torch.cat([feed.positions for feed in feeds])
    tables = rotary_tables(positions, dims.head_dim, dims.rope_theta, x.dtype)
    asked: list[Tensor | None] = [None if every_row else feed.logit_rows for feed in feeds]
    narrowed = [
        rows if feed.cache.narrows else None for rows, feed in zip(asked, feeds, strict=True)
    ]
    for layer in range(dims.layers):
        wanted = narrowed if layer == dims.layers - 1 else whole
        x = _layer(model, feeds, layer, x, tables, wanted)
    left = [
        rows if narrow is None else None for rows, narrow in zip(asked, narrowed, strict=True)
    ]
    kept, named = _Rows(counts, narrowed, x.device), _Rows(counts, asked, x.device)
    rows = _Rows(kept.counts, left, x.device).of(x)
    return model.ln_f(rows), named.of(torch.arange(sum(counts), device=x.device))


@torch.inference_mode()
def forward(model: Transformer, feeds: Sequence[Feed]) -> list[Tensor]:
    """Logits of each feed's `logit_rows`: one (m, embeddings) tensor a row.

    The head runs on the wanted rows alone. Raises nothing of its own; the decoder checks windows.
    """
    rows, _ = hidden_states(model, feeds)
    logits = model.head(rows)
    return list(torch.split(logits, [feed.logit_rows.numel() for feed in feeds]))
