"""One request under way: its canvas, caches, generator and counters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from foldctx.decoding.cache import CacheState
from foldctx.decoding.canvas import Canvas, Layout
from foldctx.decoding.commit import BlockStep
from foldctx.decoding.decoder import Decoder
from foldctx.decoding.events import Decoded, Finished, Step, Usage, text_length
from foldctx.decoding.propose import Proposal
from foldctx.decoding.segments import Fold, Request
from foldctx.decoding.stop import Progress, merge_watch
from foldctx.errors import FoldctxError, UsageError, WindowError
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo


@dataclass(frozen=True, slots=True)
class HostProposal:
    """A proposal on the host: `tokens` and `confidence` (m,), and the watched probabilities."""

    tokens: Tensor
    confidence: Tensor
    watched: Mapping[int, Mapping[int, float]]


class Row:
    """The state of one request; nothing in it depends on the rows beside it.

    Raises UsageError or WindowError when the request cannot be decoded by this model.
    """

    def __init__(self, request: Request, decoder: Decoder, info: ModelInfo) -> None:
        self.request, self.decoder, self.info = request, decoder, info
        self.canvas = Canvas(request, decoder.block_length, info)
        self.watch = merge_watch(request.watch, decoder.stop.watch())
        self.finished: Finished | None = None
        self.usage = Usage()
        self.folds: list[Fold] = []
        self.watched: Mapping[int, Mapping[int, float]] = {}
        self._generator = torch.Generator().manual_seed(request.seed)
        self._caches: list[CacheState] = [
            decoder.cache.open() for _ in range(decoder.propose.branches)
        ]
        self._confidences = torch.zeros(request.gen_length, dtype=torch.float64)
        self._filled_at = torch.full((request.gen_length,), -1)
        self._layout: Layout | None = None
        self._enter_block(0)
        self._check()

    def _enter_block(self, block: int) -> None:
        """Go to the first block from `block` on that has a mask, or finish."""
        while block < self.canvas.blocks:
            self._masked = self.canvas.masked(block)
            if self._masked.numel():
                self._block, self._step, self._layout = block, 0, None
                self._masks = self._masked.numel()
                return
            block += 1
        self.finished = "length"

    def _check(self) -> None:
        request, info = self.request, self.info
        given = [*request.prompt_tokens, *request.pinned.values()]
        if info.mask_id in given:
            raise UsageError(
                f"request {request.id!r}: the prompt holds the mask token {info.mask_id}; encode "
                "documents and questions as text, without special tokens"
            )
        named = [*given, *(token for ids in self.watch.values() for token in ids)]
        if named and not 0 <= min(named) <= max(named) < info.vocab_size:
            raise UsageError(
                f"request {request.id!r}: token ids {min(named)} to {max(named)} do not all lie in "
                f"the vocabulary of {info.vocab_size} tokens; it was encoded for another model"
            )
        first = set((self._masked - self.canvas.prompt_length).tolist())
        if missing := sorted(set(self.watch) - first):
            raise UsageError(
                f"request {request.id!r}: offset {missing[0]} is not a mask of the first block, so "
                "its probability in the first forward cannot be watched"
            )
        self.decoder.commit.check(request, self.canvas.blocks)
        self.canvas.check(self.decoder.feed.reserve, self.decoder.span)

    def begin(self) -> list[Fold]:
        """Lay the block out if it is new; returns the folds this took."""
        if self._layout is not None:
            return []
        self._layout, folds = self.canvas.open(self._block, self.decoder.feed, self.decoder.span)
        self.folds += folds
        self.usage += Usage(folded=sum(fold.before - fold.after for fold in folds))
        return folds

    @property
    def layout(self) -> Layout:
        """What the block under way may feed; there is one between `begin` and `accept`."""
        assert self._layout is not None
        return self._layout

    def feeds(self) -> list[Feed]:
        """One feed per branch for the next forward, checked against the window and counted."""
        layout = self.layout
        # A quota may outlast the block's masks; its idle forwards still ask for one row.
        asked = self._masked if self._masked.numel() else layout.indices[layout.behind]
        wanted = asked.reshape(-1) - self.canvas.bounds(self._block)[0] + layout.behind
        feeds, cost = [], Usage(forwards=1, position_max=layout.position_max)
        for branch, cache in enumerate(self._caches):
            plan = cache.plan(layout, self._step)
            indices = layout.indices[plan.rows]
            tokens = self.canvas.tokens[indices]
            if branch:  # the unguided branch sees no prompt
                tokens = tokens.masked_fill(indices < self.canvas.prompt_length, self.info.mask_id)
            positions = layout.positions[plan.rows]
            feeds.append(Feed(tokens, positions, wanted - plan.rows.start, plan.key_values))
            fed, rows = indices.numel(), wanted.numel()
            cost += Usage(
                tokens_fed=fed, fed_max=fed, keys_attended=fed * plan.keys, logit_rows=rows
            )
        if cost.fed_max > self.info.window or cost.position_max >= self.info.window:
            raise WindowError(
                f"request {self.request.id!r}, block {self._block}: {cost.fed_max} tokens up to "
                f"position {cost.position_max} do not fit in the window of {self.info.window}"
            )
        self.usage += cost
        return feeds

    def propose(self, logits: Sequence[Tensor]) -> Proposal:
        """The proposal for the block's masks from one (m, V) tensor per branch."""
        masks = self._masked.numel()
        return self.decoder.propose([x[:masks] for x in logits], self.info, self._generator)

    def read_watched(self, proposal: Proposal) -> Mapping[int, Mapping[int, float]]:
        """Watched probabilities of the first forward; empty afterwards."""
        if self.usage.forwards > 1:
            return {}
        offsets = (self._masked - self.canvas.prompt_length).tolist()
        return {
            offset: dict(zip(ids, proposal.probability(offsets.index(offset), ids), strict=True))
            for offset, ids in self.watch.items()
        }

    def accept(self, proposal: HostProposal) -> Step:
        """Commit, ask the stop, and move on to the next step, the next block or the end."""
        if not bool(proposal.confidence.isfinite().all()):
            raise FoldctxError(
                f"request {self.request.id!r}, forward {self.usage.forwards - 1}: the model's "
                "logits are not finite; its weights or its precision do not serve"
            )
        at = BlockStep(self._step, self._masks, self.canvas.blocks)
        chosen = self.decoder.commit.select(proposal.confidence, at).sort().values
        self._write(chosen, proposal)
        end = self.canvas.bounds(self._block)[1]
        progress = Progress(
            self.canvas.tokens[self.canvas.prompt_length : end], proposal.watched, self.info
        )
        if proposal.watched:
            self.watched = proposal.watched
        if (halt := self.decoder.stop(progress)) is not None:
            if halt.take:
                chosen = self._take(halt.take, chosen, proposal)
            self.finished = halt.reason
        step = self._step_event(chosen, proposal)
        self._masked = self.canvas.masked(self._block)
        if self.finished is None and self.decoder.commit.done(at, self._masked.numel()):
            self._enter_block(self._block + 1)
        else:
            self._step += 1
        return step

    def _write(self, chosen: Tensor, proposal: HostProposal) -> None:
        at = self._masked[chosen]
        self.canvas.tokens[at] = proposal.tokens[chosen]
        offsets = at - self.canvas.prompt_length
        self._confidences[offsets] = proposal.confidence[chosen]
        self._filled_at[offsets] = self.usage.forwards - 1

    def _take(self, offsets: Sequence[int], chosen: Tensor, proposal: HostProposal) -> Tensor:
        """Also commit the proposals at these offsets; returns all that were chosen."""
        masked = (self._masked - self.canvas.prompt_length).tolist()
        taken = [masked.index(offset) for offset in offsets]
        chosen = torch.tensor(sorted({*chosen.tolist(), *taken}))
        self._write(chosen, proposal)
        return chosen

    def _step_event(self, chosen: Tensor, proposal: HostProposal) -> Step:
        self.usage += Usage(committed=chosen.numel())
        return Step(
            id=self.request.id,
            block=self._block,
            step=self._step,
            forward=self.usage.forwards - 1,
            positions=tuple(self._masked[chosen].tolist()),
            tokens=tuple(proposal.tokens[chosen].tolist()),
            confidences=tuple(proposal.confidence[chosen].tolist()),
        )

    def result(self) -> Decoded:
        """The finished request; masks behind the stop become end-of-sequence."""
        assert self.finished is not None
        generated = self.canvas.tokens[self.canvas.prompt_length :]
        tokens = generated.masked_fill(generated == self.info.mask_id, self.info.eos_id).tolist()
        return Decoded(
            id=self.request.id,
            tokens=tokens,
            text_length=text_length(tokens, self.info),
            confidences=self._confidences.tolist(),
            filled_at=self._filled_at.tolist(),
            watched=self.watched,
            usage=self.usage,
            folds=tuple(self.folds),
            finished=self.finished,
        )
