"""Simulated worlds and needles: answers by a second simulator, splits that share nothing."""

import random
import re
from collections.abc import Iterator, Sequence

import pytest

from foldctx.errors import UsageError
from foldctx_pipelines.training import babi, needles
from foldctx_pipelines.training.babi import SHORTEST, TASKS, draw_story
from foldctx_pipelines.training.facts import load_banks
from foldctx_pipelines.training.needle_words import ADJECTIVES, NOUNS, PHRASINGS
from foldctx_pipelines.training.needles import draw_needles, draw_variables, needle_fact
from foldctx_pipelines.training.tales import Tale, is_held_out, side
from foldctx_pipelines.training.updates import draw_update
from foldctx_pipelines.training.world_words import STYLES

MOVE = re.compile(r"(\w+) (?:went back|went|moved|journeyed|travelled) to the (\w+)\.")
TAKE = re.compile(r"(\w+) (?:got|took|picked up|grabbed) the (\w+)(?: there)?\.")
DROP = re.compile(r"(\w+) (?:dropped|left|discarded|put down) the (\w+)(?: there)?\.")
GIVE = re.compile(r"(\w+) (?:gave|handed|passed) the (\w+) to (\w+)\.")
LIES = re.compile(r"The (\w+) is (\w+) of the (\w+)\.")
STEPS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}


