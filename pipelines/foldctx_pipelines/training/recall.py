"""What a reader of a simulated world has to keep for a question, and what follows from it.

Each question replays the lines it is given and nothing else, so that an answer from notes is what
those notes say: a later line replaces an earlier one, and what was lost stays unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

# Kinds of lines: "lies" is the only one that never changes.
Kind = Literal["move", "take", "drop", "give", "lies"]

OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a world.

    `who` moves to `place`, takes or drops `what`, or gives it `to` someone. For "lies", `who` lies
    on the side `what` of `place`.
    """

    kind: Kind
    who: str
    what: str = ""
    place: str = ""
    to: str = ""


@dataclass(slots=True)
class Stay:
    """A place where a thing was: the lines that brought it there, and the last ones that place it."""

    place: str
    arrival: tuple[int, ...]
    latest: tuple[int, ...]


@dataclass(slots=True)
class Track:
    """Where everybody is and where one thing has been, as far as the lines say.

    `at` is the line and place of everyone's last move, `last` the line that moved the thing into
    or out of a hand, `ended` the line that ended what such a line began, `stays` its places in
    order. `known` tells whether it still is at the last.
    """

    thing: str
    at: dict[str, tuple[int, str]] = field(default_factory=dict)
    holder: str = ""
    last: int = -1
    ended: dict[int, int] = field(default_factory=dict)
    stays: list[Stay] = field(default_factory=list)
    known: bool = False

    @property
    def now(self) -> Stay | None:
        """Where the thing is."""
        return self.stays[-1] if self.known else None

    def see(self, number: int, event: Event) -> None:
        """Take in one line."""
        if event.kind == "move":
            self.at[event.who] = (number, event.place)
            if event.who == self.holder:
                self._stay(event.place, (self.last, number))
        elif event.what == self.thing and event.kind in ("take", "drop", "give"):
            lay = self.known and not self.holder  # put down before in a place that is known
            holder = event.to if event.kind == "give" else event.who
            self.ended[self.last] = number
            self.last, self.holder = number, "" if event.kind == "drop" else holder
            where = self.at.get(holder) or self.at.get(event.who)
            if where is not None:
                self._stay(where[1], (number, where[0]))
            else:
                self.known = lay and event.kind == "take"

    def _stay(self, place: str, lines: tuple[int, int]) -> None:
        self.known = True
        evidence = tuple(sorted(lines))
        if self.stays and self.stays[-1].place == place:
            self.stays[-1].latest = evidence
        else:
            self.stays.append(Stay(place, evidence, evidence))


@dataclass(frozen=True, slots=True)
class _About:
    """A question about the events of one world."""

    question: str
    events: tuple[Event, ...] = field(repr=False)

    def _track(self, thing: str, known: Sequence[int]) -> Track:
        track = Track(thing)
        for number in known:
            track.see(number, self.events[number])
        return track

    def _latest(self, known: Sequence[int], **wanted: str) -> int | None:
        """The last of the lines whose event has these fields."""
        for number in reversed(known):
            if all(getattr(self.events[number], k) == v for k, v in wanted.items()):
                return number
        return None


@dataclass(frozen=True, slots=True)
class WherePerson(_About):
    """Where someone is: the last place they went to."""

    who: str

    def keep(self, known: Sequence[int]) -> list[int]:
        """The last move."""
        found = self._latest(known, kind="move", who=self.who)
        return [] if found is None else [found]

    def answer(self, notes: Sequence[int]) -> str:
        """The place of the last move."""
        return "".join(self.events[n].place for n in self.keep(notes))


@dataclass(frozen=True, slots=True)
class IsPersonIn(_About):
    """Whether someone is in a place: yes or no by their last move."""

    who: str
    place: str

    def keep(self, known: Sequence[int]) -> list[int]:
        """The last move."""
        found = self._latest(known, kind="move", who=self.who)
        return [] if found is None else [found]

    def answer(self, notes: Sequence[int]) -> str:
        """Yes or no, or nothing where the person never moved."""
        kept = self.keep(notes)
        return ("yes" if self.events[kept[0]].place == self.place else "no") if kept else ""


@dataclass(frozen=True, slots=True)
class WhereThing(_About):
    """Where a thing is: who has it, or who put it down, and where they were then."""

    what: str

    def keep(self, known: Sequence[int]) -> list[int]:
        """The lines that place it now, then everyone's last move: whoever takes it next is there."""
        track = self._track(self.what, known)
        now = () if track.now is None else track.now.latest
        return _in_turn(now, [track.last], _recent(track))

    def answer(self, notes: Sequence[int]) -> str:
        """The place, where the notes tell it."""
        now = self._track(self.what, notes).now
        return "" if now is None else now.place


