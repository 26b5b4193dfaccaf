"""What training reads: the world of one split from banks, text and dictionary, and a reader."""

import random
from pathlib import Path

from foldctx.errors import UsageError
from foldctx.folding.prompts import TEMPLATES, Prompts
from foldctx.models.architecture import Transformer
from foldctx.models.load import load_model
from foldctx.models.tokenizer import Tokenizer
from foldctx_pipelines.training.bpe import save_tokenizer, train_tokenizer
from foldctx_pipelines.training.dictionary import load_dictionary
from foldctx_pipelines.training.facts import load_banks
from foldctx_pipelines.training.lookalikes import load_mistakes
from foldctx_pipelines.training.prose import load_prose
from foldctx_pipelines.training.sources import Sources, World, draw_fact

VOCABULARY = 8192


def build_world(
    run: Path,
    text: list[Path],
    wordnet: Path,
    *,
    held_out: bool = False,
    mistakes: Path | None = None,
) -> World:
    """Banks, dictionary, prose and tokenizer; the tokenizer is trained when the run has none."""
    sources = Sources(
        bank=load_banks(held_out=held_out),
        words=load_dictionary(wordnet),
        prose=load_prose(text, held_out=held_out),
    )
    path = run / "tokenizer.json"
    if not path.exists():
        run.mkdir(parents=True, exist_ok=True)
        _make_tokenizer(run, sources)
    tokenizer = Tokenizer(path)
    return World(
        bank=sources.bank,
        words=sources.words,
        prose=sources.prose,
        mistakes={} if mistakes is None else load_mistakes(mistakes),
        prompts=Prompts.from_file(TEMPLATES / "reader.toml", tokenizer),
        tokenizer=tokenizer,
        mask_id=tokenizer.token_id("<|mdm_mask|>"),
        eos_id=tokenizer.token_id("<|endoftext|>"),
    )


def _make_tokenizer(run: Path, sources: Sources) -> None:
    rng = random.Random(0)
    generated = []
    for _ in range(60_000):
        fact = draw_fact(rng, sources)
        generated.append(f" {fact.statement} {fact.question}")
    sentences = [f" {sentence}" for file in sources.prose.files for sentence in file]
    save_tokenizer(train_tokenizer([*generated, *sentences], VOCABULARY), run)


def load_reader(folder: Path) -> Transformer:
    """The network of a model folder in float32. Raises UsageError for another family than LLaDA's."""
    network = load_model(folder, device="cpu", dtype="float32").transformer
    if not isinstance(network, Transformer):
        raise UsageError(f"{folder}: only a checkpoint of LLaDA's family can be a reader")
    return network
