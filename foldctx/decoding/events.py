"""What decoding yields: steps, folds and results, with what they cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from foldctx.decoding.segments import Fold
from foldctx.models.info import ModelInfo

Finished = Literal["length", "eos", "skip", "converged"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Counters of one request, or with + of many (`fed_max` and `position_max` take the larger).

    `forwards` counts model calls the request took part in; guidance feeds twice the tokens in one.
    `fed_max` is the most tokens one feed held. `keys_attended` sums, over all fed tokens, the keys
    each attends to. `logit_rows` are the rows the head ran on. `folded` sums tokens taken out of
    the feed by folds. A feature cache takes outputs from earlier forwards: `rows_reused` counts
    (token, layer) pairs, `keys_reused` (query, key, layer) triples of what it did not compute.
    """

    forwards: int = 0
    tokens_fed: int = 0
    fed_max: int = 0
    position_max: int = 0
    keys_attended: int = 0
    logit_rows: int = 0
    committed: int = 0
    folded: int = 0
    rows_reused: int = 0
    keys_reused: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.forwards + other.forwards,
            self.tokens_fed + other.tokens_fed,
            max(self.fed_max, other.fed_max),
            max(self.position_max, other.position_max),
            self.keys_attended + other.keys_attended,
            self.logit_rows + other.logit_rows,
            self.committed + other.committed,
            self.folded + other.folded,
            self.rows_reused + other.rows_reused,
            self.keys_reused + other.keys_reused,
        )


def flops(usage: Usage, *, layers: int, width: int, kv_width: int, mlp: int, vocab: int) -> int:
    """Multiply-adds times two of a LLaDA-like model: projections, gated MLP, attention, head.

    All layers are counted alike, as the papers do; ours skips the rows without logits in the last
    one, so this is slightly more than what runs; of a reused row the value is counted, which finds
    out what to reuse. `kv_width` is heads of keys times head width.
    """
    per_token = 2 * width * (2 * width + 2 * kv_width) + 6 * width * mlp
    attention = 4 * usage.keys_attended * width
    head = 2 * usage.logit_rows * width * vocab
    reused = usage.rows_reused * (per_token - 2 * width * kv_width) + 4 * usage.keys_reused * width
    return layers * (usage.tokens_fed * per_token + attention) + head - reused


@dataclass(frozen=True, slots=True)
class Step:
    """What one forward committed for one request.

    `positions` are canvas indices, ascending; `step` counts within the block and `forward` within
    the request, both from 0.
    """

    id: str
    block: int
    step: int
    forward: int
    positions: tuple[int, ...]
    tokens: tuple[int, ...]
    confidences: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A finished request.

    `tokens`, `confidences` and `filled_at` have one entry per generated position. `filled_at` is the
    forward (from 0) whose logits filled it, or -1 where none did: pinned, or behind the stop, where
    the token is end-of-sequence and the confidence 0. `text_length` counts the tokens before the
    first end-of-sequence or end-of-turn. `watched` maps offsets to the probability of each watched
    id in the first forward. `finished` says what ended it: every position was decoded (length), the
    stop found the text complete (eos), or settled (converged), or the request was skipped after one
    forward (skip).
    """

    id: str
    tokens: list[int]
    text_length: int
    confidences: list[float]
    filled_at: list[int]
    watched: Mapping[int, Mapping[int, float]]
    usage: Usage
    folds: tuple[Fold, ...]
    finished: Finished

    @property
    def text(self) -> list[int]:
        """The tokens before the first end token."""
        return self.tokens[: self.text_length]


Event = Step | Fold | Decoded


def text_length(tokens: list[int], info: ModelInfo) -> int:
    """Tokens before the first end-of-sequence or end-of-turn."""
    return next((i for i, token in enumerate(tokens) if token in info.stop_ids), len(tokens))
