"""A prior for answers that stand in the prompt: what was begun to be copied goes on.

A small model finds where an answer begins long before it copies names and numbers without a slip.
Where the answer is written from its start, a copy that has begun can only go on with what follows
it in the source, or end; these get `gain` nats more than all else when the token is chosen (the copy
distribution of pointer-generator networks, arXiv 1704.04368, with the source positions that agree
with all that is written instead of learnt ones). Copies are of whole words: inside one the gain is
four times as high. Where answers may be lists, a copy that may end may be followed by another one:
whether it is, is left to the model. The confidence stays the model's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from foldctx.decoding.prior import Prior
from foldctx.decoding.propose import Place, Proposal, Propose
from foldctx.models.info import ModelInfo
from foldctx.models.words import Words

_IN_A_WORD = 4  # times the gain


@dataclass(frozen=True, slots=True)
class Copying(Prior):
    """Writes from the start, one token a forward, and prefers what stands in notes and chunks.

    `breaks` are ids of the source that no copy crosses or holds (labels of notes), `refusal` an id
    that may be written at the start in place of a copy. `words` keeps copies to whole words (None:
    any tokens), and `joint` is the id between the copies of a list (None: there is one copy only).
    A small model ends and refuses too soon: `end_bias` and `refusal_bias` are the nats by which
    these must be likelier, a joint as an end. Raises UsageError for a gain or a bias below 0.
    """

    breaks: frozenset[int]
    refusal: int | None = None
    gain: float = 5.0
    words: Words | None = None
    end_bias: float = 0.0
    refusal_bias: float = 0.0
    joint: int | None = None

    def __post_init__(self) -> None:
        Prior.__post_init__(self)
        self._check("gain", "end_bias", "refusal_bias")

    @property
    def wants_place(self) -> bool:
        """Always."""
        return True

    def at(self, place: Place) -> Propose:
        """The proposer that knows what is written and what it may be copied from."""
        head = next((o for o in sorted(place.offsets) if place.written[o] is None), None)
        if head is None:
            return self.inner
        written = place.written[:head]
        if any(token is None for token in written):
            return self.inner
        return _Bound(self.inner, place.offsets.index(head), self._preferred(place, written))

    def _preferred(self, place: Place, written: tuple[int | None, ...]) -> dict[int, float]:
        """The nats of ids that go on with the copy, or end it; none where this is no copy."""
        whole = self._goes_on(place, written)
        last = self._last(written)
        if last is None or (whole and not set(place.ends) & set(whole)):
            return whole  # half a word is no answer, and goes on in no other way
        return self._goes_on(place, last) | whole

    def _last(self, written: tuple[int | None, ...]) -> tuple[int | None, ...] | None:
        """What is written of the last copy of a list; None where this is no list."""
        if self.joint is None or self.joint not in written[1:]:
            return None
        return written[len(written) - written[::-1].index(self.joint) :]

    def _goes_on(self, place: Place, written: tuple[int | None, ...]) -> dict[int, float]:
        """The nats of ids that go on with one copy."""
        found, over, copied, wide = set[int](), False, not written, len(written)
        for source in place.sources:
            for start in range(len(source) - max(wide, 1) + 1):
                if source[start : start + wide] != written:
                    continue
                if self.words and not self.words.begins(source, start, self.breaks):
                    continue
                copied, after = True, start + wide
                if after < len(source) and source[after] not in self.breaks:
                    found.add(source[after])
                over |= self.words is None or self.words.ends(source, after, self.breaks)
        if not copied:
            return {}
        if wide and not over:
            return dict.fromkeys(found, _IN_A_WORD * self.gain)
        gains = dict.fromkeys(found, self.gain)
        if wide:
            joints = () if self.joint is None else (self.joint,)
            gains |= dict.fromkeys((*place.ends, *joints), self.gain - self.end_bias)
        if place.written[0] is None and self.refusal is not None:
            gains[self.refusal] = self.gain - self.refusal_bias
        return gains

    def __call__(
        self, logits: Sequence[Tensor], info: ModelInfo, generator: torch.Generator
    ) -> Proposal:
        """Without a place there is nothing to copy from."""
        return self.inner(logits, info, generator)


@dataclass(frozen=True, slots=True)
class _Bound(Prior):
    """The prior at one place: row `head` of the logits is where the text goes on."""

    head: int
    preferred: Mapping[int, float]

    def __call__(
        self, logits: Sequence[Tensor], info: ModelInfo, generator: torch.Generator
    ) -> Proposal:
        """Raise the preferred ids in the row; the rows behind it wait for their turn."""
        ids = torch.tensor([*self.preferred], dtype=torch.long, device=logits[0].device)
        row = slice(self.head, self.head + 1)
        raised = [branch[row].index_add(1, ids, self._gains(branch)) for branch in logits]
        token = self.inner(raised, info, generator).tokens[0]
        plain = self.inner(logits, info, generator)
        tokens, confidence = plain.tokens.clone(), torch.zeros_like(plain.confidence)
        tokens[self.head] = token
        confidence[self.head] = (plain.logits[self.head, token] - plain.norm[self.head]).exp()
        return replace(plain, tokens=tokens, confidence=confidence)

    def _gains(self, logits: Tensor) -> Tensor:
        return logits.new_tensor([[*self.preferred.values()]])
