"""Samples of RULER's tasks at a length in the model's tokens."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.ruler.draft import Draft, Order
from foldctx_pipelines.benchmarks.ruler.drafts import MAKERS
from foldctx_pipelines.benchmarks.ruler.material import Material
from foldctx_pipelines.benchmarks.ruler.tasks import Kind, Task, kinds, tasks
from foldctx_pipelines.benchmarks.sample import Sample

Count = Callable[[str], int]
"""Tokens of a text."""

# A haystack this close to the largest that fits is large enough.
_CLOSE = 64


def available(material: Material) -> tuple[str, ...]:
    """The tasks that can be generated from what is given."""

    def possible(task: Task) -> bool:
        if task.kind == "qa":
            return (material.squad if task.source == "squad" else material.hotpotqa) is not None
        return task.haystack != "text" or material.text is not None

    return tuple(name for name, task in tasks().items() if possible(task))


def generate(
    names: Sequence[str],
    lengths: Sequence[int],
    count: int,
    material: Material,
    tokens: Count,
    *,
    seed: int = 0,
) -> list[Sample]:
    """`count` samples of each task and length; the same seed gives the same ones.

    A prompt with its answer prefix and the official output length takes at most `length` tokens.
    Raises UsageError for an unknown task, for missing material, and for a length that is too short.
    """
    if unknown := [name for name in names if name not in tasks()]:
        raise UsageError(f"task {unknown[0]!r}: choose from {', '.join(tasks())}")
    samples: list[Sample] = []
    for name in names:
        for length in lengths:
            size = 8
            for index in range(count):
                sample, size = _sample(name, length, index, material, tokens, seed, size)
                samples.append(sample)
    return samples


def _sample(
    name: str,
    length: int,
    index: int,
    material: Material,
    tokens: Count,
    seed: int,
    guess: int,
) -> tuple[Sample, int]:
    task = tasks()[name]
    kind = _singular(kinds()[task.kind], task)
    order = Order(task, kind, material, length, index)

    def make(size: int) -> Sample:
        draft = MAKERS[task.kind](order, Random(f"{seed}/{name}/{length}/{index}"), size)
        return _filled(draft, order)

    def cost(size: int) -> int:
        made = make(size)
        return tokens(made.prompt + made.answer_prefix) + kind.max_gen

    size = _largest(cost, length, guess)
    if size is None:
        raise UsageError(
            f"task {name}: its shortest prompt takes {cost(1)} tokens with its output, more than "
            f"{length}; give a larger --length"
        )
    sample = make(size)
    doc = {**sample.doc, "tokens": cost(size)}
    return replace(sample, doc=doc), size


def _singular(kind: Kind, task: Task) -> Kind:
    """A single value is spoken of in the singular."""
    if task.kind != "niah" or task.query_count * task.value_count > 1:
        return kind

    def one(text: str) -> str:
        for many, single in (("Some", "A"), ("are all", "is"), ("are", "is")):
            text = text.replace(many, single)
        return text

    return replace(
        kind,
        before=one(kind.before),
        after=one(kind.after),
        question=one(kind.question),
        answer_prefix=one(kind.answer_prefix),
    )


def _filled(draft: Draft, order: Order) -> Sample:
    kind, name = order.kind, order.task.name
    before, after = kind.before.format(**draft.fields), kind.after.format(**draft.fields)
    return Sample(
        id=f"{name}/{order.length}/{order.index}",
        task=name,
        prompt=f"{draft.shot}{before}{draft.context}{after}",
        question=kind.question.format(**draft.fields),
        document=draft.context,
        targets=draft.answers,
        max_gen=kind.max_gen,
        answer_prefix=kind.answer_prefix.format(**draft.fields),
        doc={
            "index": order.index,
            "length": order.length,
            "outputs": list(draft.answers),
            "depths": list(draft.depths),
        },
    )


def _largest(cost: Callable[[int], int], limit: int, guess: int) -> int | None:
    """About the largest size whose cost stays within the limit; None where none does."""
    low, high = 0, 0
    size = max(guess, 1)
    while not high:
        found = cost(size)
        if found <= limit:
            low, size = size, max(size + 1, min(4 * size, size * limit // max(found, 1) + 1))
        else:
            high = size
    while high - low > max(1, low // _CLOSE):
        size = (low + high) // 2
        if cost(size) <= limit:
            low = size
        else:
            high = size
    return low or None
