"""foldctx chunk: documents cut into chunks that end where a reader would pause."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx_cli.answer import Source
from foldctx_cli.options import ModelName, OutputOptions, Revision, with_options

if TYPE_CHECKING:
    from foldctx.models.tokenizer import Tokenizer


@with_options
def chunk(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=Source)],
    output: OutputOptions,
    tokens: Annotated[int, typer.Option(help="Most tokens of a chunk.", min=1)] = 256,
    overlap: Annotated[
        bool,
        typer.Option(help="Repeat a short last sentence in the next chunk."),
    ] = True,
    model: ModelName = "embedded",
    revision: Revision = None,
) -> None:
    """Cut documents into chunks, measured in the model's own tokens.

    A source that cannot be read becomes an error record.
    """
    from foldctx.models.checkpoint import locate
    from foldctx.models.tokenizer import Tokenizer
    from foldctx_cli.console import Bar, Sink, check_target
    from foldctx_cli.report import Tally

    check_target(output.output, "--output", sources)
    sink, tally = Sink(output), Tally()
    folder, _ = locate(model, revision, ("tokenizer.json",))
    tokenizer = Tokenizer(folder / "tokenizer.json")
    records = _records(list(dict.fromkeys(sources)), tokenizer, tokens, overlap=overlap)
    with sink, Bar(quiet=True) as bar:
        tally.report(records, sink, bar, quiet=False)
    raise typer.Exit(tally.exit_code())


def _records(
    sources: Sequence[str], tokenizer: "Tokenizer", budget: int, *, overlap: bool
) -> Iterator[dict[str, Any]]:
    from foldctx.documents import chunk_document, read_document
    from foldctx.errors import DocumentError
    from foldctx.records import chunk_record, error_record, record_id
    from foldctx_cli.console import complain, standard_input

    def cost(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokenizer.encode_texts([" ".join(t.split()) for t in texts])]

    for source in sources:
        try:
            document = read_document(source, stdin=standard_input())
            for warning in document.warnings:
                complain("warning", f"{source}: {warning}")
            # A unit costs at least one token, so the budget bounds their number too.
            for cut in chunk_document(
                document, cost=cost, budget=budget, max_units=budget, overlap=overlap
            ):
                span = (cut.start, cut.end)
                yield chunk_record(
                    source, cut.index, span, cut.text, pages=cut.pages, tokens=cut.cost
                )
        except DocumentError as error:
            yield error_record(error, id=record_id(source, ""), source=source)
