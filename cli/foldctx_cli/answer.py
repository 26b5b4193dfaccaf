"""foldctx answer: ask questions of documents of any length."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx.errors import UsageError
from foldctx_cli.model_options import ModelOptions
from foldctx_cli.options import (
    OUTPUT,
    DecodingOptions,
    OutputOptions,
    ReadingOptions,
    TraceOptions,
    with_options,
)

if TYPE_CHECKING:
    from foldctx_pipelines.jobs import Job

Questions = Annotated[
    list[str], typer.Option("--question", "-q", help="What to ask; repeat it for more.")
]
SOURCE = "PDF, text, Markdown, HTML or Word; - is standard input."


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked of what: sources and questions, or a file of both."""

    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help=SOURCE, show_default=False)
    ] = field(default_factory=list)
    question: Questions = field(default_factory=list)
    questions: Annotated[
        str | None, typer.Option(help="JSONL with source and question in each row; - is stdin.")
    ] = None

    def jobs(self) -> "list[Job]":
        """Every question of every source. Raises UsageError for what cannot be asked."""
        from foldctx_cli.console import standard_input
        from foldctx_pipelines.jobs import Job, read_questions

        if self.questions is not None:
            if self.sources or self.question:
                raise UsageError("--questions names the sources itself; leave out SOURCE and -q")
            return read_questions(self.questions, standard_input())
        if not (self.sources and self.question):
            raise UsageError("give at least one SOURCE and a question with -q, or --questions FILE")
        asked = check_questions(self.question)
        return [Job(source, asked) for source in dict.fromkeys(self.sources)]


def check_questions(asked: Sequence[str]) -> tuple[str, ...]:
    """The questions, each once. Raises UsageError for an empty one."""
    for number, text in enumerate(asked, start=1):
        if not text.strip():
            raise UsageError(f"question {number} is empty; give a question with -q")
    return tuple(dict.fromkeys(asked))


@with_options
def answer(
    asking: Asking,
    reading: ReadingOptions,
    decoding: DecodingOptions,
    model: ModelOptions,
    output: OutputOptions,
    tracing: TraceOptions,
    require_evidence: Annotated[
        bool,
        typer.Option(
            "--require-evidence",
            help="Exit with 4 unless every answer follows from a quote.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = False,
) -> None:
    """Answer questions about documents, with the quotes and pages the answers follow from.

    Every question is asked of every SOURCE; one that cannot be read becomes an error record.
    """
    config, overrides = reading.config(), decoding.overrides()

    from foldctx.errors import DocumentError
    from foldctx_cli.console import Bar, Sink, check_target, standard_input
    from foldctx_cli.report import Tally, failed_jobs, new_run
    from foldctx_pipelines.jobs import open_first

    jobs = asking.jobs()
    inputs = [*(job.source for job in jobs), asking.questions or "-"]
    check_target(output.output, "--output", inputs)
    check_target(tracing.trace, "--trace", [*inputs, str(output.output or "-")])
    sink, tally = Sink(output), Tally(quiet=output.quiet)
    trace = new_run(tracing.trace)
    opened = open_first(jobs, standard_input())
    refused = {k: v for k, v in opened.items() if isinstance(v, DocumentError)}
    events: Iterable[Any]
    if len(refused) == len(jobs) and tracing.trace is None:
        events = failed_jobs(jobs, refused)
    else:
        loaded = model.load(reading.window)

        from foldctx_pipelines.answer import answer_jobs

        events = answer_jobs(
            jobs,
            loaded,
            config=config,
            decoder=decoding.decoder(loaded.info, overrides),
            trace=trace,
            seed=decoding.seed,
            steps=tracing.steps,
            opened=opened,
        )
    with trace, sink, Bar(quiet=output.quiet) as bar:
        tally.report(events, sink, bar)
    raise typer.Exit(tally.exit_code(require_evidence=require_evidence))
