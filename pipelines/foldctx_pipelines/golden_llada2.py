"""Golden vectors of LLaDA2: logits under the block mask and without it, experts, generations."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from foldctx.decoding import (
    AnyOf,
    BlockCausalCache,
    Cache,
    Decoded,
    Decoder,
    Elastic,
    EosInBlock,
    FirstEos,
    NoCache,
    Proposer,
    Request,
    Segment,
    Stop,
    ThresholdOrQuota,
    decode,
)
from foldctx.models.experts import Router
from foldctx.models.forward import Feed
from foldctx_pipelines.golden_recorded import (
    TOLERANCE,
    Case,
    Recorded,
    case_feeds,
    check_arrays,
    difference,
    hidden,
    read_form,
)


def check_llada2(folder: Path) -> Iterator[Case]:
    """Everything in the folder."""
    blocks = load_file(folder / "logits.safetensors")["block_ids"].long()

    def with_blocks(name: str, feeds: list[Feed]) -> list[Feed]:
        if "bidirectional" in name:
            return feeds
        return [replace(feed, blocks=blocks) for feed in feeds]

    yield from check_arrays(folder, with_blocks)
    yield from _check_experts(folder, blocks)
    yield from _check_generate(folder)


def _check_experts(folder: Path, blocks: Tensor) -> Iterator[Case]:
    """The experts that each layer's router chose, and their weights."""
    recorded = Recorded(folder)
    arrays = load_file(folder / "logits.safetensors")
    seen: dict[int, tuple[Tensor, Tensor]] = {}

    def note(number: int) -> "torch.utils.hooks.RemovableHandle":
        def hook(router: nn.Module, given: object, chosen: tuple[Tensor, Tensor]) -> None:
            seen[number] = chosen

        return routers[number].register_forward_hook(hook)

    routers = {
        number: module
        for number, layer in enumerate(recorded.model.layers)
        for module in layer.modules()
        if isinstance(module, Router)
    }
    cases = sorted({name.partition("_")[0] for name in arrays if name.endswith("_expert_ids")})
    for case in cases:
        feeds, _ = case_feeds(arrays, case)
        handles = [note(number) for number in routers]
        hidden(
            recorded.model,
            [replace(feed, blocks=blocks) for feed in feeds],
            recorded.model.dims.layers,
        )
        for handle in handles:
            handle.remove()
        for number, (ids, weights) in seen.items():
            name = f"{case}_layer{number}_expert"
            expected = arrays[f"{name}_ids"].flatten(0, 1).long()
            apart = (weights - arrays[f"{name}_weights"].flatten(0, 1)).abs().max()
            problem = None
            if not torch.equal(ids, expected):
                row = int((ids != expected).any(1).nonzero()[0])
                problem = f"token {row}: experts {expected[row].tolist()}, got {ids[row].tolist()}"
            elif float(apart) > TOLERANCE:
                problem = f"weights differ by {float(apart):.2e}, more than {TOLERANCE:.0e}"
            yield Case(f"{folder.name}/{name}s", problem)


def _check_generate(folder: Path) -> Iterator[Case]:
    """Tokens, forwards and tokens fed, without a cache and with the exact one."""
    recorded = Recorded(folder)
    for case in read_form(folder / "manifest.json")["generation_cases"]:
        name = f"{folder.name}/{case['id']}"
        if case["temperature"]:
            yield Case(name, None, "draws random numbers of torch's global generator")
            continue
        for cache in (NoCache(), BlockCausalCache()):
            problem = _generate(recorded, case, cache)
            label = "" if isinstance(cache, NoCache) else ", exact cache"
            yield Case(name + label, problem)


def _generate(recorded: Recorded, case: Mapping[str, Any], cache: Cache) -> str | None:
    steps = min(case["steps"], case["gen_length"] // case["minimal_topk"])
    stops: tuple[Stop, ...] = (EosInBlock(),)
    if case["eos_early_stop"]:
        stops = (FirstEos(), EosInBlock())
    decoder = Decoder(
        Elastic(near=0, terminal=False),
        cache,
        Proposer(),
        ThresholdOrQuota(case["threshold"], steps),
        AnyOf(stops),
        case["block_length"],
    )
    problems = []
    for row, ids in enumerate(case["prompt"]):
        request = Request(str(row), (Segment("template", tuple(ids)),), case["gen_length"])
        recorded.forget()
        (got,) = (e for e in decode(recorded, [request], decoder) if isinstance(e, Decoded))
        expected = case["generated_ids"][row]  # ends with the first end of sequence
        end = min(got.text_length + 1, len(got.tokens))
        problems.append(difference(got, ("token", got.tokens[:end], expected)))
        if recorded.calls != case["forward_calls"]:
            problems.append(f"{case['forward_calls']} forwards, got {recorded.calls}")
        fed = [length for lengths in recorded.fed for length in lengths]
        if isinstance(cache, NoCache) and fed != case["fed_lengths"]:
            problems.append(f"fed {case['fed_lengths']}, got {fed}")
    return "; ".join(problem for problem in problems if problem) or None
