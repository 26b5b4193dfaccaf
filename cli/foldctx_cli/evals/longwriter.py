"""foldctx eval longwriter: texts of a length that was asked for."""

from typing import Annotated

import typer

from foldctx_cli.evals.options import RunFolderOptions, execute
from foldctx_cli.model_options import ModelOptions
from foldctx_cli.options import DecodingOptions, with_options


@with_options
def run(
    prompts: Annotated[
        str,
        typer.Argument(metavar="PROMPTS", help="JSONL with prompt and length; - is stdin."),
    ],
    output: RunFolderOptions,
    decoding: DecodingOptions,
    model: ModelOptions,
    tokens_per_word: Annotated[
        float, typer.Option(help="Most tokens of a text, for each word asked for.", min=0.1)
    ] = 1.5,
    limit: Annotated[int | None, typer.Option(help="Most rows.", min=1)] = None,
) -> None:
    """Write the texts that prompts ask for into a run folder; they may be longer than the window."""
    from foldctx.folding.config import FoldConfig
    from foldctx_cli.console import standard_input
    from foldctx_pipelines.benchmarks import longwriter
    from foldctx_pipelines.benchmarks.answering import TRUNCATE, Method

    config = FoldConfig(strategy=TRUNCATE)
    samples = longwriter.load(
        prompts, standard_input(), tokens_per_word=tokens_per_word, limit=limit
    )
    checkpoint = model.read()
    preset = decoding.preset or checkpoint.family.preset
    method = Method(config, preset, decoding.overrides(), decoding.seed)

    from foldctx_pipelines.benchmarks.running import Benchmark

    settings = {"tokens_per_word": tokens_per_word, **model.numbers}
    execute(Benchmark("longwriter", settings), samples, model, checkpoint, method, output)
