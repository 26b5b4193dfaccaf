"""foldctx bench read: strategies on one document, their cost beside the plan's."""

from dataclasses import dataclass
from typing import Annotated, cast

from foldctx.decoding.presets import DEFAULT_PRESET
from foldctx.errors import UsageError
from foldctx.folding.config import STRATEGIES, Strategy
from foldctx_cli.bench_options import (
    RandomOptions,
    ReportOptions,
    option,
    set_threads,
    shown,
    write_report,
)
from foldctx_cli.model_options import MODEL
from foldctx_cli.options import DECODING, READING, OutputOptions, with_options
from foldctx_pipelines.bench.named import parse_name, split_names
from foldctx_pipelines.bench.shapes import shape_dims


@dataclass(frozen=True, slots=True)
class Document:
    """What is read: a generated document with scripted outcomes, or a real one by a real model."""

    tokens: Annotated[int, option(READING, help="Tokens of the document.", min=1)] = 16_384
    relevant: Annotated[
        float, option(READING, help="Generated: share of the windows that hold a note.")
    ] = 0.1
    note: Annotated[int, option(READING, help="Generated: tokens of a note.", min=8)] = 64
    source: Annotated[
        str | None,
        option(READING, help="A real document, repeated or cut to --tokens; takes -q and --model."),
    ] = None
    question: Annotated[
        list[str] | None, option(READING, "--question", "-q", help="Asked of a real document.")
    ] = None
    model: Annotated[str, option(MODEL, "--model", "-m", help="Reads a real document.")] = (
        "embedded"
    )
    strategies: Annotated[
        str, option(READING, help=f"Joined by commas: {', '.join(STRATEGIES)}.")
    ] = "fold,map,truncate,retrieve"
    window: Annotated[int | None, option(READING, help="Tokens per forward pass.")] = None
    memory_tokens: Annotated[
        int | None, option(READING, help="Most tokens of notes kept for a question.")
    ] = None
    rows: Annotated[int, option(READING, help="Windows decoded at once.", min=1)] = 4
    preset: Annotated[
        str, option(DECODING, help="A preset; options in parentheses: exact(cache=dual).")
    ] = DEFAULT_PRESET

    def __post_init__(self) -> None:
        if (self.source is None) != (not self.question):
            raise UsageError("a real document needs --source and -q; a generated one neither")

    @property
    def chosen(self) -> list[Strategy]:
        """The strategies. Raises UsageError for an unknown one."""
        names = split_names(self.strategies)
        if unknown := [name for name in names if name not in STRATEGIES]:
            raise UsageError(f"strategy {unknown[0]!r}: choose from {', '.join(STRATEGIES)}")
        return cast(list[Strategy], names)


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
    set_threads(model.threads)
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
        write_report(report, records, READ, ("strategy", "passes", title, "passes"))
        sink.put_all(records, lambda: shown(records, READ))
