"""foldctx generate: continue a prompt, by any preset and to any length."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx.decoding.tasks import TASKS, Task, task
from foldctx.errors import UsageError
from foldctx_cli.model_options import ModelOptions
from foldctx_cli.options import DECODING, DecodingOptions, OutputOptions, TraceOptions, with_options

if TYPE_CHECKING:
    from foldctx_pipelines.prompts import Prompt


DEFAULT_LENGTH = 128


@dataclass(frozen=True, slots=True)
class Length:
    """How much is decoded, from which form of the prompt, and how many prompts at once."""

    gen_length: Annotated[
        int | None,
        typer.Option(
            help=f"Tokens to decode; any number; default: {DEFAULT_LENGTH}, or the task's.",
            rich_help_panel=DECODING,
            min=1,
            show_default=False,
        ),
    ] = None
    block_length: Annotated[
        int | None,
        typer.Option(
            help="Tokens denoised together; short for --set block_length=N.",
            rich_help_panel=DECODING,
        ),
    ] = None
    task: Annotated[
        str | None,
        typer.Option(
            help=f"Lengths and end tokens as LLaDA publishes them: {', '.join(TASKS)}.",
            rich_help_panel=DECODING,
        ),
    ] = None
    chat: Annotated[
        bool | None,
        typer.Option(
            "--chat/--raw",
            help="The prompt as the user's turn, or as it is; default: chat where the model can.",
            rich_help_panel=DECODING,
            show_default=False,
        ),
    ] = None
    rows: Annotated[
        int,
        typer.Option(
            help="Prompts decoded at once; never changes a token.", rich_help_panel=DECODING, min=1
        ),
    ] = 4


@with_options
def generate(
    length: Length,
    decoding: DecodingOptions,
    model: ModelOptions,
    output: OutputOptions,
    tracing: TraceOptions,
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="[PROMPT|-]", help="Text to continue; - is standard input."),
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="JSONL with prompt, and id, in each row; - is stdin.")
    ] = None,
) -> None:
    """Continue a prompt; every token is in the record, also beyond the model's window."""
    setting = Task("", DEFAULT_LENGTH) if length.task is None else task(length.task)
    overrides = {**setting.options, **_overrides(decoding, length.block_length)}
    decoding.check(overrides)

    from foldctx_cli.console import Bar, Sink, check_target
    from foldctx_cli.report import Tally, new_run

    given = _prompts(prompt, prompts)
    check_target(output.output, "--output", [prompts or "-"])
    check_target(tracing.trace, "--trace", [prompts or "-", str(output.output or "-")])
    sink, tally, trace = Sink(output), Tally(quiet=output.quiet), new_run(tracing.trace)
    loaded = model.load()

    from foldctx.models.families import FAMILIES
    from foldctx_pipelines.generate import Generating, generate_prompts
    from foldctx_pipelines.prompts import check_chat

    how = Generating(
        decoding.decoder(loaded.info, overrides),
        setting.gen_length if length.gen_length is None else length.gen_length,
        seed=decoding.seed,
        chat=check_chat(loaded.tokenizer, FAMILIES[loaded.info.family].chat, length.chat),
        rows=length.rows,
        steps=tracing.steps,
    )
    with trace, sink, Bar(quiet=output.quiet) as bar:
        bar.begin("prompts", len(given))
        tally.report(generate_prompts(given, loaded, how, trace), sink, bar)
    raise typer.Exit(tally.exit_code())


def _overrides(decoding: DecodingOptions, block_length: int | None) -> dict[str, Any]:
    overrides = decoding.overrides()
    if block_length is None:
        return overrides
    if overrides.get("block_length", block_length) != block_length:
        raise UsageError(
            f"--block-length {block_length} and --set block_length={overrides['block_length']} "
            "differ; give one of them"
        )
    return {**overrides, "block_length": block_length}


def _prompts(prompt: str | None, file: str | None) -> "list[Prompt]":
    from foldctx_cli.console import standard_input
    from foldctx_pipelines.prompts import make_prompt, read_prompt, read_prompts

    if (prompt is None) == (file is None):
        raise UsageError("give a prompt, - for standard input, or --prompts FILE")
    if file is not None:
        return read_prompts(file, standard_input())
    if prompt == "-":
        return [read_prompt(standard_input())]
    return [make_prompt(str(prompt), "command line")]
