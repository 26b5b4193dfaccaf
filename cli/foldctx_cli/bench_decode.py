"""foldctx bench decode: presets on random weights, committing by one script."""

from dataclasses import dataclass
from typing import Annotated

from foldctx_cli.bench_options import (
    Block,
    RandomOptions,
    ReportOptions,
    gathered,
    option,
    set_threads,
    shown,
    write_report,
)
from foldctx_cli.options import DECODING, OutputOptions, with_options
from foldctx_pipelines.bench.named import parse_name, split_names
from foldctx_pipelines.bench.shapes import shape_dims

_SHOWN = "exact,parallel,elastic,fast-dllm"


@dataclass(frozen=True, slots=True)
class Workloads:
    """What is decoded."""

    presets: Annotated[
        str,
        option(DECODING, help="Joined by commas; options in parentheses: exact(cache=dual)."),
    ] = _SHOWN
    prompt: Annotated[int, option(DECODING, help="Tokens of the prompt.", min=1)] = 512
    gen_length: Annotated[int, option(DECODING, help="Tokens to decode.", min=1)] = 128
    block: Block = 32
    schedule: Annotated[
        str, option(DECODING, help="Commits per forward: a number, or a file of them.")
    ] = "1"
    end: Annotated[
        int | None, option(DECODING, help="Where the text ends, counted in the generation.", min=0)
    ] = None
    rows: Annotated[int, option(DECODING, help="Requests decoded at once.", min=1)] = 1
    runs: Annotated[int, option(DECODING, help="Measured runs, after a warm-up.", min=1)] = 3
    sample_blocks: Annotated[
        int | None,
        option(DECODING, help="Decode so many blocks and multiply; marked in the record.", min=1),
    ] = None


@with_options
def decode(
    work: Workloads, model: RandomOptions, output: OutputOptions, report: ReportOptions
) -> None:
    """Decode by several presets with the same scripted commits, on random weights."""
    dims, names = shape_dims(model.shape), split_names(work.presets)
    for name in names:
        parse_name(name)
    report.check()

    from foldctx_cli.console import Bar, Sink, check_target
    from foldctx_pipelines.bench.decode import Workload, bench_decode
    from foldctx_pipelines.bench.named import build_decoders
    from foldctx_pipelines.bench.script import Schedule
    from foldctx_pipelines.bench.shapes import random_model
    from foldctx_pipelines.bench.tables import DECODE

    check_target(output.output, "--output", [work.schedule])
    sink, decoders = Sink(output), build_decoders(names, block_length=work.block)
    given = Workload(
        prompt=work.prompt,
        gen_length=work.gen_length,
        block_length=work.block,
        schedule=Schedule.parse(work.schedule),
        end=work.end,
        rows=work.rows,
        runs=work.runs,
        sampled=work.sample_blocks,
    )
    window = max(4096, work.prompt + work.gen_length)
    counts = set_threads(model.threads)
    made = random_model(model.shape, dims, model.where, window=window)
    with sink, Bar(quiet=output.quiet) as bar:
        bar.begin("runs", len(decoders) * (given.runs + 1))
        events = bench_decode(made, decoders, given, seed=model.seed, thread_counts=counts)
        records = gathered(events, bar)
        title = f"{model.shape}, prompt {given.prompt}, generation {given.gen_length}"
        write_report(
            report, records, DECODE, ("preset", "tokens_per_second", title, "tokens a second")
        )
        sink.put_all(records, lambda: shown(records, DECODE))
