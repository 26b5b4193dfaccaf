"""How sentences stand in real documents: numbered, in lists and tables, under headings."""

import random

from foldctx_pipelines.training.prose import content_words

_LOWERED = frozenset(
    [
        "the",
        "a",
        "an",
        "in",
        "on",
        "at",
        "it",
        "its",
        "for",
        "from",
        "of",
        "to",
        "by",
        "this",
        "that",
        "these",
        "those",
        "no",
    ]
)
_MARKS = ("- ", "* ", "• ", "> ", "– ")


def dressed(rng: random.Random, sentence: str) -> str:
    """The sentence as it is, or as a clause, a list item, a table row or after a run-in heading."""
    form = rng.random()
    if form < 0.72:
        return sentence
    if form < 0.80:
        return rng.choice(_MARKS) + sentence
    if form < 0.88:
        return f"{_number(rng)} {sentence}"
    if form < 0.92:
        return f"| {rng.randrange(1, 90)} | {sentence} |"
    words = heading_words(rng, sentence)
    return f"**{words}.** {sentence}" if form < 0.96 else f"{words}: {sentence}"


def compound(rng: random.Random, first: str, second: str) -> str:
    """Two sentences as one, in either order, joined by a word or a semicolon."""
    if rng.random() < 0.5:
        first, second = second, first
    word, _, rest = second.partition(" ")
    joint = "; "
    if word.lower() in _LOWERED:
        joint = rng.choice(["; ", ", and ", ", while ", " - ", ", but "])
        second = f"{word.lower()} {rest}"
    return first.rstrip(".!;, ") + joint + second


def heading(rng: random.Random, sentence: str) -> str:
    """A short line without a verb: a heading, a caption, a page's foot, the head of a table."""
    form = rng.random()
    words = heading_words(rng, sentence)
    if form < 0.35:
        return f"{'#' * rng.randrange(1, 4)} {words}"
    if form < 0.55:
        return f"{_number(rng)} {words}"
    if form < 0.65:
        return f"{words.upper()}"
    if form < 0.75:
        return f"Page {rng.randrange(1, 300)} of {rng.randrange(20, 400)}"
    if form < 0.88:
        return f"| {' | '.join(words.split())} |"
    return words


def heading_words(rng: random.Random, sentence: str) -> str:
    """One to four words of the sentence, the first with a capital."""
    words = content_words(sentence) or ["Notes"]
    start = rng.randrange(len(words))
    title = " ".join(words[start : start + rng.randrange(1, 5)])
    return title[0].upper() + title[1:]


def _number(rng: random.Random) -> str:
    form = rng.random()
    if form < 0.4:
        return f"{rng.randrange(1, 30)}."
    if form < 0.75:
        return f"{rng.randrange(1, 20)}.{rng.randrange(1, 15)}"
    return f"({rng.choice('abcdefgh')})"