@dataclass(frozen=True, slots=True)
class WhereBefore(_About):
    """Where a thing was before it came to a place the last time."""

    what: str
    place: str

    def keep(self, known: Sequence[int]) -> list[int]:
        """The lines of both stays, then what places it now, then everyone's last move.

        Who had it then has it no longer: without the line that says so, their later moves would
        seem to carry it.
        """
        track = self._track(self.what, known)
        found = self._pair(track)
        both = () if found is None else {*found[1].arrival, *found[0].latest}
        now = () if track.now is None else track.now.latest
        ended = [track.ended[n] for n in both if n in track.ended]
        return _in_turn(sorted(both, reverse=True), [track.last, *now, *ended], _recent(track))

    def answer(self, notes: Sequence[int]) -> str:
        """The place before, where the notes tell both."""
        found = self._pair(self._track(self.what, notes))
        return "" if found is None else found[0].place

    def _pair(self, track: Track) -> tuple[Stay, Stay] | None:
        for before, after in reversed(list(zip(track.stays, track.stays[1:], strict=False))):
            if after.place == self.place:
                return before, after
        return None


@dataclass(frozen=True, slots=True)
class Carrying(_About):
    """What someone carries, by name or by number."""

    who: str
    count: bool

    def keep(self, known: Sequence[int]) -> list[int]:
        """The lines that say they have it, the last first; then those that took things away."""
        held = self._held(known)
        if self.count:  # a number has to go down as well as up
            return [n for n in reversed(known) if self._touches(self.events[n])]
        gone = [n for n in reversed(known) if self._touches(self.events[n])]
        last = {self.events[n].what: n for n in reversed(gone)}
        return _in_turn(sorted(held.values(), reverse=True), sorted(last.values(), reverse=True))

    def answer(self, notes: Sequence[int]) -> str:
        """The things, or how many; nothing where no line says anything about their hands."""
        if not any(self._touches(self.events[n]) for n in notes):
            return ""
        held = self._held(notes)
        if self.count:
            return _NUMBERS[min(len(held), len(_NUMBERS) - 1)]
        return ", ".join(sorted(held, key=held.__getitem__)) or "nothing"

    def _touches(self, event: Event) -> bool:
        hands = event.kind in ("take", "drop", "give")
        return hands and self.who in (event.who, event.to)

    def _held(self, known: Sequence[int]) -> dict[str, int]:
        held: dict[str, int] = {}
        for number in known:
            event = self.events[number]
            if not self._touches(event):
                continue
            gets = event.kind == "take" or event.to == self.who
            held.pop(event.what, None)
            if gets:
                held[event.what] = number
        return held


_NUMBERS = ("none", "one", "two", "three", "four", "five", "six")


@dataclass(frozen=True, slots=True)
class Given(_About):
    """Who gave what to whom, the last time: the fields that are known, and the one asked for."""

    known: tuple[tuple[str, str], ...]
    asked: Literal["who", "what", "to"]

    def keep(self, known: Sequence[int]) -> list[int]:
        """The last such giving."""
        found = self._latest(known, kind="give", **dict(self.known))
        return [] if found is None else [found]

    def answer(self, notes: Sequence[int]) -> str:
        """The field asked for."""
        return "".join(getattr(self.events[n], self.asked) for n in self.keep(notes))


@dataclass(frozen=True, slots=True)
class Beside(_About):
    """What lies on a side of a place, or what a place lies on a side of."""

    place: str
    direction: str
    inverse: bool

    def keep(self, known: Sequence[int]) -> list[int]:
        """The line that says so, from either end."""
        return [n for n in known if self._said(self.events[n])][-1:]

    def answer(self, notes: Sequence[int]) -> str:
        """The other place."""
        return "".join(self._said(self.events[n]) for n in self.keep(notes))

    def _said(self, event: Event) -> str:
        """The place that the line gives; "" for none."""
        if event.kind != "lies":
            return ""
        # "X lies north of Y" and "Y lies south of X" are the same.
        for here, there, side in (
            (event.who, event.place, event.what),
            (event.place, event.who, OPPOSITE[event.what]),
        ):
            known, found = (here, there) if self.inverse else (there, here)
            if known == self.place and side == self.direction:
                return found
        return ""


def _recent(track: Track) -> list[int]:
    """Everyone's last move, the latest first."""
    return sorted((number for number, _ in track.at.values()), reverse=True)


def _in_turn(*parts: Sequence[int]) -> list[int]:
    """The lines of all parts, each once, those before the first line left out."""
    return list(dict.fromkeys(n for part in parts for n in part if n >= 0))
