"""Checks of a model's decoding: one prompt, the exact sampler beside the preset, and the speed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from foldctx.api import calibration_of
from foldctx.decoding import Decoded, Decoder, Request, Segment, decode_one, preset
from foldctx.folding.layout import segments
from foldctx.folding.prompts import Prompts
from foldctx.folding.reading import for_answer
from foldctx.models.families import FAMILIES
from foldctx.models.load import Model
from foldctx_pipelines.prompts import check_chat, make_prompt, prompt_segments
from foldctx_pipelines.scoring import contains_gold
from foldctx_pipelines.verify.check import Check
from foldctx_pipelines.verify.needle import NEEDLES

CHAT_PROMPTS = (
    "Describe a harbour early in the morning.",
    "What is the capital of France, and which river flows through it?",
)
CHAT_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Sample:
    """All prompts continued by one decoder, and the seconds it took."""

    decoded: Sequence[Decoded]
    seconds: float

    @property
    def tokens(self) -> int:
        """Tokens of text, end tokens and what follows them left out."""
        return sum(one.text_length for one in self.decoded)

    @property
    def forwards(self) -> int:
        """Forward passes of all prompts."""
        return sum(one.usage.forwards for one in self.decoded)

    @property
    def tokens_fed(self) -> int:
        """Tokens fed in all of them."""
        return sum(one.usage.tokens_fed for one in self.decoded)


def requests(model: Model, prompts: Prompts, seed: int = 0) -> list[Request]:
    """Questions about a sentence in the model's own form, and turns of a conversation where it can."""
    rows: list[tuple[tuple[Segment, ...], int]] = []
    for needle in NEEDLES:
        question, note = prompts.text_ids([needle.question, needle.sentence])
        rows.append((segments(prompts.answer(question, [note])), prompts.answer_length))
    chat = FAMILIES[model.info.family].chat
    if check_chat(model.tokenizer, chat, None):
        for text in CHAT_PROMPTS:
            turn = prompt_segments(make_prompt(text, "verify"), model.tokenizer, chat)
            rows.append((turn, CHAT_LENGTH))
    return [Request(str(number), *row, seed=seed) for number, row in enumerate(rows)]


def sample(model: Model, decoders: Sequence[Decoder], asked: Sequence[Request]) -> Sample:
    """Decode the requests one after another, as a single user would see it, each by its decoder."""
    began = time.perf_counter()
    pairs = zip(asked, decoders, strict=True)
    decoded = [decode_one(model, request, decoder) for request, decoder in pairs]
    return Sample(decoded, time.perf_counter() - began)


def _answering(model: Model, decoder: Decoder, asked: Sequence[Request]) -> list[Decoder]:
    """The decoder of each request, set up as for answers of its length."""
    prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
    measured = calibration_of(model.calibration)
    return [for_answer(decoder, prompts, measured, request.gen_length) for request in asked]


def _caches(decoders: Sequence[Decoder]) -> list[dict[str, Any]]:
    """What ran as the cache: `fresh_answers` puts none in the place of the preset's."""
    described = [decoder.describe()["cache"] for decoder in decoders]
    return [cache for i, cache in enumerate(described) if cache not in described[:i]]


def check_prompt(model: Model, decoder: Decoder, seed: int = 0) -> Check:
    """One prompt, twice: the same tokens, none of them a mask, and some text."""
    prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
    asked = requests(model, prompts, seed)[:1]
    settings = _answering(model, decoder, asked)
    first, again = (sample(model, settings, asked).decoded[0] for _ in range(2))
    problems = []
    if first.tokens != again.tokens:
        problems.append("the same prompt gave other tokens the second time")
    if model.info.mask_id in first.tokens:
        problems.append(f"{first.tokens.count(model.info.mask_id)} tokens are still masks")
    text = model.tokenizer.decode(first.text).strip()
    if not text:
        problems.append("the text is empty")
    needle = NEEDLES[0]
    measured = {
        "question": needle.question,
        "sentence": needle.sentence,
        "text": text,
        "right": contains_gold(text, [needle.answer]),
        "text_length": first.text_length,
        "finished": first.finished,
        "forwards": first.usage.forwards,
        "caches": {decoder.name: _caches(settings)},
    }
    demand = "the same tokens twice, no masks left, some text; whether it is right is information"
    return Check.of("prompt", demand, problems, f"{needle.question} {text:.80}", measured)


def _exact(model: Model, decoder: Decoder) -> Decoder:
    """One token a forward and no cache, in the preset's blocks."""
    if model.info.block_grid is None:
        return preset("exact", block_length=decoder.block_length)
    # A block-causal model is fed no masks behind the block.
    return preset("block", cache="none", commit="quota", block_length=decoder.block_length)


def compare(model: Model, decoder: Decoder, seed: int = 0) -> tuple[Check, Check]:
    """The preset beside the exact sampler on the same prompts: agreement, and speed."""
    prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
    asked = requests(model, prompts, seed)
    plain = replace(_exact(model, decoder), stop=decoder.stop)
    ran = [_answering(model, one, asked) for one in (plain, decoder)]
    exact, chosen = (sample(model, decoders, asked) for decoders in ran)
    caches = {name: _caches(own) for name, own in zip(("exact", decoder.name), ran, strict=True)}
    equal = longest = 0
    for one, other in zip(exact.decoded, chosen.decoded, strict=True):
        length = max(one.text_length, other.text_length)
        pairs = zip(one.tokens[:length], other.tokens[:length], strict=True)
        equal, longest = equal + sum(a == b for a, b in pairs), longest + length
    runs = {"exact": exact, decoder.name: chosen}
    speeds = {name: run.tokens / run.seconds for name, run in runs.items()}
    told = ", ".join(f"{name} {speed:.1f}" for name, speed in speeds.items())
    fresh = any(own.cache != decoder.cache for own in ran[1])
    note = " (short answers without its cache: fresh_answers)" if fresh else ""
    return Check(
        "agreement",
        "information",
        f"{decoder.name}{note} gives {equal} of {longest} tokens as the exact sampler, in "
        f"{chosen.forwards} forwards instead of {exact.forwards}",
        measured={
            "agreement": equal / longest if longest else None,
            "equal": equal,
            "tokens": longest,
            "prompts": len(asked),
            "forwards": {name: run.forwards for name, run in runs.items()},
            "tokens_fed": {name: run.tokens_fed for name, run in runs.items()},
            "caches": caches,
        },
    ), Check(
        "speed",
        "information",
        f"tokens of text per second, one prompt at a time: {told}",
        measured={
            "tokens_per_second": speeds,
            "seconds": {name: run.seconds for name, run in runs.items()},
            "text_tokens": {name: run.tokens for name, run in runs.items()},
            "caches": caches,
            "device": str(model.device),
            "dtype": str(model.dtype).removeprefix("torch."),
        },
    )
