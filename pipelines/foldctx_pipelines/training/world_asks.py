"""What is asked of a simulated world at its end, by bAbI's tasks and some of their like."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

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
from foldctx_pipelines.training.tales import Ask
from foldctx_pipelines.training.world_words import Style


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what takes part in one world."""

    people: tuple[str, ...]
    places: tuple[str, ...]
    things: tuple[str, ...]


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


ASKS: Mapping[str, Callable[[random.Random, Cast, tuple[Event, ...], Style], list[Ask]]] = {
    "babi1": _where,
    "babi2": _where_thing,
    "babi3": _where_before,
    "babi4": _beside,
    "babi5": _given,
}
"""The questions of a task's worlds; the task's own stand first."""
