"""`python -m foldctx_pipelines.sized --help`: make a checkpoint of a published size, and check it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from foldctx_pipelines.commands import run_command
from foldctx_pipelines.sized.configs import LLADA_8B, NAMES, config_of

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def make(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    shape: Annotated[str, typer.Option(help=f"{', '.join(NAMES)}.")] = LLADA_8B,
    dtype: Annotated[str, typer.Option(help="What is stored.")] = "bfloat16",
    seed: Annotated[int, typer.Option(help="Of the weights.", min=0)] = 0,
) -> None:
    """Write a checkpoint of this shape with random weights: llada-8b takes 16 GB of disk."""
    config = config_of(shape)

    from foldctx_pipelines.sized.make import make_checkpoint

    for file in make_checkpoint(folder, config, dtype=dtype, seed=seed):
        print(file, flush=True)


@app.command()
def check(
    folder: Annotated[str, typer.Argument(help="A model folder; any will do.")],
    dtype: Annotated[str, typer.Option(help="bfloat16, float16 or float32.")] = "bfloat16",
    layers: Annotated[int, typer.Option(help="Held against float32.", min=1)] = 2,
    tokens: Annotated[int, typer.Option(help="Length of the feed.", min=1)] = 256,
) -> None:
    """Load it as every command does, read one feed on the CPU, and compare its first layers.

    Prints one JSON object; exits with 1 when a row lies too far from the float32 one.
    """
    from foldctx_pipelines.sized.check import check_checkpoint

    report = check_checkpoint(folder, dtype=dtype, layers=layers, tokens=tokens)
    print(json.dumps(report.to_dict()))
    raise typer.Exit(0 if report.ok else 1)


if __name__ == "__main__":
    run_command(app)
