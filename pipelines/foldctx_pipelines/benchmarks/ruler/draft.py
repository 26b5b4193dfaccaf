"""What a sample of any kind is made by: an order in, a draft of a given size out."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from foldctx_pipelines.benchmarks.ruler.material import Material, word_lists
from foldctx_pipelines.benchmarks.ruler.tasks import Kind, Task

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."


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


def magic(what: str, random: Random) -> str:
    """A number of seven digits, a UUID, or two words with a hyphen."""
    if what == "numbers":
        return str(random.randint(10**6, 10**7 - 1))
    if what == "uuids":
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    lists = word_lists()
    return f"{random.choice(lists['adjectives'])}-{random.choice(lists['nouns'])}"


def distinct(make: Callable[[], str], count: int) -> list[str]:
    """So many different texts, in the order they were made."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[make()] = None
    return list(found)
