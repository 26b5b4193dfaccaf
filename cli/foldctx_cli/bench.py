"""foldctx bench: speed, cost and faithfulness, presets and strategies side by side in one run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx.decoding.presets import DEFAULT_PRESET
from foldctx.errors import UsageError
from foldctx.folding.config import STRATEGIES
from foldctx_cli.options import (
    DECODING,
    MODEL,
    OUTPUT,
    READING,
    ModelOptions,
    OutputOptions,
    with_options,
)
from foldctx_pipelines.bench.named import parse_name, split_names
from foldctx_pipelines.bench.shapes import SHAPES, Where, shape_dims

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from foldctx_pipelines.bench.tables import Column

app = typer.Typer(
    no_args_is_help=True, help="Measure speed, cost and faithfulness, side by side in one run."
)

_SHOWN = "exact,parallel,elastic,fast-dllm"
Block = Annotated[
    int, typer.Option("--block", help="Tokens denoised together.", rich_help_panel=DECODING, min=1)
]


def _option(panel: str, *names: str, help: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


@dataclass(frozen=True, slots=True)
class RandomOptions:
    """A model with random weights."""

    shape: Annotated[
        str, _option(MODEL, help=f"Size of the random model: {', '.join(SHAPES)}.")
    ] = "30m"
    device: Annotated[str, _option(MODEL, help="auto, cpu, cuda or cuda:N.")] = "auto"
    dtype: Annotated[str, _option(MODEL, help="auto, float32, bfloat16 or float16.")] = "auto"
    seed: Annotated[int, _option(MODEL, help="Of the weights and the text.", min=0)] = 0
    threads: Annotated[
        int | None, _option(MODEL, help="Threads of the CPU; default: torch's choice.", min=1)
    ] = None
    packed: Annotated[
        bool,
        _option(MODEL, "--packed/--plain", help="Weights laid out for the CPU, or as stored."),
    ] = True

    @property
    def where(self) -> Where:
        """Where it runs, in which form."""
        return Where(self.device, self.dtype, self.seed, self.packed)


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """A chart or a Markdown table beside the records."""

    plot: Annotated[Path | None, _option(OUTPUT, help="Write a bar chart (PNG) here.")] = None
    markdown: Annotated[Path | None, _option(OUTPUT, help="Write the table as Markdown here.")] = (
        None
    )

    def check(self) -> None:
        """Refuse what cannot be written, before any work."""
        from foldctx_cli.console import check_target

        check_target(self.plot, "--plot", [])
        check_target(self.markdown, "--markdown", [])
        if self.plot is not None:
            from foldctx_pipelines.bench.plots import check_plots

            check_plots()


@dataclass(frozen=True, slots=True)
class Workloads:
    """What is decoded."""

    presets: Annotated[
        str,
        _option(DECODING, help="Joined by commas; options in parentheses: exact(cache=dual)."),
    ] = _SHOWN
    prompt: Annotated[int, _option(DECODING, help="Tokens of the prompt.", min=1)] = 512
    gen_length: Annotated[int, _option(DECODING, help="Tokens to decode.", min=1)] = 128
    block: Block = 32
    schedule: Annotated[
        str, _option(DECODING, help="Commits per forward: a number, or a file of them.")
    ] = "1"
    end: Annotated[
        int | None, _option(DECODING, help="Where the text ends, counted in the generation.", min=0)
    ] = None
    rows: Annotated[int, _option(DECODING, help="Requests decoded at once.", min=1)] = 1
    runs: Annotated[int, _option(DECODING, help="Measured runs, after a warm-up.", min=1)] = 3
    sample_blocks: Annotated[
        int | None,
        _option(DECODING, help="Decode so many blocks and multiply; marked in the record.", min=1),
    ] = None


@app.command("decode")
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
    counts = _set_threads(model.threads)
    made = random_model(model.shape, dims, model.where, window=window)
    records = []
    with sink, Bar(quiet=output.quiet) as bar:
        bar.begin("runs", len(decoders) * (given.runs + 1))
        for event in bench_decode(made, decoders, given, seed=model.seed, thread_counts=counts):
            if isinstance(event, str):
                bar.advance()
            else:
                records.append(event)
        title = f"{model.shape}, prompt {given.prompt}, generation {given.gen_length}"
        _report(report, records, DECODE, ("preset", "tokens_per_second", title, "tokens a second"))
        sink.put_all(records, lambda: _shown(records, DECODE))


def _set_threads(count: int | None) -> tuple[int, ...]:
    """Use so many threads; returns the counts whose matrix rates are worth a try."""
    import torch

    if count is not None:
        torch.set_num_threads(count)
    return (1, torch.get_num_threads())


def _shown(
    records: "Sequence[dict[str, Any]]", columns: "Sequence[Column]"
) -> "Iterator[RenderableType]":
    from foldctx_cli.console import plain
    from foldctx_pipelines.bench.tables import terminal

    yield terminal(columns, records)
    if "machine" in records[0]:
        on = records[0]["machine"]
        square = records[0].get("square_flops_per_second")
        rate = f", square products {square / 1e9:.0f} GFLOPs a second" if square else ""
        yield plain(f"{on['name']}, {on['threads']} threads{rate}", "dim")


def _report(
    report: ReportOptions,
    records: "Sequence[dict[str, Any]]",
    columns: "Sequence[Column]",
    chart: tuple[str, str, str, str],
) -> None:
    if report.markdown is not None:
        from foldctx_pipelines.bench.tables import markdown

        report.markdown.write_text(markdown(columns, records), "utf-8")
    if report.plot is not None:
        from foldctx_pipelines.bench.plots import bar_chart

        name, value, title, unit = chart
        bar_chart(report.plot, records, name=name, value=value, title=title, unit=unit)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, on how many cases."""

    presets: Annotated[
        str | None,
        _option(
            DECODING, help="Joined by commas; default: 19 compositions of feed, cache, commit."
        ),
    ] = None
    cases: Annotated[int, _option(DECODING, help="Generated cases.", min=2)] = 600
    length: Annotated[int, _option(DECODING, help="Most tokens of a reading window.", min=64)] = 320
    compared: Annotated[
        int, _option(DECODING, help="Cases whose distributions are compared.", min=0)
    ] = 64
    block: Block = 8
    rows: Annotated[int, _option(DECODING, help="Cases decoded at once.", min=1)] = 8
    seed: Annotated[int, _option(DECODING, help="Of the cases.", min=0)] = 0
    run: Annotated[
        Path | None,
        _option(OUTPUT, help="Keep the rows in this folder; what is in it is not run again."),
    ] = None


