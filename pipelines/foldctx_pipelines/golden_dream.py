"""Golden vectors of Dream: logits as the network gives them, and `diffusion_generate`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from foldctx.decoding import Decoded, Decoder, Never, NoCache, Request, Segment, WholeCanvas, decode
from foldctx.decoding.commit import BlockStep
from foldctx.decoding.propose import Remasking
from foldctx.decoding.tempered import Tempered
from foldctx.decoding.timesteps import Timesteps
from foldctx_pipelines.golden_recorded import (
    Case,
    Recorded,
    check_arrays,
    difference,
    read_form,
)

# Dream's names for its rankings.
ALGS: Mapping[str, Remasking] = {
    "maskgit_plus": "low_confidence",
    "topk_margin": "margin",
    "entropy": "entropy",
}


@dataclass(frozen=True, slots=True)
class TopK(Timesteps):
    """Dream's schedule, with ties at the cut broken as the reference's torch.topk breaks them.

    A filter that leaves one token gives confidences of exactly 1, so ties are common; ours go to the
    lowest position. The order of torch.topk among equals depends on the whole vector, so this keeps
    which of the `width` columns of its one request are still masks.
    """

    prompt: int = 0
    width: int = 0
    left: list[int] = field(default_factory=list)

    def select(self, confidence: Tensor, at: BlockStep) -> Tensor:
        """As many as the schedule says."""
        if at.step == 0:
            self.left[:] = range(self.prompt, self.width)
        # The base class by name: a dataclass with slots is another class than super() knows.
        count = Timesteps.select(self, confidence, at).numel()
        if not count:
            return torch.empty(0, dtype=torch.long)
        whole = torch.full((1, self.width), -torch.inf)
        whole[0, self.left] = confidence.float()
        taken = torch.topk(whole, count).indices[0].tolist()
        chosen = [self.left.index(column) for column in taken]
        self.left[:] = [column for column in self.left if column not in taken]
        return torch.tensor(chosen)


def check_dream(folder: Path) -> Iterator[Case]:
    """Everything in the folder."""
    yield from check_arrays(folder)
    recorded = Recorded(folder)
    for case in read_form(folder / "manifest.json")["generation_cases"]:
        name = f"{folder.name}/{case['id']}"
        if case["temperature"] or case["alg_temp"] or case["alg"] == "origin":
            yield Case(name, None, "draws random numbers of torch's global generator")
            continue
        problems = [problem for row in _rows(recorded, case) for problem in row if problem]
        yield Case(name, "; ".join(problems) or None)


def _rows(recorded: Recorded, case: Mapping[str, Any]) -> Iterator[Sequence[str | None]]:
    """What is wrong with each row of a batch, decoded by itself: positions begin behind padding."""
    length = case["max_new_tokens"]
    propose = Tempered(case["temperature"], case["top_p"], case["top_k"], ALGS[case["alg"]])
    for row, ids in enumerate(case["prompt"]):
        pads = case["attention_mask"][row].index(1) if case["attention_mask"] else 0
        commit = TopK(case["steps"], case["eps"], prompt=len(ids), width=len(ids) + length)
        decoder = Decoder(WholeCanvas(), NoCache(), propose, commit, Never(), length)
        request = Request(str(row), (Segment("template", tuple(ids[pads:])),), length)
        recorded.forget()
        (got,) = (e for e in decode(recorded, [request], decoder) if isinstance(e, Decoded))
        expected = case["filled_at_step"][row]
        wrong = None if recorded.calls == case["steps"] else f"{recorded.calls} forwards"
        yield (
            difference(
                got,
                ("token", got.tokens, case["generated_ids"][row]),
                ("filled_at_step", got.filled_at, expected),
            ),
            wrong,
        )
