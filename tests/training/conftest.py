"""A small world of generated prose and dictionary files, in the forms that the recipe reads."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from foldctx_pipelines.training import words
from foldctx_pipelines.training.bpe import save_tokenizer, train_tokenizer
from foldctx_pipelines.training.dictionary import load_dictionary
from foldctx_pipelines.training.facts import load_banks
from foldctx_pipelines.training.prose import load_prose
from foldctx_pipelines.training.sources import Sources, World, draw_fact
from foldctx_pipelines.training.worlds import build_world


@dataclass(frozen=True)
class Ground:
    """The files, and both splits of the world made of them."""

    run: Path
    text: list[Path]
    wordnet: Path
    world: World
    held_out: World


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("training")
    run, wordnet, text = folder / "run", folder / "wordnet", folder / "prose.txt"
    run.mkdir()
    write_prose(text)
    write_wordnet(wordnet)
    sources = Sources(bank=load_banks(), words=load_dictionary(wordnet), prose=load_prose([text]))
    rng = random.Random(0)
    facts = [draw_fact(rng, sources) for _ in range(2500)]
    save_tokenizer(train_tokenizer((f" {f.statement} {f.question}" for f in facts), 8192), run)
    world = build_world(run, [text], wordnet)
    held_out = replace(
        world, bank=load_banks(held_out=True), prose=load_prose([text], held_out=True)
    )
    return Ground(run, [text], wordnet, world, held_out)


def write_prose(path: Path) -> None:
    rng = random.Random(1)
    animals, tools, rooms = (words.LISTS[name] for name in ("animal", "tool", "room"))
    lines = []
    for k in range(1500):
        who, what, where = rng.choice(animals), rng.choice(tools), rng.choice(rooms)
        verb = rng.choice(["carried", "found", "hid", "praised", "painted", "forgot"])
        lines.append(f"On morning {k} the {who} {verb} a heavy {what} behind the old {where}.")
    path.write_text(" ".join(lines), "utf-8")


def write_wordnet(folder: Path) -> None:
    folder.mkdir()
    rng, nouns = random.Random(2), list[str]()
    while len(nouns) < 800:
        noun = "".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(4))
        nouns += [noun] if noun not in nouns else []
    data, index = ["  1 a line of the licence"], ["  1 a line of the licence"]
    for i in range(0, len(nouns) - 1, 2):
        first, second = nouns[i], nouns[i + 1]
        gloss = f"one of the things that people near {second} used to keep in order"
        data.append(f'{i:08d} 03 n 02 {first} 0 {second} 0 000 | {gloss}; "an example"')
        index += [f"{first} n 1 0 1 1 {i:08d}", f"{second} n 1 0 1 1 {i:08d}"]
    adjectives = [f"{colour} a 1 0 1 1 00000001" for colour in words.LISTS["colour"]]
    (folder / "data.noun").write_text("\n".join(data) + "\n", "utf-8")
    (folder / "index.noun").write_text("\n".join(index) + "\n", "utf-8")
    (folder / "index.adj").write_text("\n".join(adjectives) + "\n", "utf-8")
