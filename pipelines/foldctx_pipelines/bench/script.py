"""Scripted decoding: thresholds mean nothing on random weights, so what is committed is given.

The wrappers are objects for the decoder's own seams; the loop, the feeds and the caches are real.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from foldctx.decoding import Decoder, Predictor
from foldctx.decoding.commit import BlockStep, Commit
from foldctx.errors import UsageError
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo

_FAR = 1e4  # a logit that decides, and is finite in every type


@dataclass(frozen=True, slots=True)
class Schedule:
    """Commits of a block's successive forwards; the last number goes on until the block is done."""

    commits: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        if not self.commits or min(self.commits) < 1:
            raise UsageError(f"schedule {self.commits}: give whole numbers of at least 1")

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """From a number, or the name of a file of numbers between white space."""
        try:
            if not text.isdigit():
                text = Path(text).read_text("utf-8")
            return cls(tuple(int(number) for number in text.split()))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"schedule: {error}; give a number of commits per forward, or a file of them"
            ) from None

    def at(self, step: int) -> int:
        """Commits of a block's forward `step`."""
        return self.commits[min(step, len(self.commits) - 1)]


@dataclass(frozen=True, slots=True)
class ScriptedCommit(Commit):
    """Commits the first masks of the block, so many as the schedule says.

    `rule` is asked as well, since its cost belongs to the method, and not obeyed.
    """

    rule: Commit
    schedule: Schedule

    @property
    def needs_probability(self) -> bool:
        """If the rule does."""
        return self.rule.needs_probability

    @property
    def scheduled(self) -> bool:
        """By the script."""
        return True

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """The first ones."""
        self.rule.select(confidence, at)
        return torch.arange(min(self.schedule.at(at.step), confidence.numel()))


def scripted(decoder: Decoder, schedule: Schedule) -> Decoder:
    """The decoder, committing by a script."""
    return replace(decoder, commit=ScriptedCommit(decoder.commit, schedule))


@dataclass(slots=True)
class Ending:
    """A predictor whose text ends at one position id and nowhere else; notes every forward's size.

    `forwards` counts (rows that ran through the layers, rows of the head): rows that a feature
    cache took from earlier forwards are left out, averaged over the layers.
    """

    predictor: Predictor
    end: int | None = None
    forwards: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def info(self) -> ModelInfo:
        """As the predictor's."""
        return self.predictor.info

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        """The predictor's logits, but for the end tokens."""
        info = self.info
        found = self.predictor.predict(feeds)
        reused = sum(feed.cache.rows_reused for feed in feeds) / max(info.layers, 1)
        heads = sum(feed.logit_rows.numel() for feed in feeds)
        self.forwards[round(sum(map(len, feeds)) - reused), heads] += 1
        for feed, logits in zip(feeds, found, strict=True):
            logits[:, list(info.stop_ids)] = -_FAR
            if self.end is not None:
                at = (feed.positions[feed.logit_rows] == self.end).nonzero().flatten()
                logits[at.to(logits.device), info.eos_id] = _FAR
        return found
