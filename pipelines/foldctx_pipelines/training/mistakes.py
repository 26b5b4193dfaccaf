"""Mining a reader's own mistakes: `python -m foldctx_pipelines.training.mistakes --help`.

Windows without any answer are read, and the sentences that the reader is most inclined to point at
are written down by the relation that was asked. Training shows them again among its distractors
(hard negatives, as dense retrievers are trained: arXiv 2007.00808).
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import torch
import typer

from foldctx.models.architecture import Transformer
from foldctx.models.forward import Feed, hidden_states
from foldctx_pipelines.commands import run_command
from foldctx_pipelines.training.facts import realise
from foldctx_pipelines.training.lines import dressed
from foldctx_pipelines.training.lookalikes import Row
from foldctx_pipelines.training.sources import Ids, World
from foldctx_pipelines.training.windows import Reading, reading_window
from foldctx_pipelines.training.worlds import build_world, load_reader

INCLINED = 0.08  # probability of a unit from which the reader is said to be drawn to it
app = typer.Typer(add_completion=False)


@torch.inference_mode()
def mine(
    model: Transformer, world: World, *, windows: int, length: int, seed: int
) -> Iterator[tuple[str, str, float]]:
    """Relation asked, text of a row that does not answer, and the probability of its unit."""
    for number in range(windows):
        rng = random.Random(f"{seed}/{number}")
        facts = [realise(rng, rng.choice(world.bank.relations)) for _ in range(8)]
        near = [world.lookalikes.near(rng, fact) for fact in facts for _ in range(2)]
        asked = world.encode([fact.question for fact in facts])
        rows, units = _fill(rng, world, [row for row in near if row is not None], asked, length)
        texts = [text for text, _ in units]
        reading = Reading(tuple(asked), (), tuple((ids, ()) for _, ids in units), ((),) * 8)
        window = reading_window(rng, world, reading)
        canvas = world.prompts.canvas(len(facts))
        first = [len(window.ids) - canvas.length + slot[0] for slot in canvas.slots]
        markers = torch.tensor([window.ids[at] for at, _ in window.marks])
        feed = Feed(torch.tensor(window.ids), torch.arange(len(window.ids)), torch.tensor(first))
        hidden, _ = hidden_states(model, [feed])
        chances = model.head(hidden).float().softmax(-1)[:, markers]
        best = chances.max(-1)
        for i, (chance, unit) in enumerate(zip(*(x.tolist() for x in best), strict=True)):
            row, fact = rows[unit], facts[i]
            shown = window.ids[first[i]] != world.mask_id
            if shown or chance < INCLINED or row.relation == fact.relation:
                continue
            if fact.answer not in texts[unit]:
                yield fact.relation, row.text, chance


def _fill(
    rng: random.Random, world: World, near: list[Row], asked: list[Ids], length: int
) -> tuple[list[Row], list[tuple[str, Ids]]]:
    """Rows in random order, those near the questions among others, and their units."""
    canvas = world.prompts.canvas(len(asked)).length
    room = length - canvas - world.prompts.frame("read", asked)
    others = rng.choices(world.lookalikes.rows, k=40)
    chosen: list[Row] = []
    units: list[tuple[str, Ids]] = []
    for row in [*near, *others]:
        text = dressed(rng, row.write(rng))
        (ids,) = world.encode([text])
        if len(ids) + 1 <= room and len(units) < world.prompts.max_units:
            chosen.append(row)
            units.append((text, ids))
            room -= len(ids) + 1
    order = rng.sample(range(len(units)), len(units))
    return [chosen[i] for i in order], [units[i] for i in order]


@app.command()
def main(
    model: Annotated[Path, typer.Option(help="Model folder of the reader.")],
    run: Annotated[Path, typer.Option(help="Run folder with the reader's tokenizer.")],
    text: Annotated[list[Path], typer.Option(help="Plain text, as in training.")],
    wordnet: Annotated[Path, typer.Option(help="Folder of WordNet 3, as in training.")],
    out: Annotated[Path, typer.Option(help="JSONL of relation, text and chance; appended to.")],
    windows: Annotated[int, typer.Option(help="Windows to read.")] = 4000,
    length: Annotated[int, typer.Option(help="Tokens of a window.")] = 512,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Write down what a reader points at in windows that do not answer."""
    network = load_reader(model)
    world = build_world(run, text, wordnet)
    with out.open("a", encoding="utf-8") as file:
        for relation, row, chance in mine(
            network, world, windows=windows, length=length, seed=seed
        ):
            record = {"relation": relation, "text": row, "chance": round(chance, 3)}
            print(json.dumps(record, ensure_ascii=False), file=file, flush=True)


if __name__ == "__main__":
    run_command(app)
