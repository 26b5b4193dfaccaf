"""One request under way: its canvas, caches, generator and counters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from foldctx.decoding.asking import Asked, ask
from foldctx.decoding.attended import Attended
from foldctx.decoding.cache import CacheState, Reuse
from foldctx.decoding.canvas import Canvas
from foldctx.decoding.commit import BlockStep
from foldctx.decoding.decoder import Decoder
from foldctx.decoding.events import Decoded, Finished, Step, Usage, text_length
from foldctx.decoding.guidance import Guidance
from foldctx.decoding.layout import Layout
from foldctx.decoding.propose import HostProposal, Place, Proposal
from foldctx.decoding.requests import check_tokens
from foldctx.decoding.segments import Fold, Request
from foldctx.decoding.share import branch_feed, check_window, cost_of
from foldctx.decoding.stop import Progress, merge_watch
from foldctx.errors import FoldctxError
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo


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
        branches = decoder.propose.branches
        self._guidance = Guidance(branches, decoder.propose.guidance_interval)
        self._caches: list[CacheState] = [decoder.cache.open() for _ in range(branches)]
        self._plans: list[Reuse] = []
        self._asked = Asked()
        self._note: Attended | None = None
        self._attended = torch.zeros(len(self.canvas), dtype=torch.float64)
        generated = self.canvas.gen_length
        self._confidences = torch.zeros(generated, dtype=torch.float64)
        self._filled_at = torch.full((generated,), -1)
        self._masks_at_start = generated - len(request.pinned)
        self._planned = decoder.commit.planned(self._masks_at_start)
        self._layout: Layout | None = None
        self._enter_block(0)
        self._check()

    def _enter_block(self, block: int) -> None:
        """Go to the first block from `block` on that has a mask, or finish."""
        while block < self.canvas.blocks:
            masks = self.canvas.masked(block).numel()
            if masks:
                self._block, self._step, self._layout, self._masks = block, 0, None, masks
                self._settled = 0
                return
            block += 1
        self.finished = "length"

    def _check(self) -> None:
        check_tokens(self.request, self.watch, self._watchable(), self.info)
        self.decoder.commit.check(self.request, self.canvas.blocks)
        self.decoder.stop.check(self.request)
        self.canvas.check(self.decoder.feed.reserve, self.decoder.span)

    def _watchable(self) -> list[int]:
        """Offsets whose probabilities can be watched: on a grid, the first block may be short."""
        if self.canvas.grid is not None:
            return self._left()
        first: list[int] = (self.canvas.masked(0) - self.canvas.prompt_length).tolist()
        return first

    def begin(self) -> list[Fold]:
        """Lay the block out if it is new; returns the folds this took."""
        if self._layout is not None:
            return []
        feed, span = self.decoder.feed, self.decoder.span
        self._layout, folds = self.canvas.open(self._block, feed, span, self._attended)
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
        first = self._caches[0].plan(layout, self._step)
        looks = self.decoder.stop.look(self._left(), self.canvas.gen_length)
        asked = ask(self.canvas, self._block, layout, first.rows, looks)
        if self.decoder.commit.edits:
            asked = replace(asked, edits=self.canvas.editable(self._block))
        branches = self._guidance.due(self.usage.forwards, asked.indices.tolist())
        if branches == 2 and self._guidance.keeps:
            fed = layout.indices[first.rows]
            asked = asked.also(fed[self.canvas.tokens[fed] == self.canvas.mask_id])
        self._asked = asked
        others = (cache.plan(layout, self._step) for cache in self._caches[1:branches])
        self._plans = [self._noting(first), *others]
        feeds = [
            branch_feed(self.canvas, layout, plan, asked, branch)
            for branch, plan in enumerate(self._plans)
        ]
        cost = cost_of(layout, feeds, self._plans)
        check_window(f"request {self.request.id!r}, block {self._block}", cost, self.info)
        self.usage += cost
        return feeds

    def _left(self) -> list[int]:
        """Offsets of all masks that are left."""
        generated = self.canvas.tokens[self.canvas.prompt_length :]
        offsets: list[int] = (generated == self.info.mask_id).nonzero().flatten().tolist()
        return offsets

    def _noting(self, plan: Reuse) -> Reuse:
        """The plan, with a note of what is attended to where a span fold will ask for it."""
        if not (self.decoder.span.needs_attention and self.canvas.folds):
            return plan
        self._note = Attended(plan.cache, self.layout, plan.rows.start)
        return Reuse(plan.rows, self._note, plan.keys)

    def propose(self, logits: Sequence[Tensor]) -> Proposal:
        """The proposal for all that was asked, from one (m, V) tensor per branch that was fed."""
        for plan in self._plans:
            self.usage += Usage(
                rows_reused=plan.cache.rows_reused, keys_reused=plan.cache.keys_reused
            )
        if self._note is not None:
            self._attended[self.layout.indices] = self._note.scores
        asked = self._asked.indices.tolist()
        both = self._guidance.complete([x[: len(asked)] for x in logits], asked)
        propose = self.decoder.propose
        if propose.wants_place:
            propose = propose.at(self._place(asked))
        return propose(both, self.info, self._generator)

    def _place(self, asked: Sequence[int]) -> Place:
        prompt = self.canvas.prompt_length
        kinds = ("memory", "chunk", "notes")
        generated: list[int] = self.canvas.tokens[prompt:].tolist()
        return Place(
            sources=tuple(part.tokens for part in self.request.prompt if part.kind in kinds),
            written=tuple(None if token == self.info.mask_id else token for token in generated),
            offsets=tuple(index - prompt for index in asked),
            ends=self.info.stop_ids,
        )

    def read_watched(self, proposal: Proposal) -> Mapping[int, Mapping[int, float]]:
        """Watched probabilities of what is asked for the first time."""
        if self.watched.keys() == self.watch.keys():
            return {}
        offsets = (self._asked.indices - self.canvas.prompt_length).tolist()
        return {
            offset: dict(zip(ids, proposal.probability(offsets.index(offset), ids), strict=True))
            for offset, ids in self.watch.items()
            if offset in offsets and offset not in self.watched
        }

    def read_gaps(self, proposal: Proposal) -> Mapping[int, float]:
        """The best logit's lead at every offset that the stop looked at."""
        if not self._asked.looked:
            return {}
        offsets = (self._asked.indices - self.canvas.prompt_length).tolist()
        gaps = dict(zip(offsets, proposal.gaps().tolist(), strict=True))
        return {offset: gaps[offset] for offset in self._asked.looked}

    def accept(self, proposal: HostProposal) -> Step:
        """Commit, ask the stop, and move on to the next step, the next block or the end."""
        if not bool(proposal.confidence.isfinite().all()):
            raise FoldctxError(
                f"request {self.request.id!r}, forward {self.usage.forwards - 1}: the model's "
                "logits are not finite; its weights or its precision do not serve"
            )
        masks, ratio = self._asked.masks.numel(), self._mask_ratio()
        self._settled += masks == 0
        at = BlockStep(
            self._step,
            self._masks,
            self.canvas.blocks,
            ratio,
            block_length=self.layout.block_length,
            settled=self._settled,
            generator=self._generator,
        )
        chosen = self.decoder.commit.select(proposal.confidence[:masks], at).sort().values
        edited = self._edits(proposal)
        chosen, at = torch.cat((chosen, edited)), replace(at, edited=edited.numel())
        self._write(chosen, proposal)
        if proposal.watched:
            self.watched = {**self.watched, **proposal.watched}
        left = self.canvas.masked(self._block).numel()
        over = self.decoder.commit.done(at, left)
        if (halt := self.decoder.stop(self._progress(proposal, over))) is not None:
            if halt.take:
                chosen = self._take(halt.take, chosen, proposal)
            self.finished = halt.reason
        step = self._step_event(chosen, proposal)
        if self.finished is None and over:
            self._enter_block(self._block + 1)
        else:
            self._step += 1
        return step

    def _mask_ratio(self) -> float:
        """The share of masks among what this forward fed from the block's start on."""
        tail = self.canvas.tokens[self.layout.indices[self.layout.behind :]]
        return float((tail == self.info.mask_id).double().mean())

    def _edits(self, proposal: HostProposal) -> Tensor:
        """Which of the decoded tokens that were asked about are overwritten."""
        start = self._asked.masks.numel()
        part = slice(start, start + self._asked.edits.numel())
        changed = proposal.tokens[part] != self.canvas.tokens[self._asked.edits]
        return self.decoder.commit.revise(proposal.confidence[part], changed) + start

    def _progress(self, proposal: HostProposal, over: bool) -> Progress:
        start, end = self.canvas.bounds(self._block)
        prompt = self.canvas.prompt_length
        if self._planned is not None:
            done = self.usage.forwards / self._planned
        else:
            done = 1 - len(self._left()) / self._masks_at_start
        generated = self.canvas.tokens[prompt:end]
        return Progress(
            generated,
            proposal.watched,
            self.info,
            max(start - prompt, 0),
            proposal.gaps,
            done,
            open=self.decoder.commit.edits and not over,
        )

    def _write(self, chosen: Tensor, proposal: HostProposal) -> None:
        at = self._asked.indices[chosen]
        self.canvas.tokens[at] = proposal.tokens[chosen]
        offsets = at - self.canvas.prompt_length
        self._confidences[offsets] = proposal.confidence[chosen]
        self._filled_at[offsets] = self.usage.forwards - 1

    def _take(self, offsets: Sequence[int], chosen: Tensor, proposal: HostProposal) -> Tensor:
        """Also commit the proposals at these offsets that are masks; returns all that were chosen."""
        asked = (self._asked.indices - self.canvas.prompt_length).tolist()
        left = set(self._left())
        taken = [asked.index(offset) for offset in offsets if offset in left]
        chosen = torch.tensor(sorted({*chosen.tolist(), *taken}))
        self._write(chosen, proposal)
        return chosen

    def _step_event(self, chosen: Tensor, proposal: HostProposal) -> Step:
        self.usage += Usage(committed=chosen.numel())
        order = chosen[self._asked.indices[chosen].argsort()]
        return Step(
            id=self.request.id,
            block=self._block,
            step=self._step,
            forward=self.usage.forwards - 1,
            positions=tuple(self._asked.indices[order].tolist()),
            tokens=tuple(proposal.tokens[order].tolist()),
            confidences=tuple(proposal.confidence[order].tolist()),
        )

    def result(self) -> Decoded:
        """The finished request; masks behind the stop become end-of-sequence.

        What a grid of whole blocks decoded past the length asked for is left out.
        """
        assert self.finished is not None
        length = self.request.gen_length
        generated = self.canvas.tokens[self.canvas.prompt_length :][:length]
        tokens = generated.masked_fill(generated == self.info.mask_id, self.info.eos_id).tolist()
        return Decoded(
            id=self.request.id,
            tokens=tokens,
            text_length=text_length(tokens, self.info),
            confidences=self._confidences[:length].tolist(),
            filled_at=self._filled_at[:length].tolist(),
            watched=self.watched,
            usage=self.usage,
            folds=tuple(self.folds),
            finished=self.finished,
        )
