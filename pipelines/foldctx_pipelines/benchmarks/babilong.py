"""BABILong: bAbI's facts hidden between the sentences of a book, and the official answer rule."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from foldctx.documents.sentences import sentences
from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.sample import Sample

TASKS_FILE = Path(__file__).parent / "tasks" / "babilong.toml"

Counts = Callable[[Sequence[str]], Sequence[int]]
"""Tokens of each text."""


@dataclass(frozen=True, slots=True)
class Task:
    """One bAbI task's prompt parts and the answers it knows."""

    labels: tuple[str, ...]
    instruction: str
    examples: str
    post_prompt: str


@dataclass(frozen=True, slots=True)
class Story:
    """The facts up to a question, the question, its answer, and which facts (from 0) support it."""

    facts: tuple[str, ...]
    question: str
    answer: str
    support: tuple[int, ...]


@cache
def _file() -> Mapping[str, Any]:
    return tomllib.loads(TASKS_FILE.read_text("utf-8"))


@cache
def tasks() -> Mapping[str, Task]:
    """The ten tasks by name."""
    return {
        name: Task(**{**form, "labels": tuple(form["labels"])})
        for name, form in _file()["tasks"].items()
    }


def task_files(folder: Path) -> dict[str, Path]:
    """The bAbI file of each task that a folder has; a test file before a training file.

    Raises UsageError when it has none.
    """
    found: dict[str, Path] = {}
    for name in tasks():
        files = sorted(folder.glob(f"{name}_*.txt"), key=lambda file: "_test" not in file.name)
        if files:
            found[name] = files[0]
    if not found:
        raise UsageError(
            f"{folder}: holds no bAbI file, such as qa1_single-supporting-fact_test.txt"
        )
    return found


def read_stories(path: Path) -> list[Story]:
    """Every question of a bAbI file with the facts before it.

    Question, answer and fact numbers are parted by tabs, or by bars as some copies have them. Raises UsageError naming the line that is not of bAbI's form.
    """
    stories: list[Story] = []
    facts: dict[int, str] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from None
    for place, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = re.fullmatch(r"(\d+) (.+)", line.rstrip("\r\n"))
        if match is None:
            raise UsageError(f"{path}, line {place}: {line!r:.50} does not start with a number")
        number, rest = int(match[1]), match[2]
        if number == 1:
            facts = {}
        parts = re.split(r"[\t|]", rest)
        if len(parts) == 1:
            facts[number] = rest.strip()
            continue
        if len(parts) != 3 or not all(n.isdecimal() for n in parts[2].split()):
            raise UsageError(f"{path}, line {place}: expected question, answer and fact numbers")
        order = list(facts)
        support = tuple(order.index(n) for n in map(int, parts[2].split()) if n in facts)
        stories.append(Story(tuple(facts.values()), parts[0].strip(), parts[1].strip(), support))
    if not stories:
        raise UsageError(f"{path}: holds no question")
    return stories


def generate(
    files: Mapping[str, Path],
    lengths: Sequence[int],
    count: int,
    book: str,
    counts: Counts,
    *,
    seed: int = 0,
) -> list[Sample]:
    """`count` samples of each task and length; the same seed gives the same ones.

    A context takes at most `length` tokens, or the facts alone for 0. Raises UsageError where the
    facts alone take more.
    """
    background = _Book(book, counts)
    samples: list[Sample] = []
    for name, path in files.items():
        stories = read_stories(path)
        Random(f"{seed}/{name}").shuffle(stories)
        for length in lengths:
            # Official files leave out stories that do not fit: long ones at short lengths.
            fitting = [s for s in stories[: 20 * count] if background.fits(s, length)][:count]
            if not fitting:
                raise UsageError(
                    f"task {name}: no story fits in {length} tokens; give a larger one"
                )
            for index, story in enumerate(fitting):
                random = Random(f"{seed}/{name}/{length}/{index}")
                samples.append(_sample(name, length, index, story, background, random))
    return samples


class _Book:
    """A book's sentences that are long enough, and their sizes in tokens."""

    def __init__(self, text: str, counts: Counts) -> None:
        self.counts = counts
        found = [" ".join(text[start:end].split()) for start, end in sentences(text)]
        sizes = counts(found)
        kept = [
            (sentence, size)
            for sentence, size in zip(found, sizes, strict=True)
            if size >= _file()["min_sentence"]
        ]
        if not kept:
            raise UsageError("the book has no sentence of at least 10 tokens; give another one")
        self.sentences, self.sizes = zip(*kept, strict=True)

    def fits(self, story: Story, length: int) -> bool:
        return not length or sum(self.counts(story.facts)) <= length

    def background(self, room: int, random: Random) -> list[str]:
        """Sentences in order from a random place, from the start again, as many as fit."""
        at = random.randrange(len(self.sentences))
        chosen: list[str] = []
        while self.sizes[at] <= room:
            room -= self.sizes[at]
            chosen.append(self.sentences[at])
            at = (at + 1) % len(self.sentences)
        return chosen


def _sample(
    name: str, length: int, index: int, story: Story, book: _Book, random: Random
) -> Sample:
    room = length - sum(book.counts(story.facts)) if length else 0
    noise = book.background(room, random)
    context, depths = _hidden(story.facts, noise, random)
    task = tasks()[name]
    places = {
        "instruction": task.instruction,
        "examples": task.examples,
        "post_prompt": task.post_prompt,
        "context": context,
        "question": story.question,
    }
    prompt = re.sub(r"\{(\w+)\}", lambda match: places[match[1]], _file()["template"])
    return Sample(
        id=f"{name}/{length}/{index}",
        task=name,
        prompt=prompt.strip(),
        question=story.question,
        document=context,
        targets=(story.answer,),
        max_gen=_file()["max_gen"],
        doc={
            "index": index,
            "length": length,
            "question": story.question,
            "target": story.answer,
            "depths": [depths[i] for i in story.support],
            "tokens": book.counts([context])[0],
        },
    )


def _hidden(facts: Sequence[str], noise: Sequence[str], random: Random) -> tuple[str, list[float]]:
    """The facts in their order at random places, and how deep each is, from 0 to 1."""
    places = sorted(random.choices(range(len(noise) + 1), k=len(facts)))
    pieces: list[str] = []
    starts: list[int] = []
    at = 0
    for place, fact in zip(places, facts, strict=True):
        pieces += noise[at:place]
        at = place
        starts.append(len(pieces))
        pieces.append(fact)
    pieces += noise[at:]
    before = [0]
    for piece in pieces:
        before.append(before[-1] + len(piece) + 1)
    return " ".join(pieces), [round(before[i] / before[-1], 3) for i in starts]


def score(task: str, prediction: str, doc: Mapping[str, Any]) -> float:
    """1 when the first sentence names the right answer and no other, else 0.

    Labels that the question names never count. Where one label is part of another ("one", "none"),
    labels are whole words; elsewhere they may be parts of words, as in the official code.
    """
    labels = {label.lower() for label in tasks()[task].labels}
    said = prediction.lower().split(".")[0].split("<context>")[0].split("<example>")[0]
    whole = any(a != b and a in b for a in labels for b in labels)

    def named(text: str) -> set[str]:
        if whole:
            return {label for label in labels if re.search(rf"\b{re.escape(label)}\b", text)}
        return {label for label in labels if label in text}

    target = str(doc["target"]).lower()
    wanted = set(target.split(",")) if "," in target and len(target) > 3 else {target}
    return float(named(said) - named(str(doc["question"]).lower()) == wanted)
