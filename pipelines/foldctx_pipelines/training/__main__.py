"""Train the embedded reader: `python -m foldctx_pipelines.training --help`."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from foldctx.folding.prompts import TEMPLATES, Prompts
from foldctx.models.architecture import Dims, Transformer
from foldctx.models.tokenizer import Tokenizer
from foldctx_pipelines.training.bpe import save_tokenizer, train_tokenizer
from foldctx_pipelines.training.circuit import initialise
from foldctx_pipelines.training.dictionary import load_dictionary
from foldctx_pipelines.training.evaluate import quick_scores
from foldctx_pipelines.training.facts import load_banks
from foldctx_pipelines.training.prose import Prose, load_prose
from foldctx_pipelines.training.tasks import World, draw_fact
from foldctx_pipelines.training.train import Plan, Stage, Trainer

VOCABULARY = 8192
DIMS = Dims(width=256, layers=6, heads=4, kv_heads=4, mlp=640, embeddings=VOCABULARY, tied=True)
STAGES = (
    Stage(steps=700, length=192, rows=22, questions=4, answer_length=112, answer_rows=12),
    Stage(steps=800, length=320, rows=8, questions=6, answer_length=88, answer_rows=40),
    Stage(steps=900, length=480, rows=8, questions=8, answer_length=112, answer_rows=16),
)
app = typer.Typer(add_completion=False)


def build_world(run: Path, text: list[Path], wordnet: Path, *, held_out: bool = False) -> World:
    """Banks, dictionary, prose and tokenizer; the tokenizer is trained when the run has none."""
    banks, words = load_banks(held_out=held_out), load_dictionary(wordnet)
    prose = load_prose(text, held_out=held_out)
    path = run / "tokenizer.json"
    if not path.exists():
        run.mkdir(parents=True, exist_ok=True)
        _make_tokenizer(run, World(banks, words, prose, None, None, 0, 0), prose)  # type: ignore[arg-type]
    tokenizer = Tokenizer(path)
    prompts = Prompts.from_file(TEMPLATES / "reader.toml", tokenizer)
    mask, end = tokenizer.token_id("<|mdm_mask|>"), tokenizer.token_id("<|endoftext|>")
    return World(banks, words, prose, prompts, tokenizer, mask, end)


def _make_tokenizer(run: Path, world: World, prose: Prose) -> None:
    rng = random.Random(0)
    generated = []
    for _ in range(60_000):
        fact = draw_fact(rng, world)
        generated.append(f" {fact.statement} {fact.question}")
    sentences = [f" {sentence}" for file in prose.files for sentence in file]
    save_tokenizer(train_tokenizer([*generated, *sentences], VOCABULARY), run)


@app.command()
def main(
    run: Annotated[
        Path, typer.Option(help="Run folder: tokenizer, state, log. Resumes if it has a state.")
    ],
    text: Annotated[
        list[Path], typer.Option(help="Plain text for haystacks; repeat for more files.")
    ],
    wordnet: Annotated[
        Path, typer.Option(help="Folder with data.noun, index.noun and index.adj of WordNet 3.")
    ],
    steps: Annotated[str, typer.Option(help="Steps of the three stages.")] = "700,800,900",
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 6e-4,
    decay: Annotated[int, typer.Option(help="Steps of the final linear decay.")] = 500,
    seed: Annotated[int, typer.Option()] = 0,
    device: Annotated[str, typer.Option()] = "cpu",
    compiled: Annotated[bool, typer.Option("--compile/--eager")] = True,
    every: Annotated[int, typer.Option(help="Steps between evaluations and saved states.")] = 100,
) -> None:
    """Train, evaluate and save until the plan is done."""
    counts = [int(part) for part in steps.split(",")]
    stages = tuple(replace(s, steps=n) for s, n in zip(STAGES, counts, strict=True))
    plan = Plan(stages, rate=rate, decay=decay, seed=seed)
    torch.manual_seed(seed)
    world = build_world(run, text, wordnet)
    held_out = build_world(run, text, wordnet, held_out=True)
    model = Transformer(DIMS)
    vocabulary = json.loads((run / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    initialise(model, tokens + [""] * (VOCABULARY - len(tokens)), world.mask_id, seed)
    trainer = Trainer(model.to(device), world, plan, run, compiled=compiled)
    trainer.resume()
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        for row in trainer.train():
            if trainer.step % every == 0 or trainer.step == plan.steps:
                trainer.save()
                stage = plan.stage(trainer.step - 1)
                scores = quick_scores(
                    model, held_out, length=stage.length, questions=2, cases=48, seed=trainer.step
                )
                row = {**row, **scores}
            if trainer.step % 10 == 0:
                print(json.dumps({k: round(v, 4) for k, v in row.items()}), file=log, flush=True)


if __name__ == "__main__":
    app()
