"""Samples without needles: chains of variables, words to count, questions about documents."""

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.ruler.draft import NOISE, Draft, Make, Order, distinct
from foldctx_pipelines.benchmarks.ruler.material import plain_words, word_lists
from foldctx_pipelines.benchmarks.ruler.needles import needles
from foldctx_pipelines.benchmarks.ruler.tasks import Task

# From this length on RULER's word lists repeat their words more often.
_LONG = 4096
_CODED = 6  # letters of a coded word


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

    names = distinct(name, per_chain * task.chains)
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

        chosen += distinct(pair, size - len(known))
    words = chosen[:common] * often + chosen[common:] * seldom
    random.shuffle(words)
    return tuple(chosen[:common]), " ".join(f"{i}. {w}" for i, w in enumerate(words, start=1))


def coded_words(order: Order, random: Random, size: int) -> Draft:
    """About `size` coded words whose frequencies fall with the square of their rank (zeta, 2)."""
    count = max(8, (order.length - order.kind.max_gen) // 50)
    names = distinct(lambda: "".join(random.choices(string.ascii_lowercase, k=_CODED)), count)
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
    if wanted and not rest:
        raise UsageError(
            f"task {order.task.name}: the file of --{source} holds no document beside those of the "
            "question itself; give one with more"
        )
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
