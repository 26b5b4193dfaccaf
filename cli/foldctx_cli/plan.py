"""foldctx plan: what reading a document will cost, before anything runs."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx.errors import UsageError
from foldctx_cli.answer import SOURCE, Questions, check_questions
from foldctx_cli.model_options import CheckpointOptions
from foldctx_cli.options import DecodingOptions, OutputOptions, ReadingOptions, with_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from foldctx.folding.session import Session
    from foldctx.models.tokenizer import Tokenizer

_MIB = 2**20


@with_options
def plan(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE)],
    reading: ReadingOptions,
    decoding: DecodingOptions,
    model: CheckpointOptions,
    output: OutputOptions,
    question: Questions,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Print the first window's prompt instead.")
    ] = False,
) -> None:
    """Show windows, tokens, forward passes and peak memory before anything runs."""
    config, overrides = reading.config(), decoding.overrides()
    if not question:
        raise UsageError("give at least one question with -q")
    asked = check_questions(question)

    from foldctx.documents import read_document
    from foldctx_cli.console import Sink, check_target, plain, standard_input

    check_target(output.output, "--output", [source])
    sink = Sink(output)
    document = read_document(source, stdin=standard_input())
    checkpoint = model.read(reading.window)

    from foldctx.api import open_plan
    from foldctx.folding.planning import plan_session

    session = open_plan(
        checkpoint,
        document,
        asked,
        config=config,
        decoder=decoding.decoder(checkpoint.info, overrides),
    )
    if prompts:
        text = _first_prompt(session, checkpoint.tokenizer)
        with sink:
            sink.put({"source": source, "prompt": text}, lambda: [plain(text)])
        return
    record = plan_session(session).to_dict()
    with sink:
        sink.put(record, lambda: _table(record))


def _first_prompt(session: "Session", tokenizer: "Tokenizer") -> str:
    """The prompt of the first window, with its special tokens."""
    group = session.groups[0]
    task = session.task("read", group.questions, group.passages[0], group.layout, carry=False)
    tokens = [token for segment in session.reader.prompt(task) for token in segment.tokens]
    return tokenizer.decode(tokens, keep_special=True)


def _table(record: Mapping[str, Any]) -> "Iterator[RenderableType]":
    from rich.table import Table

    from foldctx_cli.console import plain

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in record.items():
        if name.endswith("_bytes"):
            table.add_row(plain(name.removesuffix("_bytes")), f"{value / _MIB:,.0f} MiB")
        else:
            shown = f"{value:,}" if isinstance(value, int | float) else str(value)
            table.add_row(plain(name), plain(shown))
    yield table
