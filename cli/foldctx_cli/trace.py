"""foldctx trace: look at the trace of a run, and recount it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from foldctx.errors import TraceError, UsageError
from foldctx_cli.options import OutputOptions, with_options

app = typer.Typer(help="Look at the trace of a run, and recount it.")

File = Annotated[str, typer.Argument(metavar="FILE", help="A trace; - is standard input.")]


@app.command("show")
def show_trace(
    file: File,
    windows: Annotated[int, typer.Option(help="Most windows shown of a document.", min=0)] = 200,
) -> None:
    """Show what was read, folded, remembered and answered."""
    import sys

    from rich.console import Console

    from foldctx.trace.view import show

    with _lines(file) as lines:
        show(lines, Console(file=sys.stdout, highlight=False), windows)


@app.command("check")
@with_options
def check_trace(file: File, output: OutputOptions) -> None:
    """Recount every total, and hold the trace to its rules; exit with 1 if anything is wrong."""
    from foldctx.trace import check
    from foldctx_cli.console import Sink, check_target, plain

    check_target(output.output, "--output", [file])
    with _lines(file) as lines:
        report = check(lines)
    record = {"file": file, "ok": report.ok, **asdict(report)}
    told = [plain(f"{file}, {problem}", "red") for problem in report.problems]
    if not told:
        read = f"; read whole: {', '.join(report.read_whole)}" if report.read_whole else ""
        told = [plain(f"{file}: {report.events} events, nothing wrong{read}", "green")]
    with Sink(output) as sink:
        sink.put(record, lambda: told)
    raise typer.Exit(0 if report.ok else 1)


@contextmanager
def _lines(file: str) -> Iterator[Iterable[bytes]]:
    from foldctx_cli.console import standard_input

    if file == "-":
        stream = standard_input()
        if stream is None:
            raise UsageError("standard input is closed; name the file of a trace")
        yield stream
        return
    try:
        opened = Path(file).open("rb")  # noqa: SIM115  (only this may fail under this name)
    except OSError as error:
        raise TraceError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    with opened:
        yield opened
