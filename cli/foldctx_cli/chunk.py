"""foldctx chunk: documents cut into chunks that end where a reader would pause."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx_cli.answer import SOURCE
from foldctx_cli.model_options import ModelName, Revision
from foldctx_cli.options import OutputOptions, with_options

if TYPE_CHECKING:
    from foldctx.models.tokenizer import Tokenizer
    from foldctx_cli.report import Tally


@dataclass(frozen=True, slots=True)
class Cutting:
    """How documents are cut."""

    tokens: Annotated[int, typer.Option(help="Most tokens of a chunk.", min=1)] = 256
    overlap: Annotated[
        bool, typer.Option(help="Repeat a short last sentence in the next chunk.")
    ] = True


@with_options
def chunk(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help=SOURCE)],
    cutting: Cutting,
    output: OutputOptions,
    model: ModelName = "embedded",
    revision: Revision = None,
) -> None:
    """Cut documents into chunks, measured in the model's own tokens.

    A source that cannot be read becomes an error record.
    """
    from foldctx.models.checkpoint import locate
    from foldctx.models.tokenizer import Tokenizer
    from foldctx.models.vocabulary import FILES
    from foldctx_cli.console import Bar, Sink, check_target
    from foldctx_cli.report import Tally

    check_target(output.output, "--output", sources)
    sink, tally = Sink(output), Tally(quiet=output.quiet)
    folder, _ = locate(model, revision, FILES)
    tokenizer = Tokenizer(folder)
    with sink, Bar(quiet=True) as bar:
        tally.report(_chunks(list(dict.fromkeys(sources)), tokenizer, cutting, tally), sink, bar)
    raise typer.Exit(tally.exit_code())


def _chunks(
    sources: Sequence[str], tokenizer: "Tokenizer", cutting: Cutting, tally: "Tally"
) -> Iterator[dict[str, Any]]:
    from foldctx.documents import chunk_document, read_document
    from foldctx.errors import DocumentError
    from foldctx.records import chunk_record, error_record, record_id
    from foldctx_cli.console import standard_input

    def cost(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokenizer.encode_texts([" ".join(t.split()) for t in texts])]

    for source in sources:
        try:
            document = read_document(source, stdin=standard_input())
            tally.warn(source, document.warnings)
            # A unit costs at least one token, so the budget bounds their number too.
            cuts = chunk_document(
                document,
                cost=cost,
                budget=cutting.tokens,
                max_units=cutting.tokens,
                overlap=cutting.overlap,
            )
        except DocumentError as error:
            yield error_record(error, id=record_id(source, ""), source=source)
            continue
        for cut in cuts:
            span = (cut.start, cut.end)
            yield chunk_record(source, cut.index, span, cut.text, pages=cut.pages, tokens=cut.cost)
