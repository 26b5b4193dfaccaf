"""The command line: which commands there are, and the one place where errors become exit codes."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

import foldctx
from foldctx.errors import FoldctxError, OutputError
from foldctx_cli import answer, batch, bench, chunk, evals, generate, models, plan, trace

FAILED, USAGE, INTERRUPTED = 1, 2, 130

# typer brings its own copy of click in some versions; its usage errors are found through this one.
_UsageMistake: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="foldctx",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command("answer")(answer.answer)
app.command("generate")(generate.generate)
app.command("plan")(plan.plan)
app.command("chunk")(chunk.chunk)
app.add_typer(batch.app, name="batch")
app.add_typer(evals.app, name="eval")
app.add_typer(bench.app, name="bench")
app.add_typer(models.app, name="models")
app.add_typer(trace.app, name="trace")


@dataclass(slots=True)
class Invocation:
    """What one call of the program was told before its command."""

    debug: bool = False


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"foldctx {foldctx.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error comes from.", show_default=False)
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version.",
            is_eager=True,
            callback=_version,
            show_default=False,
        ),
    ] = False,
) -> None:
    """Answers about documents longer than a diffusion language model can read at once."""
    context.obj.debug = debug


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 1 failed, 2 usage, 3 some rows failed, 4 evidence required and not found, 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    call = Invocation()
    try:
        code = _run(given or ["--help"], call)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (FoldctxError, _UsageMistake, OSError) as error:
        if call.debug and not isinstance(error, BrokenPipeError):
            raise
        return _tell(error)
    if code == INTERRUPTED:
        _complain("interrupted", "what was written so far is whole lines")
    return code


def _tell(error: Exception) -> int:
    """Say what went wrong, unless nobody reads on, and give the exit code."""
    if isinstance(error, FoldctxError):
        message, code = str(error), error.exit_code
    elif isinstance(error, OSError):  # the disk or the terminal, outside of a command's own output
        message, code = f"{error} (foldctx --debug shows where)", FAILED
    else:
        message, code = _explain(error), USAGE
    if not isinstance(error, BrokenPipeError):
        _complain("error", message)
    if isinstance(error, OSError | OutputError):
        _abandon_output()
    return code


def _run(arguments: list[str], call: Invocation) -> int:
    command = typer.main.get_command(app)
    result = command.main(arguments, prog_name="foldctx", standalone_mode=False, obj=call)
    return result if isinstance(result, int) else 0


def _complain(kind: str, message: str) -> None:
    from foldctx_cli.console import complain  # loads rich, which most calls do without

    complain(kind, message)


def _abandon_output() -> None:
    """Point standard output at nothing, so that Python's flush at exit cannot fail again."""
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _explain(mistake: Any) -> str:
    """A usage error in one line, with what there is in place of what there is not."""
    message = str(mistake.format_message()).rstrip(".")
    context = mistake.ctx
    if context is None:
        return message
    command = context.command
    if type(mistake).__name__ == "NoSuchOption":
        names = (name for parameter in command.params for name in parameter.opts)
        known = ", ".join(name for name in names if name.startswith("--"))
        message = f"{message}; {context.command_path} takes {known}"
    elif hasattr(command, "list_commands"):
        message = f"{message}; there are {', '.join(command.list_commands(context))}"
    return f"{message} (see {context.command_path} --help)"