@app.command("fidelity")
@with_options
def fidelity(
    compare: Comparison, model: ModelOptions, output: OutputOptions, report: ReportOptions
) -> None:
    """Compare presets with exact on cases with answers, and name the cheapest that is as good."""
    names = split_names(compare.presets) if compare.presets is not None else None
    for name in names or ():
        parse_name(name)
    report.check()

    from foldctx_cli.console import Bar, Sink, check_target, plain
    from foldctx_pipelines.bench.fidelity import COMPOSITIONS, compare_presets
    from foldctx_pipelines.bench.named import build_decoders
    from foldctx_pipelines.bench.tables import FIDELITY

    check_target(output.output, "--output", [])
    sink = Sink(output)
    decoders = build_decoders(names or COMPOSITIONS, block_length=compare.block)
    loaded, records = model.load(), []
    with sink, Bar(quiet=output.quiet) as bar:
        bar.begin("cases", len(decoders) * compare.cases)
        for event in compare_presets(
            loaded,
            decoders,
            cases=compare.cases,
            length=compare.length,
            compared=compare.compared,
            rows=compare.rows,
            seed=compare.seed,
            folder=compare.run,
        ):
            if isinstance(event, str):
                bar.advance()
            else:
                records.append(event)
        chart = ("preset", "flops", f"{loaded.info.name}, {compare.cases} cases", "FLOPs a case")
        _report(report, records, FIDELITY, chart)
        best = next((r["preset"] for r in records if r["cheapest"]), None)
        told = f"cheapest within one point of exact: {best or 'none that these cases could show'}"
        sink.put_all(records, lambda: [*_shown(records, FIDELITY), plain(told)])


