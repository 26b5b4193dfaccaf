"""One sample of each kind, of a given size: the same seed and a larger size make a longer one."""

import math
import string
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from foldctx.documents.sentences import sentences
from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.ruler.material import Material, plain_words, word_lists
from foldctx_pipelines.benchmarks.ruler.tasks import Kind, Task

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
NEEDLE = "One of the special magic {type} for {key} is: {value}."
# Where needles are put into a text, in percent, as RULER has it.
DEPTHS = tuple(round(100 * i / 39) for i in range(40))
# Below this length RULER's word lists repeat their words less often.
_LONG = 4096
_CODED = 6  # letters of a coded word


@dataclass(frozen=True, slots=True)
class Draft:
    """A sample before its templates are filled.

    `fields` fill the templates, `shot` is an example that stands before the prompt, and `depths`
    say where the needles that are asked for stand, from 0 to 1.
    """

    context: str
    answers: tuple[str, ...]
    fields: Mapping[str, str]
    shot: str = ""
    depths: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What to make: `length` in tokens for what depends on it, `index` for what goes in order."""

    task: Task
    kind: Kind
    material: Material
    length: int
    index: int


Make = Callable[[Order, Random, int], Draft]


def needles(order: Order, random: Random, size: int) -> Draft:
    """Needles in `size` words of text, or in `size` lines of noise or of other needles."""
    task = order.task
    keys = _distinct(lambda: _magic(task.keys, random), max(task.key_count, task.query_count))
    values = [[_magic(task.values, random) for _ in range(task.value_count)] for _ in keys]
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
            key = _magic(task.keys, inner)
            if key not in keys:
                value = _magic(task.values, inner)
                rows.append(NEEDLE.format(type=task.values, key=key, value=value))
    for share, line in sorted(zip(shares, lines, strict=True), reverse=True):
        rows.insert(round(share * size), line)
    return "\n".join(rows), {
        line: round(share, 3) for share, line in zip(shares, lines, strict=True)
    }


def variables(order: Order, random: Random, size: int) -> Draft:
    """Chains of assignments in `size` lines of noise, after an example of the same form."""
    names, context = _chains(order.task, random, size, letters=5)
    value = context.value
    shown, example = _chains(order.task, random, 10, letters=3)
    fields = {"query": value, "count": str(len(names))}
    example_fields = {"query": example.value, "count": str(len(shown))}
    kind = order.kind
    shot = kind.before + example.text + (kind.after + kind.answer_prefix).format(**example_fields)
    return Draft(context.text, names, fields, shot=f"{shot}{' '.join(shown)}\n\n\n")


@dataclass(frozen=True, slots=True)
class _Chained:
    text: str
    value: str


def _chains(
    task: Task, random: Random, size: int, letters: int
) -> tuple[tuple[str, ...], _Chained]:
    """The variables of the first chain, and the noise that holds all chains."""
    per_chain = task.hops + 1

    def name() -> str:
        return "".join(random.choices(string.ascii_uppercase, k=letters))

    names = _distinct(name, per_chain * task.chains)
    chains, values = [], []
    for at in range(0, len(names), per_chain):
        own = names[at : at + per_chain]
        values.append(str(random.randint(10000, 99999)))
        steps = [f"VAR {b} = VAR {a} " for a, b in pairwise(own)]
        chains.append([f"VAR {own[0]} = {values[-1]}", *steps])
    lines = [f"{NOISE}\n"] * max(size, per_chain)
    for chain in chains:
        places = sorted(random.sample(range(len(lines)), len(chain)))
        for moved, (place, step) in enumerate(zip(places, chain, strict=True)):
            lines.insert(place + moved, step)
    text = " ".join(lines).replace(". \n", ".\n")
    return tuple(names[:per_chain]), _Chained(text, values[0])


def common_words(order: Order, random: Random, size: int) -> Draft:
    """A numbered list of `size` different words, of which ten are repeated more often."""
    long = order.length >= _LONG
    shot_size, shot_often, shot_seldom = (40, 10, 3) if long else (20, 3, 1)
    often, seldom = (30, 3) if long else (6, 1)
    kind, count = order.kind, order.task.common
    shown, shot_text = _list(random, shot_size, shot_often, shot_seldom, count)
    names, text = _list(random, max(size, count + 1), often, seldom, count)
    given = " ".join(f"{i}. {word}" for i, word in enumerate(shown, start=1))
    shot = f"{kind.before}{shot_text}{kind.after}{kind.answer_prefix} {given}\n"
    return Draft(text, names, {}, shot=shot)


def _list(
    random: Random, size: int, often: int, seldom: int, common: int
) -> tuple[tuple[str, ...], str]:
    known = plain_words()
    chosen = random.sample(known, min(size, len(known)))
    if size > len(known):  # past the lists' own words, pairs of them
        lists = word_lists()

        def pair() -> str:
            return f"{random.choice(lists['adjectives'])}-{random.choice(lists['nouns'])}"

        chosen += _distinct(pair, size - len(known))
    words = chosen[:common] * often + chosen[common:] * seldom
    random.shuffle(words)
    return tuple(chosen[:common]), " ".join(f"{i}. {w}" for i, w in enumerate(words, start=1))


def coded_words(order: Order, random: Random, size: int) -> Draft:
    """About `size` coded words whose frequencies fall with the square of their rank (zeta, 2)."""
    count = max(8, (order.length - order.kind.max_gen) // 50)
    names = _distinct(lambda: "".join(random.choices(string.ascii_lowercase, k=_CODED)), count)
    names[0] = "..."  # the most frequent one is noise
    zeta = math.pi**2 / 6
    # The three that are asked for must be there, and told apart, in a short text too.
    times = [max(int(size / (rank**2 * zeta)), 5 - rank) for rank in range(1, 5)]
    times += [int(size / (rank**2 * zeta)) for rank in range(5, count + 1)]
    words = [name for name, n in zip(names, times, strict=True) for _ in range(n)]
    random.shuffle(words)
    return Draft(" ".join(words), tuple(names[1:4]), {})


def documents(order: Order, random: Random, size: int) -> Draft:
    """A question about one or more of `size` documents, shuffled."""
    source = order.task.source
    held = order.material.squad if source == "squad" else order.material.hotpotqa
    if held is None:
        raise UsageError(f"task {order.task.name} needs --{source} FILE")
    row = held.asked[order.index % len(held.asked)]
    chosen = list(row.documents)
    near = [number for number in row.more if number not in chosen]
    far = [i for i in range(len(held.documents)) if i not in {*chosen, *near}]
    random.shuffle(near)
    random.shuffle(far)
    rest = [*near, *far]
    wanted = max(0, size - len(chosen))
    while rest and len(chosen) < len(row.documents) + wanted:  # again from the start, if need be
        chosen += rest[: len(row.documents) + wanted - len(chosen)]
    Random(order.index).shuffle(chosen)
    text = "\n\n".join(
        f"Document {i}:\n{held.documents[number]}" for i, number in enumerate(chosen, start=1)
    )
    return Draft(text, row.answers, {"query": row.query})


MAKERS: Mapping[str, Make] = {
    "niah": needles,
    "vt": variables,
    "cwe": common_words,
    "fwe": coded_words,
    "qa": documents,
}


def _words(material: Material, size: int) -> list[str]:
    """The text's first words, from its start again where it is too short."""
    if material.text is None:
        raise UsageError("tasks that hide needles in a text need --text FILE")
    words = material.text.split(" ", size)[:size]
    while len(words) < size:
        words += words[: size - len(words)]
    return words


def _magic(what: str, random: Random) -> str:
    if what == "numbers":
        return str(random.randint(10**6, 10**7 - 1))
    if what == "uuids":
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    lists = word_lists()
    return f"{random.choice(lists['adjectives'])}-{random.choice(lists['nouns'])}"


def _distinct(make: Callable[[], str], count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        found[make()] = None
    return list(found)
