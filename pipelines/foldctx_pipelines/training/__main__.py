"""Train the embedded reader: `python -m foldctx_pipelines.training --help`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from foldctx.errors import UsageError
from foldctx.models.architecture import Dims, Transformer
from foldctx_pipelines.commands import run_command
from foldctx_pipelines.training.card import Recipe
from foldctx_pipelines.training.circuit import initialise
from foldctx_pipelines.training.curriculum import Plan, Stage
from foldctx_pipelines.training.evaluate import quick_scores
from foldctx_pipelines.training.export import copy_tokenizer
from foldctx_pipelines.training.facts import load_banks
from foldctx_pipelines.training.meanings import token_meanings
from foldctx_pipelines.training.prose import load_prose
from foldctx_pipelines.training.release import release
from foldctx_pipelines.training.sources import World
from foldctx_pipelines.training.train import Trainer
from foldctx_pipelines.training.worlds import VOCABULARY, build_world, load_reader

DIMS = Dims(width=320, layers=6, heads=5, kv_heads=5, mlp=832, embeddings=VOCABULARY, tied=True)
STAGES = (
    Stage(steps=1500, length=192, rows=24, questions=6, answer_length=96, answer_rows=40),
    Stage(
        steps=3500,
        length=256,
        rows=12,
        questions=8,
        answer_length=104,
        answer_rows=60,
        long_share=0.5,
        answer_long=384,
        answer_long_share=0.4,
        story_share=0.2,
        story_answer_share=0.32,
    ),
)
Precision = Literal["bfloat16", "float32"]
app = typer.Typer(add_completion=False)


@app.command()
def main(  # noqa: PLR0913 - a parameter is an option of the command
    run: Annotated[
        Path, typer.Option(help="Run folder: tokenizer, state, log. Resumes if it has a state.")
    ],
    text: Annotated[
        list[Path], typer.Option(help="Plain text for haystacks; repeat for more files.")
    ],
    wordnet: Annotated[
        Path, typer.Option(help="Folder with data.noun, index.noun and index.adj of WordNet 3.")
    ],
    steps: Annotated[str, typer.Option(help="Steps of the stages.")] = "1500,3500",
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1e-3,
    decay: Annotated[int, typer.Option(help="Steps of the final linear decay.")] = 500,
    seed: Annotated[int, typer.Option()] = 0,
    device: Annotated[str, typer.Option()] = "cpu",
    precision: Annotated[
        Precision, typer.Option(help="Of matrix products in training; weights stay float32.")
    ] = "bfloat16",
    workers: Annotated[int, typer.Option(help="Processes that make batches ahead.")] = 1,
    encoder: Annotated[
        Path | None,
        typer.Option(help="Folder of a BERT-like sentence encoder: what words mean at the start."),
    ] = None,
    every: Annotated[int, typer.Option(help="Steps between evaluations and saved states.")] = 100,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Model folder to begin from, with its tokenizer, instead of the circuits."
        ),
    ] = None,
    mistakes: Annotated[
        Path | None,
        typer.Option(help="What a reader pointed at wrongly, as `training.mistakes` writes it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the exported model; `export` in the run folder.")
    ] = None,
    export_only: Annotated[
        bool,
        typer.Option("--export-only", help="Export the run's state as it is, without training."),
    ] = False,
) -> None:
    """Train until the plan is done, then calibrate, evaluate and export; resumes after a kill."""
    plan = Plan(_stages(steps), rate=rate, decay=decay, seed=seed)
    if export_only and not (run / "state.safetensors").exists():
        raise UsageError(f"{run}: no state.safetensors in it to export; train first")
    torch.manual_seed(seed)
    if start is not None:
        copy_tokenizer(start, run)
    world = build_world(run, text, wordnet, mistakes=mistakes)
    held_out = replace(
        world,
        bank=load_banks(held_out=True),
        prose=load_prose(text, held_out=True),
        mistakes={},
    )
    if not export_only:
        trainer = Trainer(
            _start(run, world, seed, start, encoder).to(device),
            world,
            plan,
            run,
            precision=getattr(torch, precision),
            workers=workers,
        )
        trainer.resume()
        _train(trainer, held_out, every)
    command = _command(text, steps, encoder, mistakes, rate=rate, decay=decay, seed=seed)
    recipe = Recipe(command, _names(text))
    release(run, out or run / "export", DIMS, held_out, recipe=recipe)


def _stages(steps: str) -> tuple[Stage, ...]:
    try:
        counts = [int(part) for part in steps.split(",")]
    except ValueError:
        counts = []
    if len(counts) != len(STAGES) or min(counts) < 0:
        raise UsageError(f"--steps {steps}: give {len(STAGES)} whole numbers joined by commas")
    return tuple(replace(stage, steps=n) for stage, n in zip(STAGES, counts, strict=True))


def _start(
    run: Path, world: World, seed: int, start: Path | None, encoder: Path | None
) -> Transformer:
    """The model before its first step: the circuits, or the weights of a model folder."""
    if start is not None:
        return load_reader(start).requires_grad_(True)
    model = Transformer(DIMS)
    vocabulary = json.loads((run / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    tokens += [""] * (VOCABULARY - len(tokens))
    meanings = token_meanings(tokens, encoder) if encoder is not None else None
    initialise(model, tokens, world.mask_id, seed, meanings)
    return model


def _train(trainer: Trainer, held_out: World, every: int) -> None:
    plan = trainer.plan
    with (trainer.run / "log.jsonl").open("a", encoding="utf-8") as log:
        for row in trainer.train():
            if trainer.step % every == 0 or trainer.step == plan.steps:
                trainer.save()
                length = plan.stage(trainer.step - 1).length
                row |= quick_scores(
                    trainer.model, held_out, length=length, questions=2, cases=48, seed=trainer.step
                )
            if trainer.step % 10 == 0 or trainer.step == plan.steps:
                print(json.dumps({k: round(v, 4) for k, v in row.items()}), file=log, flush=True)


def _names(text: list[Path]) -> tuple[str, ...]:
    return tuple(path.name for path in text)


def _command(
    text: list[Path], steps: str, encoder: Path | None, mistakes: Path | None, **numbers: float
) -> str:
    """The command that makes the same weights, with file names in place of the user's paths."""
    files = " ".join(f"--text {name}" for name in _names(text))
    options = " ".join(f"--{name} {number:g}" for name, number in numbers.items())
    options += "" if encoder is None else " --encoder encoder"
    options += "" if mistakes is None else f" --mistakes {mistakes.name}"
    module = "python -m foldctx_pipelines.training"
    return f"{module} --run run {files} --wordnet wordnet --steps {steps} {options}"


if __name__ == "__main__":
    run_command(app)
