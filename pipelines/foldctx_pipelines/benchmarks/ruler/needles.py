"""Needles in a haystack: of a text, of noise, or of other needles."""

from collections.abc import Mapping, Sequence
from random import Random

from foldctx.documents.sentences import sentences
from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.ruler.draft import NOISE, Draft, Order, distinct, magic
from foldctx_pipelines.benchmarks.ruler.material import Material
from foldctx_pipelines.benchmarks.ruler.tasks import Task

NEEDLE = "One of the special magic {type} for {key} is: {value}."
# Where needles are put into a text, in percent, as RULER has it.
DEPTHS = tuple(round(100 * i / 39) for i in range(40))


def needles(order: Order, random: Random, size: int) -> Draft:
    """Needles in `size` words of text, or in `size` lines of noise or of other needles."""
    task = order.task
    keys = distinct(lambda: magic(task.keys, random), max(task.key_count, task.query_count))
    values = [[magic(task.values, random) for _ in range(task.value_count)] for _ in keys]
    asked = random.sample(range(len(keys)), task.query_count)
    lines = [
        NEEDLE.format(type=task.values, key=key, value=value)
        for key, row in zip(keys, values, strict=True)
        for value in row
    ]
    random.shuffle(lines)
    if task.haystack == "text":
        context, places = _into_text(_words(order.material, size), lines, random)
    else:
        context, places = _into_lines(task, keys, lines, size, random)
    queries = [keys[i] for i in asked]
    one = task.query_count * task.value_count == 1
    query = queries[0] if len(queries) == 1 else f"{', '.join(queries[:-1])}, and {queries[-1]}"
    fields = {"type": task.values.removesuffix("s") if one else task.values, "query": query}
    answers = tuple(value for i in asked for value in values[i])
    depths = tuple(
        places[NEEDLE.format(type=task.values, key=keys[i], value=value)]
        for i in asked
        for value in values[i]
    )
    return Draft(context, answers, fields, depths=depths)


def _into_text(
    words: Sequence[str], lines: Sequence[str], random: Random
) -> tuple[str, Mapping[str, float]]:
    """The text with the lines in it, and how deep each of them is."""
    text = " ".join(words)
    parts = [text[start:end].strip() for start, end in sentences(text)]
    depths = sorted(random.sample(DEPTHS, len(lines)))
    places = [len(parts) * depth // 100 for depth in depths]
    pieces: list[str] = []
    for before, place, line in zip([0, *places], places, lines, strict=False):
        pieces += [*parts[before:place], line]
    context = " ".join([*pieces, *parts[places[-1] :]])
    return context, {line: round(context.index(line) / len(context), 3) for line in lines}


def _into_lines(
    task: Task, keys: Sequence[str], lines: Sequence[str], size: int, random: Random
) -> tuple[str, Mapping[str, float]]:
    """Rows of noise or of other needles with the lines in them, and how deep each of them is."""
    # A generator of its own, so that the depth of the needles does not depend on the size.
    inner = Random(random.random())
    shares = sorted(random.random() for _ in lines)
    if task.haystack == "noise":
        rows = [NOISE] * size
    else:
        rows = []
        while len(rows) < size:
            key = magic(task.keys, inner)
            if key not in keys:
                value = magic(task.values, inner)
                rows.append(NEEDLE.format(type=task.values, key=key, value=value))
    for share, line in sorted(zip(shares, lines, strict=True), reverse=True):
        rows.insert(round(share * size), line)
    return "\n".join(rows), {
        line: round(share, 3) for share, line in zip(shares, lines, strict=True)
    }


def _words(material: Material, size: int) -> list[str]:
    """The text's first words, from its start again where it is too short."""
    if material.text is None:
        raise UsageError("tasks that hide needles in a text need --text FILE")
    words = material.text.split(" ", size)[:size]
    while len(words) < size:
        words += words[: size - len(words)]
    return words
