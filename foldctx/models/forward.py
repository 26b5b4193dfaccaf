"""The forward walk: tokens at explicit positions, in packed rows, to logits of the wanted rows.

Linear layers see the fed tokens of all rows side by side and no padding; attention runs per group
of rows of equal shape. Positions are data: nothing here counts tokens to find one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional

from foldctx.models.attention import attend_alone, attend_grouped, rotary_tables, rotate
from foldctx.models.network import Layer, Network
from foldctx.models.row_cache import RowCache

# On a CPU the linear layers take another path for a handful of rows and round otherwise, so that a
# row fed alone would differ in its last bits from the same row fed beside others.
_LEAST_ROWS = 16


@dataclass(slots=True)
class Feed:
    """One row's share of one forward pass.

    `tokens` and `positions` (n,), `logit_rows` (m,) indices into the n tokens whose logits are
    wanted, `key_bias` what is added to every attention logit of a key (None: nothing): one value for
    each key that the cache knows of, the n tokens where it keeps none. `blocks` (n,) hides a fed
    token from those of earlier blocks (None: all see all); what the cache adds is seen by every
    token.
    """

    tokens: Tensor
    positions: Tensor
    logit_rows: Tensor
    cache: RowCache = field(default_factory=RowCache)
    key_bias: Tensor | None = None
    blocks: Tensor | None = None

    def __len__(self) -> int:
        return self.tokens.numel()

    def to(self, device: torch.device, non_blocking: bool = False) -> "Feed":
        """The same feed on a device, its cache as it is; a layer on another device gets it so."""
        moved = {
            name: value.to(device, non_blocking=non_blocking)
            for name in ("tokens", "positions", "logit_rows", "key_bias", "blocks")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **moved)


def _row_bias(
    feed: Feed, layer: int, asked: Tensor | None, keys: int, dtype: torch.dtype
) -> Tensor | None:
    """What is added to a row's attention logits, (nq or 1, keys); `asked` (nq,) index its tokens.

    Where blocks hide tokens, the fed ones are the last keys.
    """
    bias = None
    if feed.key_bias is not None:
        bias = feed.cache.key_bias(layer, feed.key_bias.to(dtype))[None]
        assert bias.shape[1] == keys, "a bias has one value a key"
    if feed.blocks is not None:
        own = feed.blocks if asked is None else feed.blocks[asked]
        hidden = functional.pad(feed.blocks[None] > own[:, None], (keys - len(feed), 0))
        start = torch.zeros((), dtype=dtype, device=hidden.device) if bias is None else bias
        bias = torch.where(hidden, -torch.inf, start)
    return bias


class _Rows:
    """Which of the packed tokens of all feeds something is done for; a pick of None is all of them."""

    def __init__(self, counts: Sequence[int], picks: Sequence[Tensor | None]) -> None:
        self.counts = [
            count if pick is None else pick.numel()
            for count, pick in zip(counts, picks, strict=True)
        ]
        self._index: Tensor | None = None
        if given := [pick for pick in picks if pick is not None]:
            at, parts, device = 0, [], given[0].device
            for count, pick in zip(counts, picks, strict=True):
                rows = torch.arange(count) if pick is None else pick
                parts.append(rows.to(device) + at)
                at += count
            self._index = torch.cat(parts)

    @property
    def some(self) -> bool:
        """Whether it is a pick, and not all rows."""
        return self._index is not None

    def of(self, packed: Tensor, dim: int = 0) -> Tensor:
        """The rows of a packed tensor."""
        if self._index is None:
            return packed
        return packed.index_select(dim, self._index.to(packed.device))

    def split(self, fresh: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
        """A tensor of these rows, one part a feed."""
        return torch.split(fresh, self.counts, dim)


def _evenly(linear: Callable[[Tensor], Tensor], rows: Tensor, dim: int = 0) -> Tensor:
    """A layer's map of rows (n, width) whose result has the rows in `dim`, never of few rows."""
    spare = _LEAST_ROWS - rows.shape[0]
    if spare <= 0 or rows.device.type != "cpu":
        return linear(rows)
    padded = linear(functional.pad(rows, (0, 0, 0, spare)))
    return padded.narrow(dim, 0, rows.shape[0])


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """The rows of all feeds one after the other; those of a single feed as they are."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _layer(
    layer: Layer,
    number: int,
    feeds: Sequence[Feed],
    x: Tensor,
    tables: Tensor,
    wanted: Sequence[Tensor | None],
) -> Tensor:
    """One layer, from the residual rows x of all feeds to those that are `wanted` of each."""
    counts = [len(feed) for feed in feeds]
    valued = _Rows(counts, [feed.cache.fresh_values(number) for feed in feeds])
    h = layer.before_attention(valued.of(x))
    values = valued.split(_evenly(layer.values, h, 1), 1)
    picks = [feed.cache.fresh_rows(number, v) for feed, v in zip(feeds, values, strict=True)]
    asking = [p if w is None else w for p, w in zip(picks, wanted, strict=True)]
    fresh = _Rows(counts, picks)
    asked = fresh if all(w is None for w in wanted) else _Rows(counts, asking)

    def normed(rows: _Rows) -> Tensor:
        # Where some are named, the others are normed for nothing: most rows of a feature cache.
        return layer.before_attention(rows.of(x)) if valued.some else rows.of(h)

    own = normed(fresh)
    asks = own if asked is fresh else normed(asked)
    keys = fresh.split(rotate(_evenly(layer.keys, own, 1), fresh.of(tables, 1)), 1)
    queries = asked.split(rotate(_evenly(layer.queries, asks, 1), asked.of(tables, 1)), 1)
    pairs = [
        feed.cache.attend(number, *row)
        for feed, *row in zip(feeds, queries, keys, values, strict=True)
    ]
    biases = [
        _row_bias(feed, number, rows, pair[0].shape[1], h.dtype)
        for feed, rows, pair in zip(feeds, asking, pairs, strict=True)
    ]
    alone = x.device.type == "cpu" and not torch.is_grad_enabled()
    attend = attend_alone if alone else attend_grouped
    mixed = attend(queries, pairs, biases)
    out = asked.split(_evenly(layer.after_attention, mixed.transpose(0, 1).flatten(1)))
    kept = _Rows(counts, wanted)
    x = kept.of(x) + _joined([f.cache.mixed(number, o) for f, o in zip(feeds, out, strict=True)])
    run = _Rows(kept.counts, [p if w is None else None for p, w in zip(picks, wanted, strict=True)])
    out = run.split(_evenly(layer.feed_forward, run.of(x)))
    return x + _joined([f.cache.transformed(number, o) for f, o in zip(feeds, out, strict=True)])


def hidden_states(
    model: Network, feeds: Sequence[Feed], *, every_row: bool = False
) -> tuple[Tensor, Tensor]:
    """Final-norm rows (sum of m, width) in feed order, and the indices of these rows.

    In the last layer only the wanted rows are queries, unless `every_row` asks for all n or a
    cache has use for the others.
    """
    dims, counts = model.dims, [len(feed) for feed in feeds]
    x = model.embed(torch.cat([feed.tokens for feed in feeds]))
    positions = torch.cat([feed.positions for feed in feeds])
    tables = rotary_tables(positions, dims.rotary, dims.rope_theta, x.dtype)
    asked: list[Tensor | None] = [None if every_row else feed.logit_rows for feed in feeds]
    narrow = [rows if feed.cache.narrows else None for rows, feed in zip(asked, feeds, strict=True)]
    every: list[Tensor | None] = [None] * len(feeds)
    last = len(model.layers) - 1
    for number, layer in enumerate(model.layers):
        # Nothing reads the other rows after the last layer.
        x = layer(_layer, number, feeds, x, tables, narrow if number == last else every)
    left = [None if cut is not None else rows for rows, cut in zip(asked, narrow, strict=True)]
    rows = _Rows(_Rows(counts, narrow).counts, left).of(x)
    return model.final_norm(rows), _Rows(counts, asked).of(
        torch.arange(len(positions), device=x.device)
    )


@torch.inference_mode()
def forward(model: Network, feeds: Sequence[Feed]) -> list[Tensor]:
    """Logits of each feed's `logit_rows`: one (m, embeddings) tensor a row.

    The head runs on the wanted rows alone. Raises nothing of its own; the decoder checks windows.
    """
    rows, _ = hidden_states(model, feeds)
    logits = _evenly(model.head, rows)
    return list(torch.split(logits, [feed.logit_rows.numel() for feed in feeds]))