@dataclass(frozen=True, slots=True)
class Document:
    """What is read: a generated document with scripted outcomes, or a real one by a real model."""

    tokens: Annotated[int, _option(READING, help="Tokens of the document.", min=1)] = 16_384
    relevant: Annotated[
        float, _option(READING, help="Generated: share of the windows that hold a note.")
    ] = 0.1
    note: Annotated[int, _option(READING, help="Generated: tokens of a note.", min=8)] = 64
    source: Annotated[
        str | None,
        _option(
            READING, help="A real document, repeated or cut to --tokens; takes -q and --model."
        ),
    ] = None
    question: Annotated[
        list[str] | None, _option(READING, "--question", "-q", help="Asked of a real document.")
    ] = None
    model: Annotated[str, _option(MODEL, "--model", "-m", help="Reads a real document.")] = (
        "embedded"
    )
    strategies: Annotated[
        str, _option(READING, help=f"Joined by commas: {', '.join(STRATEGIES)}.")
    ] = "fold,map,truncate,retrieve"
    window: Annotated[int | None, _option(READING, help="Tokens per forward pass.")] = None
    memory_tokens: Annotated[
        int | None, _option(READING, help="Most tokens of notes kept for a question.")
    ] = None
    rows: Annotated[int, _option(READING, help="Windows decoded at once.", min=1)] = 4
    preset: Annotated[
        str, _option(DECODING, help="A preset; options in parentheses: exact(cache=dual).")
    ] = DEFAULT_PRESET

    def __post_init__(self) -> None:
        if (self.source is None) != (not self.question):
            raise UsageError("a real document needs --source and -q; a generated one neither")

    @property
    def chosen(self) -> list[str]:
        """The strategies. Raises UsageError for an unknown one."""
        names = split_names(self.strategies)
        if unknown := [name for name in names if name not in STRATEGIES]:
            raise UsageError(f"strategy {unknown[0]!r}: choose from {', '.join(STRATEGIES)}")
        return names


@app.command("read")
@with_options
def read(
    given: Document, model: RandomOptions, output: OutputOptions, report: ReportOptions
) -> None:
    """Read a document by several strategies: passes over its tokens, speed, memory, and the plan."""
    dims, strategies = shape_dims(model.shape), given.chosen
    parse_name(given.preset)
    report.check()

    from foldctx.documents import read_document
    from foldctx.folding.config import FoldConfig
    from foldctx.models.load import load_model
    from foldctx_cli.console import Bar, Sink, check_target
    from foldctx_pipelines.bench import reading
    from foldctx_pipelines.bench.named import build_decoder
    from foldctx_pipelines.bench.shapes import random_model
    from foldctx_pipelines.bench.tables import READ

    check_target(output.output, "--output", [given.source or "-"])
    sink = Sink(output)
    config = FoldConfig(window=given.window, memory_tokens=given.memory_tokens, rows=given.rows)
    decoder, records = build_decoder(given.preset, block_length=32), []
    _set_threads(model.threads)
    if given.source is None:
        loaded = random_model(model.shape, dims, model.where)
        script = reading.Script(given.tokens, given.relevant, given.note)
        job = reading.scripted_reading(loaded, script, decoder, config, seed=model.seed)
    else:
        document = read_document(given.source)
        loaded = load_model(
            given.model, device=model.device, dtype=model.dtype, packed=model.packed
        )
        document = reading.stretched(document, given.tokens, loaded.tokenizer)
        job = reading.real_reading(loaded, document, given.question or ())
    with sink, Bar(quiet=output.quiet) as bar:
        bar.begin("strategies", len(strategies))
        for record in reading.bench_read(loaded, job, strategies, decoder, config):
            records.append(record)
            bar.advance()
        title = f"{records[0]['document_tokens']:,} tokens, {loaded.info.name}"
        _report(report, records, READ, ("strategy", "passes", title, "passes"))
        sink.put_all(records, lambda: _shown(records, READ))
