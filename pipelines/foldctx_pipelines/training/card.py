"""The model card: README.md of an exported reader, made of measured figures only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from foldctx.errors import UsageError
from foldctx.models.architecture import Dims
from foldctx.models.info import ModelInfo
from foldctx_pipelines.training.calibrate import Thresholds

_COLUMNS = ("pointer", "none", "answer", "no_answer")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the training was started with: the command, and the names of the prose files."""

    command: str
    prose: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effort:
    """What the training took: steps done and planned, tokens fed, hours of the steps' own time."""

    steps: int
    planned: int
    tokens: int
    hours: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was measured; `scores` maps a number of questions to shares of right guesses."""

    info: ModelInfo
    dims: Dims
    effort: Effort
    thresholds: Thresholds
    scores: Mapping[int, Mapping[str, float]]
    cases: int


def read_effort(run: Path) -> Effort:
    """Steps and tokens of the run's state and plan, hours of its log.

    The log holds one step in ten; the steps between two rows are taken to last as long as the
    later one. Steps that a resumed run did again count once. Raises UsageError without a state.
    """
    path = run / "state.safetensors"
    if not path.exists():
        raise UsageError(f"{run}: no state.safetensors in it; train first")
    with safe_open(path, "pt") as handle:
        meta = handle.metadata()
    done, stages = int(meta["step"]), json.loads(meta["plan"])["stages"]
    tokens, left = 0, done
    for stage in stages:
        steps = min(left, stage["steps"])
        tokens += steps * _tokens_of_a_step(stage)
        left -= steps
    return Effort(done, sum(stage["steps"] for stage in stages), tokens, _hours(run, done))


def _tokens_of_a_step(stage: Mapping[str, Any]) -> int:
    reading, answering = stage["rows"] * stage["length"], stage["answer_rows"]
    return int(reading + answering * stage["answer_length"])


def _hours(run: Path, done: int) -> float:
    log = run / "log.jsonl"
    seconds: dict[int, float] = {}
    for line in log.read_text("utf-8").splitlines() if log.exists() else []:
        row = json.loads(line)
        if row["step"] <= done:
            seconds[row["step"]] = row["seconds"]
    total, before = 0.0, 0
    for step in sorted(seconds):
        total += (step - before) * seconds[step]
        before = step
    return total / 3600


def model_card(figures: Figures, recipe: Recipe) -> str:
    """README.md of the model folder."""
    return "\n".join(
        (
            _what(figures),
            _how(figures, recipe),
            _evaluation(figures),
            _thresholds(figures),
            _LIMITS,
            (Path(__file__).parent / "TRIED.md").read_text("utf-8"),
        )
    )


def _what(figures: Figures) -> str:
    info, dims = figures.info, figures.dims
    return f"""# The foldctx reader

A small masked diffusion language model that looks things up. Given a question and a window of
text, it points at the sentences that answer the question, or says that none does; given the
question and such sentences, it copies out the answer. It is made for foldctx and reads its prompts
only (template `reader.toml`).

| | |
|---|---|
| architecture | LLaDA (arXiv 2502.09992): a Llama without the causal mask |
| layers, width, heads, MLP | {dims.layers}, {dims.width}, {dims.heads}, {dims.mlp} |
| parameters | {info.parameters:,} (embedding and head {"shared" if dims.tied else "apart"}) |
| window | {info.window} tokens |
| tokenizer | byte-level BPE, {info.vocab_size:,} tokens, every digit one token, with the space before it |
| stored in | float16 |
"""


def _how(figures: Figures, recipe: Recipe) -> str:
    effort = figures.effort
    names = ", ".join(f"`{name}`" for name in recipe.prose)
    share = "" if effort.steps >= effort.planned else f" of {effort.planned:,} planned"
    return f"""## How it was made

    {recipe.command}

{effort.steps:,} steps{share}, {effort.tokens / 1e6:.1f} million tokens, about {effort.hours:.1f}
hours of steps on the training machine. The weights start with circuits for copying and pointing
set by hand, and with vectors of what words mean; training refines them. Probes that label units and
answers in the middle of the network help it, and are thrown away. Every window is generated, in the
prompts that foldctx uses.

| data | what of it | licence |
|---|---|---|
| hand-written banks | relations and frames, questions about them, neutral sentences | as foldctx: Apache-2.0 |
| tales | needles, simulated worlds, facts that later ones replace | as foldctx |
| all-MiniLM-L6-v2 | its vectors of single words, cut to 96 numbers, before the first step | Apache-2.0 |
| WordNet 3 | nouns, synonyms, adjectives, definitions | WordNet licence, below |
| prose files: {names} | haystacks and cloze questions | each file's own |

WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. It is provided "as is",
and Princeton University makes no representations or warranties, express or implied. The name of
Princeton University may not be used to advertise anything made with it.
https://wordnet.princeton.edu/license-and-commercial-use
"""


def _evaluation(figures: Figures) -> str:
    rows = "\n".join(
        f"| {count} | " + " | ".join(f"{100 * scores[name]:.0f}%" for name in _COLUMNS) + " |"
        for count, scores in figures.scores.items()
    )
    return f"""## Evaluation

Relations of the banks that training never saw, among prose it never saw; the weights as stored,
windows of {figures.info.window} tokens, {max(1, figures.cases // 2)} reading and as many answering
windows a row. *pointer*: the first slot names the right one of up to 48 units. *none*: it says
none where no unit answers. *answer*: all masked tokens of the answer are right after one forward
(in about half of the windows a part of it is given). *no_answer*: the same where the notes hold no
answer. Neutral sentences, and the values that fill a relation, come from the trained lists.

| questions in the window | pointer | none | answer | no_answer |
|---|---|---|---|---|
{rows}
"""


def _thresholds(figures: Figures) -> str:
    chosen = figures.thresholds
    return f"""## Thresholds

Chosen on {figures.cases} reading and {figures.cases} answering windows of held-out relations and
prose; answers are decoded in full. An answer is right when it holds the right one and at most eight
words more.

| | |
|---|---|
| a window is skipped from p(none) | {chosen.skip_threshold:.4f} |
| helping windows lost by skipping | {100 * chosen.missed:.1f}% |
| other windows skipped | {100 * chosen.skipped:.1f}% |
| nats by which none must be likelier than a pointer | {chosen.none_bias:.1f} |
| nats by which the end of an answer must be likelier than its going on | {chosen.end_bias:.1f} |
| nats by which none must be likelier than an answer's start | {chosen.refusal_bias:.1f} |
| no answer is given below confidence | {chosen.abstain_threshold:.2f} |
| answerable questions answered | {100 * chosen.answered:.1f}% |
| of these, right | {100 * chosen.right:.1f}% |
| unanswerable questions answered all the same | {100 * chosen.false_answers:.1f}% |
"""


_LIMITS = """## What it can and cannot do

It finds a sentence that answers a question in much the same words, and copies a short answer out
of it: a name, a date, an amount, a place.

It does not reason, compute or compare. It does not join facts of two sentences, follow
pronouns over a distance, or know anything that is not in the text. It reads English only, gives
answers of a few words, and cannot chat, summarise or translate. It makes mistakes at the rates
above and more on texts unlike its training: check the quoted evidence before relying on an answer.
"""
