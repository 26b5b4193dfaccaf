"""Reading by a script: real forwards on a made-up document, of which it is known what helps."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from foldctx.documents import Document, Page
from foldctx.folding.prompts import Prompts
from foldctx.folding.reading import Passage
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo
from foldctx.models.load import Model
from foldctx.models.tokenizer import Tokenizer

KEY = "Zebulon"
QUESTION = f"What is said of {KEY}?"
_WORDS = (
    "the",
    "of",
    "and",
    "to",
    "in",
    "that",
    "was",
    "with",
    "for",
    "his",
    "from",
    "they",
    "this",
    "were",
    "their",
    "which",
    "when",
    "there",
    "been",
    "have",
    "one",
    "would",
    "what",
    "more",
    "about",
    "out",
    "time",
    "people",
    "year",
    "work",
    "water",
    "place",
    "house",
    "river",
    "stone",
    "paper",
    "town",
    "light",
    "winter",
    "garden",
    "letter",
    "ship",
    "road",
    "field",
    "market",
    "bridge",
    "tower",
    "harbour",
    "window",
    "table",
    "morning",
)
_FILLER = 78  # tokens of a sentence: 48 of them, the most markers, fill a window of 4096
_SURE = 30.0
_ANSWER = 4  # tokens of a scripted answer


def make_document(
    prompts: Prompts, tokens: int, *, spacing: int, note: int, seed: int = 0
) -> Document:
    """Sentences of about `tokens` tokens; every `spacing` one of `note` begins with the key."""
    costs = dict(zip(_WORDS, map(len, prompts.text_ids(_WORDS)), strict=True))
    head = len(prompts.text_ids([KEY])[0])
    rng, sentences, at, due = random.Random(seed), list[str](), 0, spacing // 2
    while at < tokens:
        helps = at >= due
        words, size = ([KEY], head + 1) if helps else ([], 1)  # the stop is a token
        while size < (note if helps else _FILLER):
            words.append(rng.choice(_WORDS))
            size += costs[words[-1]]
        sentences.append(" ".join(words).capitalize() + ".")
        at, due = at + size, due + spacing if helps else due
    text = " ".join(sentences)
    page = Page(1, 0, len(text))
    return Document("generated", text, (page,), "text/plain", "0" * 64, ())


def helps(passage: Passage) -> bool:
    """Whether a sentence of the passage begins with the key."""
    return any(text.lstrip().startswith(KEY) for text in passage.texts)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A predictor that runs the model and then says what the script says.

    A window is pointed at its sentence that begins with the key, in two forwards, or says none in
    one; an answer takes five forwards, a token each. It reads the embedded reader's template.
    """

    model: Model
    prompts: Prompts
    ids: "_Ids" = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", _ids(self.prompts, self.model.tokenizer))

    @property
    def info(self) -> ModelInfo:
        """As the model's."""
        return self.model.info

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        """The model's logits, overwritten."""
        found = self.model.predict(feeds)
        for feed, logits in zip(feeds, found, strict=True):
            logits.zero_()
            for row, (token, sure) in enumerate(self._said(feed)):
                logits[row, token] = _SURE if sure else math.log(self.info.vocab_size)
        return found

    def _said(self, feed: Feed) -> list[tuple[int, bool]]:
        """Token and certainty of the first rows; what is not said is left even."""
        tokens, ids, eos = feed.tokens.tolist(), self.ids, self.info.eos_id
        if ids.notes not in tokens:
            if tokens[0] == ids.label and ids.answer not in tokens:  # a reading canvas alone
                return [(eos, True)]
            return [(ids.word if tokens.count(ids.word) < _ANSWER else eos, True)]
        if feed.logit_rows.numel() == 1:
            return [(eos, True)]
        pointed = self._pointed(tokens)
        if pointed is None:
            return [(self.prompts.none_ids[0], True)]
        return [(pointed, True), (eos, False)]

    def _pointed(self, tokens: Sequence[int]) -> int | None:
        """The marker before the first sentence of the chunk that begins with the key."""
        key = list(self.ids.key)
        for at, token in enumerate(tokens):
            if token in self.prompts.markers and tokens[at + 1 : at + 1 + len(key)] == key:
                return token
        return None


@dataclass(frozen=True, slots=True)
class _Ids:
    """Ids that the script goes by; `word` is the one its answers are made of."""

    notes: int
    answer: int
    label: int
    word: int
    key: tuple[int, ...]


def _ids(prompts: Prompts, tokenizer: Tokenizer) -> _Ids:
    key, *others = prompts.text_ids([KEY, QUESTION, *_WORDS])
    used = {token for row in (key, *others) for token in row}
    (label,) = prompts.canvas(1).pinned.values()
    free = next(i for i in range(tokenizer.vocab_size - 1, 0, -1) if i not in used)
    ends = tokenizer.token_id("<|notes|>"), tokenizer.token_id("<|answer|>")
    return _Ids(*ends, label, free, key)


def memory_fill(notes_before: Sequence[int], size: int, budget: int) -> float:
    """The mean share of the memory that the windows carry, given the notes found before each."""
    room = budget // size
    carried = [min(count, room) * size for count in notes_before]
    return sum(carried) / (budget * max(1, len(carried)))
