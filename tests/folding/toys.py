"""A scripted reader: what it says is decided by the words it is fed, not by weights.

A unit helps when it holds the question's last word. Words change what it does: "whisper" units are
seen only in windows of one question, "perhaps" makes it unsure that nothing helps, "maybe" makes
an answer unsure, "rephrase" and "&" make a written note other words than the document's.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from foldctx.documents import Document, Page
from foldctx.folding.config import Calibration, FoldConfig
from foldctx.folding.prompts import TEMPLATES, Prompts
from foldctx.folding.session import Session, Setup
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo
from foldctx.models.tokenizer import Tokenizer
from foldctx_pipelines.training.bpe import SPECIAL, save_tokenizer, train_tokenizer

CORPUS = """The colour of alpha is deep blue. The harbour was quiet in the morning and the boats lay
still. Which colour has alpha? Nobody in the village could say who had built the old stone bridge.
The price of beta is 1250 dollars. Rain fell on the hills for most of the week, as it does there."""


def make_tokenizer(folder: Path) -> Tokenizer:
    save_tokenizer(train_tokenizer([CORPUS] * 3, 500), folder)
    return Tokenizer(folder / "tokenizer.json")


@dataclass
class Toy:
    """A model in all that folding and the pipelines ask of one."""

    tokenizer: Tokenizer
    window: int = 160
    calibration: dict[str, Any] = field(default_factory=dict)
    sure: float = 0.97
    none: float = 0.95
    fail_after: int | None = None
    error: BaseException = field(default_factory=KeyboardInterrupt)
    feeds: list[tuple[int, int]] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        ids = {n: self.tokenizer.token_id(f"<|{n}|>") for n in ("mdm_mask", "endoftext", "eot_id")}
        self.info = ModelInfo(
            "toy",
            "llada",
            self.window,
            self.tokenizer.vocab_size,
            ids["mdm_mask"],
            ids["endoftext"],
            ids["eot_id"],
        )
        self.prompts_source = TEMPLATES / "reader.toml"
        self.device, self.dtype, self.quantize, self.spread = "cpu", torch.float64, None, ()
        self.prompts = Prompts.from_file(self.prompts_source, self.tokenizer)

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        self.calls += 1
        if self.fail_after is not None and self.calls > self.fail_after:
            raise self.error
        return [self._row(feed) for feed in feeds]

    def _row(self, feed: Feed) -> Tensor:
        self.feeds.append((len(feed), int(feed.positions.max())))
        tokens = feed.tokens
        keys = tokens.float().view(1, -1, 1)  # what a cache remembers are the tokens themselves
        tokens = feed.cache.attend(0, keys, keys, keys)[0].view(-1).long()
        text = self._spelled(tokens.tolist())
        rows = []
        for position in feed.positions[feed.logit_rows].tolist():
            rows.append(self._logits(self._say(text, tokens.tolist(), position)))
        return torch.stack(rows)

    def _spelled(self, tokens: list[int]) -> str:
        """Text in which a special token is ⟨s1⟩, and one that only is spelled so is not."""
        parts = []
        for special, run in groupby(tokens, key=lambda token: token < len(SPECIAL)):
            if special:
                parts += [f"⟨{SPECIAL[token][2:-2]}⟩" for token in run]
            else:
                parts.append(self.tokenizer.decode(list(run)))
        return "".join(parts)

    def _logits(self, chances: dict[int, float]) -> Tensor:
        size = self.info.vocab_size
        rest = max(1e-6, 1 - sum(chances.values())) / (size - len(chances))
        row = torch.full((size,), math.log(rest), dtype=torch.float64)
        for token, p in chances.items():
            row[token] = math.log(max(p, 1e-6))
        return row

    def _id(self, name: str) -> int:
        return self.tokenizer.token_id(f"<|{name}|>")

    def _say(self, text: str, tokens: list[int], position: int) -> dict[int, float]:
        asked, rest = text.split("⟨memory⟩", 1)
        questions = [word(q) for q in re.split(r"⟨q\d⟩", asked)[1:]]
        if "⟨notes⟩" in rest:
            offset = position - tokens.index(self._id("notes")) - 1
            return self._point(questions, rest.split("⟨text⟩")[1].split("⟨notes⟩")[0], offset)
        offset = position - tokens.index(self._id("answer")) - 1
        if "⟨text⟩" in rest:
            chunk = rest.split("⟨text⟩")[1].split("⟨answer⟩")[0]
            return self._write(questions[0], chunk, offset)
        notes = re.split(r"⟨[qs]\d+⟩", rest.split("⟨answer⟩")[0])[1:]
        return self._answer(questions[0], notes, offset)

    def _point(self, questions: list[str], chunk: str, offset: int) -> dict[int, float]:
        number, place = divmod(offset, self.prompts.canvas(1).length)
        question, slot = questions[number], place - 1  # before the slots stands their label
        units = list(enumerate(re.split(r"⟨s\d+⟩", chunk)[1:], start=1))
        helps = [k for k, unit in units if holds(unit, question, alone=len(questions) == 1)]
        if not helps:
            p = 0.6 if "perhaps" in chunk else self.none
            return {self._id("none") if slot == 0 else self.info.eos_id: p}
        if slot >= len(helps):
            return {self.info.eos_id: self.sure}
        return {self._id(f"s{helps[slot]}"): self.sure, self._id("none"): (1 - self.sure) / 2}

    def _write(self, question: str, chunk: str, offset: int) -> dict[int, float]:
        units = [unit.strip() for unit in re.split(r"⟨s\d+⟩", chunk)[1:]]
        helps = [unit for unit in units if holds(unit, question, alone=True)]
        if not helps:
            return {self._id("none") if offset == 0 else self.info.eos_id: self.none}
        said = "it says so of " + question if re.search("rephrase|&", helps[0]) else helps[0]
        return self._spell(" " + said, offset, self.sure)

    def _answer(self, question: str, notes: list[str], offset: int) -> dict[int, float]:
        found = [m for note in notes if (m := re.search(rf"{question} is ([^.]+)\.", note))]
        if not found:
            return {self._id("none") if offset == 0 else self.info.eos_id: self.none}
        p = 0.4 if any("maybe" in note for note in notes) else self.sure
        return self._spell(" " + found[-1][1], offset, p)

    def _spell(self, said: str, offset: int, p: float) -> dict[int, float]:
        ids = self.tokenizer.encode_text(said)
        return {ids[offset] if offset < len(ids) else self.info.eos_id: p}


def word(question: str) -> str:
    """The last word of a question."""
    return question.strip().rstrip("?").split()[-1]


def holds(unit: str, question: str, *, alone: bool) -> bool:
    found = re.search(rf"(?<!\w){re.escape(question)}(?!\w)", unit) is not None
    return found and (alone or "whisper" not in unit)


def filler(count: int, start: int = 0) -> str:
    """Sentences that help with nothing, each one its own."""
    rows = (
        f"The harbour was quiet on day {start + i} and the boats lay still in the rain."
        for i in range(count)
    )
    return " ".join(rows)


def document(text: str, cuts: Sequence[int] = (), source: str = "doc.txt") -> Document:
    """A document whose pages end at `cuts`."""
    places = [0, *cuts, len(text)]
    pages = tuple(Page(i + 1, start, end) for i, (start, end) in enumerate(pairwise(places)))
    return Document(source, text, pages, "text/plain", "0" * 64, ())


def open_toy(
    toy: Toy,
    text: str | Document,
    questions: Sequence[str],
    preset_name: str = "elastic",
    preset_options: dict[str, Any] | None = None,
    **options: Any,
) -> Session:
    """A session with the toy; options of `Calibration` and `FoldConfig` by name."""
    from foldctx.decoding import preset

    names = ("memory_fill", "hit_share", "read_forwards", "answer_forwards", "reread_score")
    measured = {k: options.pop(k) for k in names if k in options}
    read = text if isinstance(text, Document) else document(text)
    options = {"memory_tokens": 48, **options}
    return Session(
        read,
        questions,
        Setup(
            toy,
            toy.prompts,
            preset(preset_name, **(preset_options or {})),
            FoldConfig(**options),
            Calibration(**measured),
        ),
    )
