"""Where the facts of training windows come from: banks, a dictionary, real prose."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from foldctx.errors import UsageError
from foldctx.folding.prompts import Prompts
from foldctx.models.tokenizer import Tokenizer
from foldctx_pipelines.training.dictionary import Dictionary, coined_fact, definition_fact
from foldctx_pipelines.training.facts import Bank, Fact, Filler, realise
from foldctx_pipelines.training.lookalikes import Lookalikes
from foldctx_pipelines.training.prose import Prose, content_words

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mixture:
    """Upper edges, from 0 to 1, of the shares of relations, frames and definitions.

    The rest is prose. `Mixture(1.0, 1.0, 1.0)` draws relations of the banks alone.
    """

    relations: float = 0.60
    frames: float = 0.78
    definitions: float = 0.83

    def __post_init__(self) -> None:
        if not 0 <= self.relations <= self.frames <= self.definitions <= 1:
            raise UsageError(
                f"mixture {self.relations}, {self.frames}, {self.definitions}: "
                "give rising edges from 0 to 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """All that facts are drawn from, in one split."""

    bank: Bank
    words: Dictionary
    prose: Prose
    mixture: Mixture = Mixture()
    mistakes: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    lookalikes: Lookalikes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = Lookalikes(self.bank, self.prose, self.mistakes)
        object.__setattr__(self, "lookalikes", made)


@dataclass(frozen=True, slots=True, kw_only=True)
class World(Sources):
    """Sources, and the prompts and tokens their facts are written in."""

    prompts: Prompts
    tokenizer: Tokenizer
    mask_id: int
    eos_id: int

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of texts as the pipeline encodes them."""
        return self.prompts.text_ids(texts)


def draw_fact(rng: random.Random, sources: Sources) -> Fact:
    """A fact of any source: banks, dictionary frames, definitions, sentences of real prose."""
    form = rng.random()
    if form < sources.mixture.relations:
        return realise(rng, rng.choice(sources.bank.relations))
    if form < sources.mixture.frames:
        return coined_fact(rng, sources.words)
    if form < sources.mixture.definitions:
        return definition_fact(rng, sources.words)
    return _prose_fact(rng, sources)


def _prose_fact(rng: random.Random, sources: Sources) -> Fact:
    """A real sentence asked for by some of its words; the answer is what follows a phrase of it."""
    while True:
        pair = sources.prose.run(rng, 2)
        if len(pair) == 2 and len(content_words(pair[0])) >= 4:
            break
    sentence, other = pair
    words = sentence.split()
    content = content_words(sentence)
    if rng.random() < 0.5 and len(words) > 7:
        at = rng.randrange(3, len(words) - 1)
        given = " ".join(words[max(0, at - rng.randrange(3, 6)) : at])
        answer = " ".join(words[at : at + rng.randrange(1, 5)]).strip(".,;:!?\"'()")
        ask = rng.choice(["Complete: {k} ...", 'What comes after "{k}"?', "How does it go on: {k}"])
        if answer:
            return Fact("cloze", "", sentence, ask.format(k=given), answer, other, "")
    kept = [w for w in content if rng.random() < 0.6][:6] or content[:3]
    if rng.random() < 0.3:
        rng.shuffle(kept)
    ask = rng.choice(
        [
            "What is said about {k}?",
            "{k}",
            "Where does the text speak of {k}?",
            "{k}?",
            "Tell me about {k}.",
            "Which passage mentions {k}?",
            "What happens with {k}?",
        ]
    )
    return Fact("mention", "", sentence, ask.format(k=" ".join(kept)), sentence, other, "")


def filler_sentences(rng: random.Random, sources: Sources, count: int) -> list[str]:
    """Neutral sentences around the facts: real prose, domain prose, or a mixture with facts."""
    form = rng.random()
    if form < 0.45:
        return sources.prose.run(rng, count)
    domain = [rng.choice(sources.bank.fillers) for _ in range(count)]
    out = []
    for template, lists in domain:
        if form > 0.8 and rng.random() < 0.4:
            out.append(realise(rng, rng.choice(sources.bank.relations)).statement)
        elif rng.random() < 0.2:
            out.append(coined_fact(rng, sources.words).statement)
        else:
            out.append(Filler(rng, lists).fill(template))
    return out