class Replay:
    """Reads a published story's words and answers its questions, knowing nothing of events."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.place: dict[str, str] = {}  # of people
        self.owner: dict[str, str] = {}
        self.path: dict[str, list[str]] = {}  # places of things
        self.gifts: list[tuple[str, str, str]] = []
        self.facts: set[tuple[str, str, str]] = set()
        for line in lines:
            self.read(line)

    def read(self, line: str) -> None:
        if m := MOVE.fullmatch(line):
            self.place[m[1]] = m[2]
            for thing, owner in self.owner.items():
                if owner == m[1]:
                    self.path[thing].append(m[2])
        elif m := GIVE.fullmatch(line):
            assert self.owner[m[2]] == m[1] and self.place[m[1]] == self.place[m[3]]
            self.owner[m[2]] = m[3]
            self.gifts.append((m[1], m[2], m[3]))
        elif m := TAKE.fullmatch(line):
            assert m[2] not in self.owner
            path = self.path.setdefault(m[2], [self.place[m[1]]])
            assert path[-1] == self.place[m[1]]
            self.owner[m[2]] = m[1]
        elif m := DROP.fullmatch(line):
            assert self.owner.pop(m[2]) == m[1]
        elif m := LIES.fullmatch(line):
            self.facts.add((m[1], m[2], m[3]))
        else:
            raise AssertionError(line)

    def answer(self, question: str) -> str:
        q = question.rstrip("?")
        if m := re.fullmatch(r"Where was the (\w+) before the (\w+)", q):
            path = self.path[m[1]]
            at = max(i for i, place in enumerate(path) if place == m[2] and i)
            return path[at - 1]
        if m := re.fullmatch(r"Where is the (\w+)", q):
            return self.path[m[1]][-1]
        if m := re.fullmatch(r"Where is (\w+)", q):
            return self.place[m[1]]
        if m := re.fullmatch(r"Is (\w+) in the (\w+)", q):
            return "yes" if self.place[m[1]] == m[2] else "no"
        if m := re.fullmatch(r"How many objects is (\w+) carrying", q):
            held = sum(owner == m[1] for owner in self.owner.values())
            return ["none", "one", "two", "three"][held]
        if m := re.fullmatch(r"What is (\w+) carrying", q):
            return ", ".join(t for t, o in self.owner.items() if o == m[1]) or "nothing"
        if m := re.fullmatch(r"What is the (\w+) (\w+) of", q):
            return self.beside(m[1], self.opposite(m[2]))
        if m := re.fullmatch(r"What is (\w+) of the (\w+)", q):
            return self.beside(m[2], m[1])
        return self.gift(q)

    def opposite(self, direction: str) -> str:
        back = tuple(-step for step in STEPS[direction])
        return next(name for name, step in STEPS.items() if step == back)

    def beside(self, place: str, direction: str) -> str:
        for here, side_, there in self.facts:
            if there == place and side_ == direction:
                return here
            if here == place and side_ == self.opposite(direction):
                return there
        raise AssertionError(place)

    def gift(self, q: str) -> str:
        forms = (
            (r"What did (?P<p>\w+) give to (?P<q>\w+)", 1),
            (r"Who gave the (?P<o>\w+) to (?P<q>\w+)", 0),
            (r"Who did (?P<p>\w+) give the (?P<o>\w+) to", 2),
            (r"Who gave the (?P<o>\w+)", 0),
            (r"Who received the (?P<o>\w+)", 2),
        )
        for form, asked in forms:
            if m := re.fullmatch(form, q):
                given = m.groupdict()
                for gift in reversed(self.gifts):
                    row = dict(zip("poq", gift, strict=True))
                    if all(row[k] == v for k, v in given.items()):
                        return gift[asked]
        raise AssertionError(q)


def stories(task: str, count: int, words: str = "published", split: str = "train") -> list[Tale]:
    rng = random.Random(f"{task}/{words}/{split}")
    return [draw_story(rng, task, words, split=split) for _ in range(count)]  # type: ignore[arg-type]


@pytest.mark.parametrize("split", ["train", "held_out"])
@pytest.mark.parametrize("task", TASKS)
def test_a_second_simulator_gives_the_answers(task: str, split: str) -> None:
    for tale in stories(task, 120, split=split):
        replay = Replay(tale.lines)
        for ask in tale.asks:
            assert ask.answer(range(len(tale.lines))) == replay.answer(ask.question), tale


FIRST = {"babi1": 1, "babi2": 2, "babi3": 3, "babi4": 1, "babi5": 1}


@pytest.mark.parametrize("words", ["published", "train"])
@pytest.mark.parametrize("task", TASKS)
def test_the_first_lines_to_keep_answer_and_are_the_fewest(task: str, words: str) -> None:
    for tale in stories(task, 80, words):
        ask, everything = tale.asks[0], range(len(tale.lines))
        first = sorted(ask.keep(everything)[: FIRST[task]])
        assert ask.answer(first) == ask.answer(everything) != ""
        for lost in first:  # nothing, or an older answer: never right by what is left
            rest = [n for n in first if n != lost]
            assert ask.answer(rest) == "" or task == "babi3"


@pytest.mark.parametrize("task", TASKS)
def test_what_is_kept_is_enough_whatever_comes_next(task: str) -> None:
    """Notes taken line by line, with nothing else remembered, answer as the whole story does."""
    most = 0
    for tale in stories(task, 80, "train"):
        for ask in tale.asks:
            notes: list[int] = []
            for n in range(len(tale.lines)):
                notes = sorted(ask.keep([*notes, n]))
                most = max(most, len(notes))
                assert ask.answer(notes) == ask.answer(range(n + 1)), (ask.question, n)
    assert most <= 16


def test_stories_depend_on_the_seed_alone() -> None:
    for task in TASKS:
        assert stories(task, 5) == stories(task, 5)
    with pytest.raises(UsageError, match="at least 8"):
        draw_story(random.Random(0), "babi5", length=7)
    assert all(
        len(draw_story(random.Random(1), task, length=SHORTEST[task] + 9).lines) >= 2
        for task in TASKS
    )


def literals(templates: Sequence[str]) -> set[str]:
    return set(templates)


def test_styles_share_no_word_and_no_phrasing() -> None:
    trained, kept = STYLES["train"], STYLES["held_out"]
    public = STYLES["published"]
    for other in (trained, public):
        for name in ("people", "places", "things"):
            assert set(getattr(kept, name)).isdisjoint(getattr(other, name))
        for forms in ("says", "asks"):
            mine, theirs = getattr(kept, forms), getattr(other, forms)
            assert mine.keys() == theirs.keys()
            for key in mine:
                assert set(mine[key]).isdisjoint(theirs[key]), key
    for style in STYLES.values():
        names = [*style.people, *style.places, *style.things]
        assert len(names) == len(set(names))


def test_worlds_of_the_two_splits_never_meet() -> None:
    for task in TASKS:
        shapes = []
        for split, words in (("train", "published"), ("held_out", "published")):
            rows = stories(task, 150, words, split)
            shapes.append({world_shape(tale) for tale in rows})
        assert shapes[0].isdisjoint(shapes[1])


def world_shape(tale: Tale) -> tuple[str, ...]:
    """The lines with names numbered by their first use, and verbs by their kind."""
    numbers: dict[str, int] = {}
    rows = []
    for line in tale.lines:
        for kind, form in (("go", MOVE), ("give", GIVE), ("take", TAKE), ("drop", DROP)):
            if m := form.fullmatch(line):
                rows.append(f"{kind} {[numbers.setdefault(n, len(numbers)) for n in m.groups()]}")
                break
        else:
            m = LIES.fullmatch(line)
            assert m is not None
            a, b = (numbers.setdefault(name, len(numbers)) for name in (m[1], m[3]))
            rows.append(f"{m[2]} {a} {b}")
    return tuple(rows)


# -- needles ----------------------------------------------------------------------------------


def needle_tales(split: str, count: int = 150) -> Iterator[Tale]:
    rng = random.Random(f"needles/{split}")
    for _ in range(count):
        yield draw_needles(rng, split, queries=rng.choice((1, 2)))  # type: ignore[arg-type]


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_values_are_found_in_the_lines_of_their_key_alone(split: str) -> None:
    several = 0
    for tale in needle_tales(split):
        for ask in tale.asks:
            assert isinstance(ask, needles.Values)
            mine = [
                line for line in tale.lines if re.search(rf"(?<![\w-]){ask.key}(?![\w-])", line)
            ]
            found = ask.answer(range(len(tale.lines)))
            if ask.count:
                assert ["one", "two", "three", "four"].index(found) == len(mine) - 1
                continue
            values = found.split(", ")
            several += len(values) > 1
            assert len(values) == len(mine) == len(set(values))
            assert all(value in line for value, line in zip(values, mine, strict=True))
            assert ask.answer([]) == "" and ask.key in ask.question
    assert several > 20


def test_needle_words_and_phrasings_are_split() -> None:
    for words in (ADJECTIVES, NOUNS):
        trained, kept = side(words, "train"), side(words, "held_out")
        assert set(trained).isdisjoint(kept) and len(kept) >= 15
        assert len(set(words)) == len(words) == len(trained) + len(kept)
    for field in ("lines", "one", "many", "count"):
        by_split = {
            split: {t for p in PHRASINGS if p.split == split for t in getattr(p, field)}
            for split in ("published", "train", "held_out")
        }
        assert all(by_split.values())
        assert by_split["held_out"].isdisjoint(by_split["train"] | by_split["published"])


def test_keys_and_long_values_of_the_two_splits_never_meet() -> None:
    sides = []
    for split in ("train", "held_out"):
        found = set[str]()
        for tale in needle_tales(split, 300):
            for ask in tale.asks:
                assert isinstance(ask, needles.Values)
                texts = [text for n in ask.needles for text in (n.key, n.value)]
                found |= {text for text in texts if len(text) > 4}
        numbers = [text for text in found if text.isdigit() or len(text) == 36]
        assert numbers and all(is_held_out(text) == (split == "held_out") for text in numbers)
        sides.append(found)
    assert sides[0].isdisjoint(sides[1])


def test_near_misses_differ_in_one_part() -> None:
    rng = random.Random(4)
    for form in needles.FORMS:
        for _ in range(40):
            key = needles.make_value(rng, form, "train", digits=6)
            other = needles.near_miss(rng, key, form, "train")
            assert key != other and len(other.split("-")) == len(key.split("-"))
            if form == "words":
                assert len(set(key.split("-")) & set(other.split("-"))) == 1
            else:
                assert sum(a != b for a, b in zip(key, other, strict=True)) == 1


def test_variables_follow_their_chain() -> None:
    rng = random.Random(5)
    for _ in range(100):
        tale = draw_variables(rng)
        value_of: dict[str, str] = {}
        for line in tale.lines:
            m = re.fullmatch(r"VAR (\w+) = (?:VAR (\w+)|(\d+))\.?", line)
            assert m is not None
            value_of[m[1]] = value_of[m[2]] if m[2] else m[3]
        ask = tale.asks[0]
        value = re.findall(r"\d{5}", ask.question)[0]
        wanted = [name for name, given in value_of.items() if given == value]
        assert ask.answer(range(len(tale.lines))) == ", ".join(wanted) != ""


def test_a_needle_is_a_fact() -> None:
    rng = random.Random(6)
    for _ in range(50):
        fact = needle_fact(rng)
        assert fact.answer in fact.statement and fact.subject in fact.statement
        assert fact.subject in fact.question and fact.answer not in fact.question
        assert fact.subject not in fact.other_statement.replace(fact.subject + "-", "")


def test_updates_hold_the_last_statement() -> None:
    rng, bank = random.Random(7), load_banks()
    for _ in range(100):
        tale = draw_update(rng, bank)
        (ask,) = tale.asks
        answer = ask.answer(range(len(tale.lines)))
        (kept,) = ask.keep(range(len(tale.lines)))
        assert answer and answer in tale.lines[kept]
        before = [n for n in range(kept) if ask.answer([n])]
        assert before and all(ask.answer([n]) != answer for n in before)


def test_needles_and_worlds_know_no_stale_name() -> None:
    assert set(babi.TASKS) == set(FIRST)
