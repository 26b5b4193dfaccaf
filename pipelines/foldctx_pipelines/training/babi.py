"""Simulated worlds after bAbI's tasks 1 to 5 (arXiv 1502.05698), in its words and in others.

A world is a list of events that could have happened: people move, take and put down things where
they are, give them to others in the same place. Three sets of words: "published" is bAbI's own,
"train" and "held_out" share no name, place, thing or phrasing. Worlds are split as well, by their
hash, so that those of evaluation were never trained on in any words.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from foldctx.errors import UsageError
from foldctx_pipelines.training.recall import (
    OPPOSITE,
    Beside,
    Carrying,
    Event,
    Given,
    IsPersonIn,
    Track,
    WhereBefore,
    WherePerson,
    WhereThing,
)
from foldctx_pipelines.training.tales import Ask, Split, Tale, is_held_out
from foldctx_pipelines.training.world_words import STYLES, Style

Task = Literal["babi1", "babi2", "babi3", "babi4", "babi5"]
SHORTEST: Mapping[Task, int] = {"babi1": 4, "babi2": 4, "babi3": 6, "babi4": 2, "babi5": 8}
"""Lines from which stories have something to ask for, and differ enough to be split."""
TASKS: tuple[Task, ...] = tuple(SHORTEST)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what takes part in one world."""

    people: tuple[str, ...]
    places: tuple[str, ...]
    things: tuple[str, ...]


class _World:
    """Events one after another, each of them possible."""

    def __init__(self, rng: random.Random, cast: Cast) -> None:
        self.rng, self.cast = rng, cast
        self.at: dict[str, str] = {}
        self.held: dict[str, str] = {}  # thing to person
        self.lies: dict[str, str] = {}  # thing to place
        self.events: list[Event] = []

    def run(self, length: int, *, hands: float, gives: float) -> None:
        """`length` more events; a share of them with hands, of which a share gives things."""
        end = len(self.events) + length
        while len(self.events) < end:
            if self.rng.random() >= hands or not self._handle(self.rng.random() < gives):
                self._move()

    def _move(self) -> None:
        who = self.rng.choice(self.cast.people)
        place = self.rng.choice([p for p in self.cast.places if p != self.at.get(who)])
        self.at[who] = place
        self.events.append(Event("move", who, place=place))

    def _handle(self, giving: bool) -> bool:
        """Let someone take, put down or give a thing, if anyone can."""
        rng = self.rng
        gifts = [
            (who, what, to)
            for what, who in self.held.items()
            for to in self.cast.people
            if to != who and self.at.get(to) == self.at[who]
        ]
        if giving and gifts:
            who, what, to = rng.choice(gifts)
            self.held[what] = to
            self.events.append(Event("give", who, what, to=to))
            return True
        takes = [
            (who, what)
            for who, place in self.at.items()
            for what in self.cast.things
            if what not in self.held and self.lies.get(what, place) == place
        ]
        drops = [(who, what) for what, who in self.held.items()]
        if takes and (not drops or rng.random() < 0.55):
            who, what = rng.choice(takes)
            self.held[what] = who
            self.lies.pop(what, None)
            self.events.append(Event("take", who, what))
            return True
        if drops:
            who, what = rng.choice(drops)
            del self.held[what]
            self.lies[what] = self.at[who]
            self.events.append(Event("drop", who, what))
            return True
        return False


def draw_story(
    rng: random.Random,
    task: Task,
    words: str = "published",
    *,
    split: Split = "train",
    length: int | None = None,
) -> Tale:
    """A story whose questions are asked at its end, the one of the task first.

    `words` is "published", "train" or "held_out"; `length` is in lines. Training gets worlds of one
    split, evaluation of the other. Raises UsageError for a length below the task's shortest.
    """
    if length is not None and length < SHORTEST[task]:
        raise UsageError(f"a story of {task} in {length} lines: give at least {SHORTEST[task]}")
    style = STYLES[words]
    while True:
        cast = _cast(rng, style, task)
        events = _EVENTS[task](rng, cast, length)
        if is_held_out(_shape(events)) != (split == "held_out"):
            continue
        asks = _ASKS[task](rng, cast, tuple(events), style)
        if asks:
            lines = _tell(rng, events, style)
            return Tale(task, tuple(lines), tuple(asks))


def _shape(events: list[Event]) -> str:
    """The world without its names: two worlds that differ in names only are the same."""
    numbers: dict[str, str] = {}
    parts = []
    for event in events:
        names: tuple[str, ...] = (event.who, event.what, event.place, event.to)
        if event.kind == "lies":
            parts += [event.what]
            names = (event.who, event.place)
        parts += [event.kind, *(numbers.setdefault(name, str(len(numbers))) for name in names)]
    return " ".join(parts)


def _cast(rng: random.Random, style: Style, task: Task) -> Cast:
    people = len(style.people) if style.name == "published" else rng.randrange(2, 6)
    things = rng.randrange(1, 4)
    chosen = rng.sample(style.people, min(4, people))
    return Cast(
        tuple(chosen),
        tuple(rng.sample(style.places, 6)),
        tuple(rng.sample(style.things, things)),
    )


def _moves(rng: random.Random, cast: Cast, length: int | None) -> list[Event]:
    world = _World(rng, cast)
    world.run(length or rng.randrange(2, 13), hands=0, gives=0)
    return world.events


def _carries(rng: random.Random, cast: Cast, length: int | None) -> list[Event]:
    world = _World(rng, cast)
    world.run(length or rng.randrange(4, 45), hands=0.4, gives=0)
    return world.events


