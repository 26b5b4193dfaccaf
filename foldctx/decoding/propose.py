"""Propose seam: from logits to one token and one confidence per masked position."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from foldctx.errors import UsageError
from foldctx.models.info import ModelInfo
from foldctx.numeric import check_numbers

Remasking = Literal["low_confidence", "random", "margin", "entropy"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """For m masked positions: `tokens` (m,), `confidence` (m,), higher is surer.

    `logits` (m, V) are those the tokens were chosen from, before noise, and `norm` (m,) the log of
    the sum of their exponentials.
    """

    tokens: Tensor
    confidence: Tensor
    logits: Tensor
    norm: Tensor

    def probability(self, row: int, ids: Sequence[int]) -> list[float]:
        """Probability of each id at the row, over all output columns."""
        chosen = self.logits[row, torch.tensor(ids, device=self.logits.device)]
        values: list[float] = (chosen - self.norm[row]).exp().tolist()
        return values

    def gaps(self) -> Tensor:
        """The best logit's lead (m,) over the second."""
        best = self.logits.topk(2, dim=-1).values  # (m, 2)
        return best[:, 0] - best[:, 1]


@dataclass(frozen=True, slots=True)
class HostProposal:
    """A proposal on the host: `tokens` and `confidence` (m,), and what the stop asked to see."""

    tokens: Tensor
    confidence: Tensor
    watched: Mapping[int, Mapping[int, float]]
    gaps: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request stands before a proposal.

    `sources` are the token runs of its notes and chunks, `written` the generation by offset (None
    for a mask), `offsets` those that the rows of the logits are for, `ends` the ids that end a text.
    """

    sources: tuple[tuple[int, ...], ...]
    written: tuple[int | None, ...]
    offsets: tuple[int, ...]
    ends: tuple[int, ...]


def gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    """Gumbel noise of `like`'s shape, in float64: in float32 it favours likely tokens.

    (arXiv 2409.02908.) Drawn on the host, so that a seed means the same on every device.
    """
    uniform = torch.rand(like.shape, dtype=torch.float64, generator=generator).to(like.device)
    return -(-uniform.log()).log()


class Propose(Protocol):
    """Turns a request's logits into a proposal."""

    @property
    def wants_place(self) -> bool:
        """Whether `at` looks at its place."""
        return False

    def at(self, place: Place) -> "Propose":
        """The proposer of one forward, where what was written matters."""
        return self

    @property
    def branches(self) -> int:
        """Feeds per forward: 1, or 2 when a second one without the prompt guides the first."""
        ...

    @property
    def guidance_interval(self) -> int:
        """Forwards between those that feed the second branch."""
        return 1

    @property
    def is_probability(self) -> bool:
        """Whether the confidence is one, so that a threshold means something."""
        ...

    @property
    def is_uniform(self) -> bool:
        """Whether the confidence is a random number between 0 and 1, and nothing of the model's."""
        return False

    def __call__(
        self, logits: Sequence[Tensor], info: ModelInfo, generator: torch.Generator
    ) -> Proposal:
        """A proposal from one (m, V) tensor per branch."""
        ...


@dataclass(frozen=True, slots=True)
class Proposer(Propose):
    """The proposal of LLaDA's sampler (arXiv 2502.09992, `generate`), ranked by `remasking`.

    `cfg_scale > 0` guides by a second feed whose prompt is masked: one forward, twice the tokens.
    `cfg_interval` lets so many forwards share what the second feed took away from the first, after
    the first five (dLLM-Cache, arXiv 2506.06295).
    `logits_eos_inf`: end-of-sequence is never proposed. `confidence_eos_eot_inf`: proposals of an
    end token rank last; with a temperature only end-of-turn does, as in the reference. The mask
    token is never proposed, since a commit of it would decode nothing; it stays in the softmax.
    Raises UsageError for values outside their range.
    """

    temperature: float = 0.0
    cfg_scale: float = 0.0
    logits_eos_inf: bool = False
    confidence_eos_eot_inf: bool = False
    remasking: Remasking = "low_confidence"
    cfg_interval: int = 1

    def __post_init__(self) -> None:
        check_numbers(self)
        if not 0 <= self.temperature < float("inf"):
            raise UsageError(f"temperature={self.temperature} must be a number of at least 0")
        if not 0 <= self.cfg_scale < float("inf"):
            raise UsageError(f"cfg_scale={self.cfg_scale} must be a number of at least 0")
        if self.cfg_interval < 1:
            raise UsageError(f"cfg_interval={self.cfg_interval}; it must be at least 1")
        if self.cfg_interval > 1 and self.cfg_scale == 0:
            raise UsageError(f"cfg_interval={self.cfg_interval} without guidance; set cfg_scale")
        if self.remasking not in get_args(Remasking):
            choices = ", ".join(get_args(Remasking))
            raise UsageError(f"remasking={self.remasking!r}: choose from {choices}")

    @property
    def branches(self) -> int:
        """Two with guidance."""
        return 2 if self.cfg_scale > 0 else 1

    @property
    def guidance_interval(self) -> int:
        """As it was asked for."""
        return self.cfg_interval

    @property
    def is_probability(self) -> bool:
        """True of the probability of the token and of its margin over the next."""
        return self.remasking in ("low_confidence", "margin")

    @property
    def is_uniform(self) -> bool:
        """As `remasking` says."""
        return self.remasking == "random"

    def __call__(
        self, logits: Sequence[Tensor], info: ModelInfo, generator: torch.Generator
    ) -> Proposal:
        """Guide, choose and rank; ties between ids go to the lowest (argmax returns the first)."""
        raw = logits[0].to(torch.promote_types(logits[0].dtype, torch.float32), copy=True)
        if self.cfg_scale > 0:
            unguided = logits[1].to(raw.dtype)
            raw = unguided + (self.cfg_scale + 1) * (raw - unguided)
        if self.logits_eos_inf:
            raw[:, info.eos_id] = -torch.inf
        norm = raw.logsumexp(-1)
        raw[:, info.mask_id] = -torch.inf
        noisy = raw
        if self.temperature > 0:
            noisy = raw.double() + self.temperature * gumbel(raw, generator)
        tokens = noisy.argmax(-1)
        return Proposal(tokens, self._confidence(raw, norm, tokens, info, generator), raw, norm)

    def _confidence(
        self,
        raw: Tensor,
        norm: Tensor,
        tokens: Tensor,
        info: ModelInfo,
        generator: torch.Generator,
    ) -> Tensor:
        if self.remasking == "random":
            draw = torch.rand(tokens.shape, dtype=torch.float64, generator=generator)
            return draw.to(raw.device)
        if self.confidence_eos_eot_inf:
            # The reference's chained assignment writes the end of sequence into the noisy logits
            # and the end of turn into the clean ones: at temperature 0 these are one tensor.
            demoted = info.stop_ids if self.temperature == 0 else info.stop_ids[1:]
            raw = raw.index_fill(1, torch.tensor(demoted, device=raw.device), -torch.inf)
            norm = raw.logsumexp(-1)
        if self.remasking == "low_confidence":
            return (raw.gather(1, tokens[:, None]).squeeze(1) - norm).exp()
        probabilities = (raw - norm[:, None]).exp()
        if self.remasking == "entropy":
            spread: Tensor = torch.special.entr(probabilities).sum(-1)
            return -spread
        best: Tensor = probabilities.topk(2, dim=-1).values  # (m, 2)
        return best[:, 0] - best[:, 1]
