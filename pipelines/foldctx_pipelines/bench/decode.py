"""Decoding speed: the same scripted commits under every preset, on random weights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from foldctx.decoding import Decoded, Decoder, Request, Segment, decode
from foldctx.errors import UsageError
from foldctx.models.load import Model
from foldctx.records import DECODE_SCHEMA
from foldctx_pipelines.bench.measure import PeakMemory, Seconds, Spread, Watch, machine
from foldctx_pipelines.bench.rates import Rates, ideal_seconds, model_flops
from foldctx_pipelines.bench.script import Ending, Schedule, scripted

BASELINE = "exact"
_FIRST_TEXT_ID = 64  # below it are the special tokens


@dataclass(frozen=True, slots=True)
class Workload:
    """What is decoded, and how often.

    `end` is the offset of the generation where the text ends, None nowhere. `rows` requests are
    decoded at once. `sampled` blocks, evenly spaced, are decoded where there are more; counts and
    seconds are then multiplied by what was left out.
    """

    prompt: int = 512
    gen_length: int = 128
    block_length: int = 32
    schedule: Schedule = field(default_factory=Schedule)
    end: int | None = None
    rows: int = 1
    runs: int = 3
    sampled: int | None = None

    def __post_init__(self) -> None:
        for name in ("prompt", "gen_length", "block_length", "rows", "runs", "sampled"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name}={value}; it must be at least 1")
        if self.end is not None and not 0 <= self.end < self.gen_length:
            raise UsageError(f"end={self.end} lies outside gen_length={self.gen_length}")
        if self.sampled is not None and self.end is not None:
            raise UsageError("sampled blocks have no place for an end; give one of both")

    @property
    def blocks(self) -> int:
        """Blocks of the generation."""
        return -(-self.gen_length // self.block_length)

    @property
    def factor(self) -> float:
        """What sampled counts are multiplied by."""
        return self.gen_length / (self.gen_length - len(self.pinned()))

    def pinned(self) -> dict[int, int]:
        """Offsets of the blocks that are left out, with a token of text."""
        if self.sampled is None or self.sampled >= self.blocks:
            return {}
        steps = max(self.sampled - 1, 1)
        kept = {round(i * (self.blocks - 1) / steps) for i in range(self.sampled)}
        return {
            offset: _FIRST_TEXT_ID
            for offset in range(self.gen_length)
            if offset // self.block_length not in kept
        }

    def requests(self, vocabulary: int, seed: int) -> list[Request]:
        """Prompts of random text."""
        generator = torch.Generator().manual_seed(seed)
        pinned, shape = self.pinned(), (self.rows, self.prompt)
        tokens = torch.randint(_FIRST_TEXT_ID, vocabulary, shape, generator=generator)
        return [
            Request(str(i), (Segment("template", tuple(row)),), self.gen_length, pinned=pinned)
            for i, row in enumerate(tokens.tolist())
        ]


@dataclass(slots=True)
class _Runs:
    """What the runs of one preset gave."""

    decoder: Decoder
    ending: Ending
    results: list[Decoded] = field(default_factory=list)
    seconds: list[Seconds] = field(default_factory=list)
    memory: int | None = None


def bench_decode(
    model: Model,
    decoders: Mapping[str, Decoder],
    work: Workload,
    *,
    seed: int = 0,
    thread_counts: tuple[int, ...] = (),
) -> Iterator[str | dict[str, Any]]:
    """Run the decoders in turn, `runs` times after a warm-up of one block.

    Yields a name a run, then records. `decoders` must hold the baseline, `exact`. `thread_counts`
    are tried for the matrix rates, torch's own number among them always. Raises WindowError when
    the canvas does not fit.
    """
    requests = work.requests(model.info.vocab_size, seed)
    one_block = replace(work, sampled=1, end=None).requests(model.info.vocab_size, seed)
    end = None if work.end is None else work.prompt + work.end
    runs = {
        name: _Runs(scripted(decoder, work.schedule), Ending(model, end))
        for name, decoder in decoders.items()
    }
    for number in range(work.runs + 1):
        for name, run in runs.items():
            _run(run, requests if number else one_block, model, warm_up=number == 0)
            yield name
    rates = Rates(model, sorted({*thread_counts, torch.get_num_threads()}))
    square = rates.square()
    on = machine(model.device)
    costs = {name: _cost(run, model, rates, work) for name, run in runs.items()}
    base = costs[BASELINE]["seconds"]["median"]
    for cost in costs.values():
        yield {
            **cost,
            "speedup": round(base / cost["seconds"]["median"], 3),
            "square_flops_per_second": round(square),
            "machine": on,
        }


def _run(run: _Runs, requests: list[Request], model: Model, *, warm_up: bool) -> None:
    run.ending.forwards.clear()
    memory = PeakMemory(model.device)
    memory.begin()
    watch = Watch(model.device)
    events = list(decode(run.ending, requests, run.decoder, max_rows=len(requests)))
    seconds = watch.seconds()
    if warm_up:
        return
    run.memory = max((m for m in (run.memory, memory.bytes()) if m is not None), default=None)
    run.seconds.append(seconds)
    run.results = [event for event in events if isinstance(event, Decoded)]


def _cost(run: _Runs, model: Model, rates: Rates, work: Workload) -> dict[str, Any]:
    dims, usage = model.transformer.dims, run.results[0].usage
    for result in run.results[1:]:
        usage += result.usage
    times = work.factor
    deciding = Spread.of([times * s.deciding(model.device) for s in run.seconds])
    flops = round(times * model_flops(dims, usage))
    ideal = times * ideal_seconds(model, rates, run.ending.forwards, usage)
    text = sum(result.text_length for result in run.results)
    return {
        "schema": DECODE_SCHEMA,
        "preset": run.decoder.name,
        "decoder": run.decoder.describe(),
        "model": model.info.name,
        "parameters": model.info.parameters,
        "dtype": str(model.dtype).removeprefix("torch."),
        "prompt": work.prompt,
        "gen_length": work.gen_length,
        "block_length": work.block_length,
        "schedule": list(work.schedule.commits),
        "end": work.end,
        "rows": work.rows,
        "runs": work.runs,
        "sampled_blocks": None if times == 1 else work.sampled,
        "forwards": round(times * sum(run.ending.forwards.values())),
        "tokens_fed": round(times * usage.tokens_fed),
        "keys_attended": round(times * usage.keys_attended),
        "committed": round(times * usage.committed),
        "text_tokens": text,
        "flops": flops,
        "seconds": deciding.to_dict(),
        "wall_seconds": Spread.of([times * s.wall for s in run.seconds]).to_dict(),
        "cpu_seconds": Spread.of([times * s.cpu for s in run.seconds]).to_dict(),
        "tokens_per_second": round(times * usage.committed / deciding.median, 3),
        "flops_per_second": round(flops / deciding.median),
        "ideal_seconds": float(f"{ideal:.6g}"),
        "overhead": round(deciding.median / ideal, 3),
        "peak_memory": run.memory,
    }