def _journeys(rng: random.Random, cast: Cast, length: int | None) -> list[Event]:
    world = _World(rng, cast)
    world.run(length or rng.randrange(8, 85), hands=0.3, gives=0)
    return world.events


def _gifts(rng: random.Random, cast: Cast, length: int | None) -> list[Event]:
    world = _World(rng, cast)
    world.run(length or rng.randrange(6, 60), hands=0.55, gives=0.7)
    return world.events


def _map(rng: random.Random, cast: Cast, length: int | None) -> list[Event]:
    """Places on a grid, each beside one that was named before."""
    steps = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
    places = list(cast.places)
    grid = {places[0]: (0, 0)}
    events: list[Event] = []
    count = min(length or rng.choice([2, 2, 2, 3, 4]), len(places) - 1)
    for place in places[1 : count + 1]:
        free = [
            (known, direction, spot)
            for known, (x, y) in grid.items()
            for direction, (dx, dy) in steps.items()
            if (spot := (x + dx, y + dy)) not in grid.values()
        ]
        known, direction, spot = rng.choice(free)
        grid[place] = spot
        if rng.random() < 0.5:
            events.append(Event("lies", place, direction, place=known))
        else:
            events.append(Event("lies", known, OPPOSITE[direction], place=place))
    rng.shuffle(events)
    return events


def _where(rng: random.Random, cast: Cast, events: tuple[Event, ...], style: Style) -> list[Ask]:
    moved = list(dict.fromkeys(event.who for event in events if event.kind == "move"))
    rng.shuffle(moved)
    asks: list[Ask] = [
        WherePerson(style.ask(rng, "where", p=who), events, who) for who in moved[:3]
    ]
    for who in moved[:1]:
        last = WherePerson("", events, who).answer(range(len(events)))
        place = last if rng.random() < 0.5 else rng.choice(cast.places)
        asks.append(IsPersonIn(style.ask(rng, "in", p=who, l=place), events, who, place))
    return asks


def _where_thing(
    rng: random.Random, cast: Cast, events: tuple[Event, ...], style: Style
) -> list[Ask]:
    asks: list[Ask] = []
    for what in rng.sample(cast.things, len(cast.things)):
        ask = WhereThing(style.ask(rng, "thing", o=what), events, what)
        if ask.answer(range(len(events))):
            asks.append(ask)
    holders = [event.who for event in events if event.kind in ("take", "drop")]
    if asks and holders:
        who = rng.choice(holders)
        count = rng.random() < 0.5 and holders.count(who) < 8  # every one of them is a note
        form = "count" if count else "carry"
        asks.append(Carrying(style.ask(rng, form, p=who), events, who, count))
    return asks


def _where_before(
    rng: random.Random, cast: Cast, events: tuple[Event, ...], style: Style
) -> list[Ask]:
    """bAbI asks of the place where the thing was last; in other words any earlier one as well."""
    asks: list[Ask] = []
    for what in rng.sample(cast.things, len(cast.things)):
        track = Track(what)
        for number, event in enumerate(events):
            track.see(number, event)
        places = [stay.place for stay in track.stays[1:]]
        if not places:
            continue
        place = places[-1] if style.name == "published" else rng.choice(places[-3:])
        asks.append(WhereBefore(style.ask(rng, "before", o=what, l=place), events, what, place))
    return asks


def _beside(rng: random.Random, cast: Cast, events: tuple[Event, ...], style: Style) -> list[Ask]:
    asks: list[Ask] = []
    for event in rng.sample(events, len(events)):
        for place, direction in ((event.place, event.what), (event.who, OPPOSITE[event.what])):
            inverse = rng.random() < 0.5
            # "what is north of Y" and "what is Y south of" ask for the same place
            side = OPPOSITE[direction] if inverse else direction
            form = "side_of" if inverse else "side"
            asks.append(Beside(style.ask(rng, form, l=place, r=side), events, place, side, inverse))
    rng.shuffle(asks)
    return asks


def _given(rng: random.Random, cast: Cast, events: tuple[Event, ...], style: Style) -> list[Ask]:
    asks: list[Ask] = []
    gifts = [event for event in events if event.kind == "give"]
    for event in rng.sample(gifts, min(3, len(gifts))):
        form = rng.choice(["what", "who_to", "to", "who", "whom"])
        names = {
            "what": (("who", event.who), ("to", event.to)),
            "who_to": (("what", event.what), ("to", event.to)),
            "to": (("who", event.who), ("what", event.what)),
            "who": (("what", event.what),),
            "whom": (("what", event.what),),
        }[form]
        asked: Literal["who", "what", "to"] = (
            "what" if form == "what" else "who" if form in ("who_to", "who") else "to"
        )
        question = style.ask(rng, f"give_{form}", p=event.who, o=event.what, q=event.to)
        asks.append(Given(question, events, names, asked))
    return asks


def _tell(rng: random.Random, events: list[Event], style: Style) -> list[str]:
    """The events in words; "there" is said now and then, as bAbI does."""
    lines = []
    for event in events:
        line = style.say(rng, event)
        if event.kind in ("take", "drop") and rng.random() < 0.25:
            line = f"{line.rstrip('.')} {style.there}."
        lines.append(line)
    return lines


_EVENTS: Mapping[Task, Callable[[random.Random, Cast, int | None], list[Event]]] = {
    "babi1": _moves,
    "babi2": _carries,
    "babi3": _journeys,
    "babi4": _map,
    "babi5": _gifts,
}
_ASKS: Mapping[Task, Callable[[random.Random, Cast, tuple[Event, ...], Style], list[Ask]]] = {
    "babi1": _where,
    "babi2": _where_thing,
    "babi3": _where_before,
    "babi4": _beside,
    "babi5": _given,
}
