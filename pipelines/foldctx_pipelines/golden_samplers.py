"""Golden vectors of whole samplers: LLaDA's, Fast-dLLM's, Streaming-dLLM's and Prophet's."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from foldctx.decoding import (
    Bounded,
    Cache,
    Commit,
    Converged,
    Decoded,
    Decoder,
    DualCache,
    DynamicThreshold,
    EosInBlock,
    Factor,
    Never,
    NoCache,
    PrefixCache,
    Proposer,
    Quota,
    Request,
    Segment,
    SuffixWindow,
    Threshold,
    WholeCanvas,
    decode,
    decode_one,
    preset,
)
from foldctx.models.forward import Feed
from foldctx_pipelines.golden_recorded import Case, Recorded, difference, read_form

Form = Mapping[str, Any]


class Watched(Recorded):
    """A recorded checkpoint that keeps the positions of every feed."""

    def __init__(self, folder: Path, manifest: Form) -> None:
        """Load the checkpoint that a manifest in `folder` names."""
        super().__init__((folder / manifest["weights"]).resolve().parent)
        self.positions: list[list[int]] = []

    def forget(self) -> None:
        """Count from zero."""
        super().forget()
        self.positions = []

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        """One forward, counted, its positions kept."""
        self.positions += [feed.positions.tolist() for feed in feeds]
        return super().predict(feeds)


def requests(case: Form) -> Iterator[Request]:
    """One request per row of a batch: padding is dropped, positions start behind it."""
    masks = case.get("attention_mask")
    for row, ids in enumerate(case["prompt"]):
        pads = masks[row].index(1) if masks else 0
        prompt = (Segment("template", tuple(ids[pads:])),)
        yield Request(str(row), prompt, case["gen_length"], first_position=pads)


def llada(folder: Path) -> Iterator[Case]:
    """LLaDA's sampler: tokens, the forward that filled each, and the number of forwards."""
    manifest = read_form(folder / "manifest.json")
    predictor = Watched(folder, manifest)
    options = ("block_length", "steps", "temperature", "cfg_scale", "remasking")
    flags = ("logits_eos_inf", "confidence_eos_eot_inf")
    for case in manifest["cases"]:
        decoder = preset("exact", **{name: case[name] for name in options + flags})
        predictor.forget()
        problems = []
        for event in decode(predictor, requests(case), decoder, max_rows=len(case["prompt"])):
            if isinstance(event, Decoded):
                row = int(event.id)
                tokens, filled = case["generated_ids"][row], case["filled_at_call"][row]
                compared = (
                    ("token", event.tokens, tokens),
                    ("filled_at_call", event.filled_at, filled),
                )
                problems.append(difference(event, *compared))
        problems.append(_count(predictor.calls, case["forward_calls"]))
        yield told(folder, case, problems)


def _count(got: int, expected: int) -> str | None:
    return None if got == expected else f"{expected} forwards, got {got}"


def told(folder: Path, case: Form, problems: Sequence[str | None]) -> Case:
    """The case with all its problems in one line."""
    problem = "; ".join(problem for problem in problems if problem)
    return Case(f"{folder.name}/{case['id']}", problem or None)


def _ranges(positions: Sequence[int]) -> list[list[int]]:
    """Half-open ranges of positions, in order."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and runs[-1][1] == position:
            runs[-1][1] += 1
        else:
            runs.append([position, position + 1])
    return runs


def compare(predictor: Watched, case: Form, decoder: Decoder) -> tuple[Decoded, list[str | None]]:
    """A case of one row, with what differs in tokens, forwards and, where given, positions."""
    predictor.forget()
    (request,) = requests(case)
    got = decode_one(predictor, request, decoder)
    filled = case.get("filled_at_call")
    tokens = case["generated_ids"]
    tokens = tokens[0] if isinstance(tokens[0], list) else tokens
    if filled is not None:
        filled = filled[0] if isinstance(filled[0], list) else filled
        # A position that no forward filled is a mask there and end-of-sequence here.
        tokens = [
            predictor.info.eos_id if at is None else token
            for token, at in zip(tokens, filled, strict=True)
        ]
    problems = [difference(got, ("token", got.tokens, tokens))]
    problems.append(_count(len(predictor.positions), case["forward_calls"]))
    if "positions_fed" in case:
        fed = [_ranges(positions) for positions in predictor.positions]
        wrong = [i for i, ranges in enumerate(case["positions_fed"]) if ranges != fed[i : i + 1][0]]
        problems.append(f"other positions fed in forwards {wrong}" if wrong else None)
    if filled is not None and not case.get("masks_left_in_output"):
        ours = [None if at < 0 else at for at in got.filled_at]
        problems.append(None if ours == filled else f"filled_at_call {filled}, got {ours}")
    return got, problems


def _rule(case: Form, threshold: Commit | None) -> Commit:
    if case["factor"] is not None:
        return Factor(case["factor"], compat=True)
    return threshold if threshold is not None else Quota(case["steps"], idle=False)


def fast_dllm(folder: Path) -> Iterator[Case]:
    """Both versions of Fast-dLLM; the bounds on a block's forwards are each version's own.

    The first version looks at a block twice where it has a cache; the second gives a block of its
    dual cache no more than its steps, and leaves the masks that are then left. The forward that
    filled a token is not compared where masks are left, since the recording saw such tokens late.
    """
    caches: Mapping[str, Cache] = {
        "generate": NoCache(),
        "generate_with_prefix_cache": PrefixCache(),
        "generate_with_dual_cache": DualCache(),
    }
    for path in sorted(folder.glob("manifest*.json")):
        manifest = read_form(path)
        first_version = not manifest["produced_by"]["file"].startswith("v1/")
        predictor = Watched(folder, manifest)
        for case in manifest["cases"]:
            cache, tau = caches[case["function"]], case["threshold"]
            commit = _rule(case, None if tau is None else Threshold(tau))
            if first_version and cache != NoCache():
                commit = Bounded(commit, least=2)
            elif not first_version and cache == DualCache():
                commit = Bounded(commit, steps=case["steps"])
            by = Decoder(WholeCanvas(), cache, Proposer(), commit, Never(), case["block_length"])
            yield told(folder, case, compare(predictor, case, by)[1])


def streaming(folder: Path) -> Iterator[Case]:
    """Streaming-dLLM with its prefix cache, the only function of it that runs."""
    manifest = read_form(folder / "manifest.json")
    predictor = Watched(folder, manifest)
    for case in manifest["cases"]:
        tau, alpha = case["threshold"], case["confidence_alpha"]
        commit = _rule(case, None if tau is None else DynamicThreshold(tau, alpha))
        feed = SuffixWindow(case["window_size"])
        by = Decoder(feed, PrefixCache(), Proposer(), commit, EosInBlock(), case["block_length"])
        yield told(folder, case, compare(predictor, case, by)[1])


def prophet(folder: Path) -> Iterator[Case]:
    """Prophet: tokens, and the step at which it decides that the answer has settled."""
    manifest = read_form(folder / "manifest.json")
    predictor = Watched(folder, manifest)
    for case in manifest["cases"]:
        answer = case["answer_start_pos"] - len(case["prompt"][0])
        stop = Converged(**case["thresholds"], answer=answer, length=case["answer_length"])
        propose, quota = Proposer(), Quota(case["steps"])
        by = Decoder(WholeCanvas(), NoCache(), propose, quota, stop, case["block_length"])
        got, problems = compare(predictor, case, by)
        exits = case["exit_info"]["early_exit_triggered"]
        if exits != (got.finished == "converged"):
            problems.append(f"early exit {exits}, but it finished by {got.finished}")
        yield told(folder, case, problems)
