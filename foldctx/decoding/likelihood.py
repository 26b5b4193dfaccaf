"""Likelihood: how probable a model finds a text after a prompt, and whether it would write it.

The estimate is LLaDA's (arXiv 2502.09992, `get_log_likelihood`): mask some of the text at random,
and divide the loss of what was masked by the share that was masked. Nothing is decoded for it.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from foldctx.decoding.cache import NoCache
from foldctx.decoding.commit import Quota
from foldctx.decoding.decoder import Decoder
from foldctx.decoding.events import Decoded
from foldctx.decoding.feed import WholeCanvas
from foldctx.decoding.loop import Predictor, decode
from foldctx.decoding.propose import Proposer
from foldctx.decoding.segments import Request, Segment
from foldctx.decoding.stop import Never
from foldctx.errors import FoldctxError, UsageError, WindowError
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and the text whose likelihood after it is asked for, as ids; `seed` draws its masks.

    Raises UsageError for an empty text.
    """

    id: str
    prompt: tuple[int, ...]
    text: tuple[int, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.text:
            raise UsageError(f"pair {self.id!r}: the text is empty; there is nothing to estimate")


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """How a likelihood is estimated: from `draws` maskings, stratified in batches of `batch`.

    In a batch the numbers of masked tokens are spread evenly over the text's length. `cfg_scale`
    guides by a second feed whose prompt is masked. Raises UsageError for values that do not fit.
    """

    draws: int = 128
    batch: int = 16
    cfg_scale: float = 0.0

    def __post_init__(self) -> None:
        if self.draws < 1 or self.batch < 1 or self.draws % self.batch:
            raise UsageError(
                f"draws={self.draws} is not a multiple of batch={self.batch}; both count from 1"
            )
        if not 0 <= self.cfg_scale < float("inf"):
            raise UsageError(f"cfg_scale={self.cfg_scale} must be a number of at least 0")

    def masks(self, length: int, seed: int) -> Iterator[Tensor]:
        """Every draw's masked offsets (length,), as booleans."""
        generator = torch.Generator().manual_seed(seed)
        for _ in range(self.draws // self.batch):
            first = int(torch.randint(1, length + 1, (), generator=generator))
            last = first + (self.batch - 1) * (length / self.batch)
            counts = torch.linspace(float(first), last, self.batch).round().long()
            for count in ((counts - 1) % length + 1).tolist():
                mask = torch.arange(length) < count
                yield mask[torch.randperm(length, generator=generator)]


def check_pair(pair: Pair, info: ModelInfo) -> None:
    """Raise UsageError or WindowError when this model cannot estimate the pair."""
    if info.block_grid is not None:
        raise UsageError(
            f"{info.name} is block-causal: it was never trained to fill in a text whose earlier "
            "blocks hold masks, so this estimate says nothing about it; generate with it instead"
        )
    ids = (*pair.prompt, *pair.text)
    if info.mask_id in ids or not 0 <= min(ids) <= max(ids) < info.vocab_size:
        raise UsageError(
            f"pair {pair.id!r}: ids {min(ids)} to {max(ids)} hold the mask token {info.mask_id} or "
            f"do not all lie in the vocabulary of {info.vocab_size} tokens"
        )
    if len(ids) > info.window:
        raise WindowError(
            f"pair {pair.id!r}: {len(pair.prompt)} tokens of prompt and {len(pair.text)} of text do "
            f"not fit in the window of {info.window}"
        )
    if info.logit_shift and not pair.prompt:
        raise UsageError(f"pair {pair.id!r}: {info.name} needs a token before the text")


def log_likelihoods(
    predictor: Predictor, pairs: Sequence[Pair], how: MonteCarlo, *, max_rows: int = 8
) -> Iterator[tuple[int, float]]:
    """The estimated log p(text | prompt) of each pair, with its number, as they are finished.

    `max_rows` feeds share a forward, of whatever pairs; a pair's masks are its own. Equal draws of
    a pair are fed once: a text of one token takes one forward. Raises what `check_pair` does, before
    any forward.
    """
    if max_rows < 1:
        raise UsageError(f"max_rows={max_rows}; it must be at least 1")
    for pair in pairs:
        check_pair(pair, predictor.info)
    return _estimates(predictor, pairs, how, max_rows)


@dataclass(frozen=True, slots=True)
class _Draw:
    """One masking of a pair's text: its share of the estimate, and whether it is the pair's last."""

    number: int
    masked: Tensor
    share: float
    last: bool


def _estimates(
    predictor: Predictor, pairs: Sequence[Pair], how: MonteCarlo, max_rows: int
) -> Iterator[tuple[int, float]]:
    waiting = (draw for number, pair in enumerate(pairs) for draw in _draws(number, pair, how))
    guided = how.cfg_scale > 0
    losses = [0.0] * len(pairs)
    while draws := list(islice(waiting, max(max_rows // (1 + guided), 1))):
        feeds = [_feed(pairs[draw.number], draw.masked, predictor.info) for draw in draws]
        if guided:
            feeds += [
                _unprompted(feed, pairs[d.number], predictor.info)
                for feed, d in zip(feeds, draws, strict=True)
            ]
        logits = predictor.predict(feeds)
        for at, draw in enumerate(draws):
            rows = logits[at].to(torch.promote_types(logits[at].dtype, torch.float32))
            if guided:
                other = logits[len(draws) + at].to(rows.dtype)
                rows = other + (how.cfg_scale + 1) * (rows - other)
            losses[draw.number] += draw.share * _loss(rows, pairs[draw.number], draw.masked)
            if draw.last:
                yield draw.number, -losses[draw.number]


def _draws(number: int, pair: Pair, how: MonteCarlo) -> Iterator[_Draw]:
    """The pair's distinct maskings; each has the weight of all draws that are equal to it."""
    length = len(pair.text)
    counts = Counter(tuple(mask.tolist()) for mask in how.masks(length, pair.seed))
    for at, (mask, count) in enumerate(counts.items()):
        share = count / how.draws * length / sum(mask)
        yield _Draw(number, torch.tensor(mask), share, at == len(counts) - 1)


def _feed(pair: Pair, masked: Tensor, info: ModelInfo) -> Feed:
    text = torch.tensor(pair.text).masked_fill(masked, info.mask_id)
    tokens = torch.cat([torch.tensor(pair.prompt, dtype=torch.long), text])
    rows = masked.nonzero().flatten() + len(pair.prompt)
    return Feed(tokens, torch.arange(len(tokens)), rows)


def _unprompted(feed: Feed, pair: Pair, info: ModelInfo) -> Feed:
    """The same feed with the prompt masked, for guidance."""
    tokens = feed.tokens.clone()
    tokens[: len(pair.prompt)] = info.mask_id
    return Feed(tokens, feed.positions, feed.logit_rows)


def _loss(logits: Tensor, pair: Pair, masked: Tensor) -> float:
    """Cross entropy summed over the masked tokens, from their logits (m, V)."""
    wanted = torch.tensor(pair.text)[masked].to(logits.device)
    loss = logits.logsumexp(-1) - logits.gather(1, wanted[:, None]).squeeze(1)
    total = float(loss.double().sum())
    if not math.isfinite(total):
        raise FoldctxError(
            f"pair {pair.id!r}: the model's logits are not finite; its weights or its precision do "
            "not serve"
        )
    return total


def greedy_matches(
    predictor: Predictor, pairs: Sequence[Pair], *, cfg_scale: float = 0.0, max_rows: int = 8
) -> Iterator[tuple[int, bool]]:
    """Whether the model would write each pair's text itself, with its number, as they are finished.

    The text's positions are filled one a forward, the surest first, from masks alone. Raises what
    `check_pair` does, before any forward.
    """
    if not pairs:
        return
    for pair in pairs:
        check_pair(pair, predictor.info)
    longest = max(len(pair.text) for pair in pairs)
    decoder = Decoder(
        WholeCanvas(),
        NoCache(),
        Proposer(cfg_scale=cfg_scale),
        Quota(),
        Never(),
        longest,
        name="greedy",
    )
    requests = (_request(number, pair) for number, pair in enumerate(pairs))
    for event in decode(predictor, requests, decoder, max_rows=max_rows):
        if isinstance(event, Decoded):
            number = int(event.id)
            yield number, tuple(event.tokens) == pairs[number].text


def _request(number: int, pair: Pair) -> Request:
    prompt = (Segment("template", pair.prompt),) if pair.prompt else ()
    return Request(str(number), prompt, len(pair.text))
