"""Relations and definitions from a WordNet-form dictionary: thousands of nouns, with synonyms."""

import random
import re
from dataclasses import dataclass
from pathlib import Path

from foldctx.errors import UsageError
from foldctx_pipelines.training.facts import Fact
from foldctx_pipelines.training.values import MAKERS

_WORD = re.compile(r"^[a-z]{3,14}$")
_OWNERS = ("person", "org", "town", "ship")
_FRAMES: tuple[tuple[str, str], ...] = (
    ("The {n} of {s} is {a}.", "What is the {q} of {s}?"),
    ("{s} has {a} as its {n}.", "Which {q} does {s} have?"),
    ("According to the {x}, the {n} for {s} was set at {a}.", "At what was the {q} for {s} set?"),
    ("For {s} the {x} shows {a} under {n}.", "What is shown for {s} under {q}?"),
    ("{a} was recorded as the {n} of {s} by the {x}.", "What was recorded as the {q} of {s}?"),
    ("In the {x} of {s}, the {n} stands at {a}.", "How much is the {q} in the case of {s}?"),
    ("The {x} gave the {n} of {s} as {a}, and nobody objected.", "Tell me the {q} of {s}."),
    ("{s}: {n} {a}, {x} unchanged.", "{q} of {s}"),
    ("The {j} {n} near the {x} carries the mark {a}.", "Which mark is on the {j} {q}?"),
    ("Every {j} {n} must be returned to the {x} by {a}.", "By when must a {j} {q} be returned?"),
    ("A {j} {n} was bought for the {x} at {a}.", "What did the {j} {q} cost?"),
    ("The {n} in the {j} {x} is kept by {a}.", "Who keeps the {q} in the {j} {x}?"),
    ("The {j} {n} belongs to {a}, who also owns the {x}.", "To whom does the {j} {q} belong?"),
    ("{a} is in charge of the {j} {n}.", "Who is in charge of the {j} {q}?"),
    ("The {n} was moved from the {x} to {a}.", "Where was the {q} moved?"),
    ("They opened the {j} {n} on {a} beside the {x}.", "When did the {j} {q} open?"),
    ("The {j} {n} measures {a} and stands behind the {x}.", "How big is the {j} {q}?"),
    ("No {n} may be kept in the {x} for longer than {a}.", "How long may a {q} stay in the {x}?"),
    ("The {x} holds {a} of the {j} {n}.", "How much of the {j} {q} does the {x} hold?"),
    ("It was {a} who found the {j} {n} under the {x}.", "Who found the {j} {q}?"),
)
_KINDS: dict[int, tuple[str, ...]] = {
    8: ("code", "int"),
    9: ("date", "weekday", "time"),
    10: ("money",),
    11: ("person", "job"),
    12: ("person", "org"),
    13: ("person", "job", "org"),
    14: ("town", "room", "street"),
    15: ("date", "year"),
    16: ("length", "area"),
    17: ("duration",),
    18: ("volume", "weight"),
    19: ("person",),
}
_ANY = (
    "int",
    "bigint",
    "money",
    "percent",
    "code",
    "date",
    "year",
    "length",
    "weight",
    "colour",
    "person",
    "town",
    "duration",
    "temperature",
    "material",
    "time",
    "area",
    "job",
)


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Nouns with their synonyms, adjectives, and definitions."""

    nouns: tuple[tuple[str, tuple[str, ...]], ...]
    adjectives: tuple[str, ...]
    glosses: tuple[tuple[str, str], ...]


def load_dictionary(folder: Path) -> Dictionary:
    """Read data.noun, index.noun and index.adj of WordNet 3 (the folder of the Debian package).

    Raises UsageError where one is missing.
    """
    for name in ("data.noun", "index.noun", "index.adj"):
        if not (folder / name).is_file():
            raise UsageError(f"{folder / name}: not there; give --wordnet the folder of WordNet 3")
    common = _common(folder / "index.noun")
    nouns, glosses = [], []
    for line in (folder / "data.noun").read_text("utf-8").splitlines():
        if line.startswith("  "):
            continue
        head, _, gloss = line.partition(" | ")
        parts = head.split()
        words = [w for w in parts[4 : 4 + 2 * int(parts[3], 16) : 2] if _WORD.match(w)]
        known = [w for w in words if w in common]
        if known:
            nouns.append((known[0], tuple(known[1:])))
        meaning = gloss.split(";")[0].strip()
        if words and 20 < len(meaning) < 110:
            glosses.append((words[0], meaning))
    return Dictionary(tuple(nouns), tuple(sorted(_common(folder / "index.adj"))), tuple(glosses))


def _common(index: Path) -> set[str]:
    """Lemmas with at least one sense-tagged use: the everyday part of the dictionary."""
    found = set()
    for line in index.read_text("utf-8").splitlines():
        parts = line.split()
        if not line.startswith("  ") and _WORD.match(parts[0]):
            tagged = int(parts[5 + int(parts[3])])
            if tagged > 0:
                found.add(parts[0])
    return found


def coined_fact(rng: random.Random, words: Dictionary) -> Fact:
    """A fact about random nouns; a third of the questions uses a synonym where there is one."""
    index = rng.randrange(len(_FRAMES))
    statement, question = _FRAMES[index]
    noun, synonyms = rng.choice(words.nouns)
    asked = rng.choice(synonyms) if synonyms and rng.random() < 0.35 else noun
    slots = {"n": noun, "q": asked, "j": rng.choice(words.adjectives)}
    slots["x"] = rng.choice(words.nouns)[0]
    slots["s"] = MAKERS[rng.choice(_OWNERS)](rng)
    kind = rng.choice(_KINDS.get(index, _ANY))
    slots["a"] = MAKERS[kind](rng)
    text = _capital(statement.format(**slots))
    asked_text = _capital(question.format(**slots))
    answer = slots["a"] if slots["a"] in text else _capital(slots["a"])
    changed = rng.choice(["n", "s"]) if "{s}" in statement else rng.choice(["n", "j"])
    other = dict(slots, x=rng.choice(words.nouns)[0], a=MAKERS[kind](rng))
    other[changed] = {
        "n": rng.choice(words.nouns)[0],
        "s": MAKERS[rng.choice(_OWNERS)](rng),
        "j": rng.choice(words.adjectives),
    }[changed]
    return Fact(
        f"frame{index}",
        slots["s"],
        text,
        asked_text,
        answer,
        _capital(statement.format(**other)),
        other["a"],
    )


def definition_fact(rng: random.Random, words: Dictionary) -> Fact:
    """A word explained; the question asks for the word or for its meaning."""
    word, gloss = rng.choice(words.glosses)
    other_word, other_gloss = rng.choice(words.glosses)
    form = rng.choice(
        [
            "{w} means {g}.",
            "By {w} is meant {g}.",
            "The term {w} stands for {g}.",
            "{g}: this is called {w}.",
            "People call {g} {w}.",
        ]
    )
    text = _capital(form.format(w=word, g=gloss))
    if rng.random() < 0.5:
        question = rng.choice(
            ["What does {w} mean?", "What is meant by {w}?", "Define {w}."]
        ).format(w=word)
        answer = gloss if gloss in text else _capital(gloss)
    else:
        content = [w for w in gloss.split() if len(w) > 3]
        some = " ".join(w for w in content if rng.random() < 0.75) or gloss
        question = rng.choice(["Which word means {g}?", "What is the term for {g}?"]).format(g=some)
        answer = word if word in text else _capital(word)
    other = _capital(form.format(w=other_word, g=other_gloss))
    return Fact("definition", word, text, question, answer, other, other_word)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
