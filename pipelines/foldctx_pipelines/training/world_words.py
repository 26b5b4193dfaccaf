"""The words of simulated worlds: three sets of names and phrasings that share nothing but English."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from foldctx_pipelines.training.recall import Event


@dataclass(frozen=True, slots=True)
class Style:
    """Names, and phrasings by what they say: {p} and {q} people, {l} places, {o} things."""

    name: str
    people: tuple[str, ...]
    places: tuple[str, ...]
    things: tuple[str, ...]
    says: Mapping[str, tuple[str, ...]] = field(repr=False)
    asks: Mapping[str, tuple[str, ...]] = field(repr=False)
    there: str = "there"

    def say(self, rng: random.Random, event: Event) -> str:
        """The line of an event."""
        names = {"p": event.who, "o": event.what, "l": event.place, "q": event.to}
        if event.kind == "lies":
            names = {"p": event.who, "l": event.place, "r": event.what}
        return rng.choice(self.says[event.kind]).format(**names)

    def ask(self, rng: random.Random, form: str, **names: str) -> str:
        """A question of a form."""
        return rng.choice(self.asks[form]).format(**names)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


_PUBLISHED = Style(
    "published",
    _words("Mary John Daniel Sandra Bill Fred Jeff Julie"),
    _words("bathroom bedroom kitchen garden hallway office"),
    _words("football milk apple"),
    {
        "move": (
            "{p} went to the {l}.",
            "{p} moved to the {l}.",
            "{p} journeyed to the {l}.",
            "{p} travelled to the {l}.",
            "{p} went back to the {l}.",
        ),
        "take": (
            "{p} got the {o}.",
            "{p} took the {o}.",
            "{p} picked up the {o}.",
            "{p} grabbed the {o}.",
        ),
        "drop": (
            "{p} dropped the {o}.",
            "{p} left the {o}.",
            "{p} discarded the {o}.",
            "{p} put down the {o}.",
        ),
        "give": (
            "{p} gave the {o} to {q}.",
            "{p} handed the {o} to {q}.",
            "{p} passed the {o} to {q}.",
        ),
        "lies": ("The {p} is {r} of the {l}.",),
    },
    {
        "where": ("Where is {p}?",),
        "in": ("Is {p} in the {l}?",),
        "thing": ("Where is the {o}?",),
        "carry": ("What is {p} carrying?",),
        "count": ("How many objects is {p} carrying?",),
        "before": ("Where was the {o} before the {l}?",),
        "side": ("What is {r} of the {l}?",),
        "side_of": ("What is the {l} {r} of?",),
        "give_what": ("What did {p} give to {q}?",),
        "give_who_to": ("Who gave the {o} to {q}?",),
        "give_to": ("Who did {p} give the {o} to?",),
        "give_who": ("Who gave the {o}?",),
        "give_whom": ("Who received the {o}?",),
    },
)
_TRAIN = Style(
    "train",
    _words(
        """
        Anna Ben Clara David Elena Felix Greta Hugo Iris Jonas Karin Leo Mara Nils Olga Pavel Rosa
        Simon Tessa Vera Walter Yusuf Zoe Amir Carlos Dora Edgar Fatima Gordon Helen Ivan Julia
        Kenji Laura Martin Nadia Oscar Paula Ruth Stefan Tanya Victor Wendy Alan Emil Flora
        """
    ),
    _words(
        """
        attic balcony basement canteen cellar chapel courtyard dining_room corridor foyer gallery
        garage greenhouse gym harbour kiosk laboratory library lobby lounge market meadow museum
        orchard pantry park playroom porch school shed stable station studio theatre tower
        town_hall vestry workshop yard boat_house
        """
    ),
    _words(
        """
        ball basket blanket book bottle box bread bucket candle chair cheese clock coat cup drum
        envelope flag guitar hammer hat key kettle lamp letter map mirror newspaper orange parcel
        pear pencil plate radio rope scarf shovel sponge suitcase torch towel umbrella vase wallet
        """
    ),
    {
        "move": (
            "{p} walked to the {l}.",
            "{p} ran to the {l}.",
            "{p} went into the {l}.",
            "{p} returned to the {l}.",
            "{p} hurried to the {l}.",
            "{p} went over to the {l}.",
            "After that {p} went to the {l}.",
            "Then {p} moved to the {l}.",
            "{p} is now in the {l}.",
            "{p} came to the {l}.",
        ),
        "take": (
            "{p} picked the {o} up.",
            "{p} took hold of the {o}.",
            "{p} fetched the {o}.",
            "{p} grabbed the {o}.",
            "{p} found the {o} and took it.",
            "{p} now has the {o}.",
            "{p} got the {o}.",
        ),
        "drop": (
            "{p} put the {o} down.",
            "{p} laid the {o} down.",
            "{p} left the {o} behind.",
            "{p} dropped the {o}.",
            "{p} set down the {o}.",
            "{p} got rid of the {o}.",
        ),
        "give": (
            "{p} gave {q} the {o}.",
            "{p} handed {q} the {o}.",
            "{p} passed the {o} on to {q}.",
            "{q} was given the {o} by {p}.",
            "{q} got the {o} from {p}.",
        ),
        "lies": (
            "The {p} lies {r} of the {l}.",
            "The {p} is to the {r} of the {l}.",
            "You find the {p} {r} of the {l}.",
        ),
    },
    {
        "where": ("Where is {p} now?", "In which place is {p}?", "Where did {p} go last?"),
        "in": ("Is {p} now in the {l}?", "Can {p} be found in the {l}?"),
        "thing": ("Where is the {o} now?", "In which place is the {o}?", "Find the {o}."),
        "carry": ("What does {p} carry?", "What is in {p}'s hands?"),
        "count": ("How many things does {p} carry?", "How many things are in {p}'s hands?"),
        "before": (
            "Where had the {o} been before it came to the {l}?",
            "In which place was the {o} before the {l}?",
        ),
        "side": ("What lies {r} of the {l}?", "Which place is to the {r} of the {l}?"),
        "side_of": ("Of which place does the {l} lie {r}?", "Of what is the {l} to the {r}?"),
        "give_what": ("What did {q} get from {p}?", "Which thing did {p} give to {q}?"),
        "give_who_to": ("From whom did {q} get the {o}?", "Who handed the {o} to {q}?"),
        "give_to": ("To whom did {p} give the {o}?", "Who got the {o} from {p}?"),
        "give_who": ("Who gave away the {o}?", "By whom was the {o} given?"),
        "give_whom": ("Who was given the {o}?", "To whom was the {o} given?"),
    },
)
_HELD_OUT = Style(
    "held_out",
    _words("Agnes Boris Celia Derek Esther Frank Gloria Harvey Irma Jasper Kurt Lotte Milan Nora"),
    _words(
        "bakery barn cinema classroom dormitory forest hospital hotel kennel laundry mill pavilion"
    ),
    _words(
        "apron axe banana brush coin comb dictionary fork glove ladder napkin pillow ring spoon"
    ),
    {
        "move": (
            "{p} headed to the {l}.",
            "{p} made for the {l}.",
            "{p} entered the {l}.",
            "{p} strolled to the {l}.",
            "{p} arrived in the {l}.",
        ),
        "take": (
            "{p} collected the {o}.",
            "{p} lifted the {o}.",
            "{p} seized the {o}.",
            "{p} pocketed the {o}.",
        ),
        "drop": (
            "{p} placed the {o} on the floor.",
            "{p} let go of the {o}.",
            "{p} abandoned the {o}.",
        ),
        "give": (
            "{p} presented {q} with the {o}.",
            "{p} turned the {o} over to {q}.",
            "{p} offered the {o} to {q}, who took it.",
        ),
        "lies": (
            "The {p} can be found {r} of the {l}.",
            "The {p} stands {r} of the {l}.",
        ),
    },
    {
        "where": ("Where can {p} be found?", "What is the place where {p} is?"),
        "in": ("Does the {l} have {p} in it?",),
        "thing": ("Where can the {o} be found?", "What is the place where the {o} is?"),
        "carry": ("What does {p} hold?",),
        "count": ("How many things does {p} hold?",),
        "before": ("Where could the {o} be found before the {l}?",),
        "side": ("What stands {r} of the {l}?",),
        "side_of": ("What does the {l} stand {r} of?",),
        "give_what": ("What was it that {p} gave to {q}?",),
        "give_who_to": ("Who was it that gave the {o} to {q}?",),
        "give_to": ("Who was it that {p} gave the {o} to?",),
        "give_who": ("Who was it that gave the {o} away?",),
        "give_whom": ("Who was it that received the {o}?",),
    },
)
STYLES: Mapping[str, Style] = {style.name: style for style in (_PUBLISHED, _TRAIN, _HELD_OUT)}
