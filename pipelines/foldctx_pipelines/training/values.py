"""Values for the slots of generated facts: people, places, dates, amounts, identifiers.

Half of all names are made of syllables, so that a reader has to copy what stands in the text
instead of recalling it.
"""

import random
from collections.abc import Callable

from foldctx_pipelines.training import words
from foldctx_pipelines.training.paperwork import PAPERWORK


def _coined(rng: random.Random, ends: list[str]) -> str:
    middle = rng.choice(words.MIDDLE) if rng.random() < 0.5 else ""
    return rng.choice(words.START) + middle + rng.choice(ends)


def first_name(rng: random.Random) -> str:
    """A given name, coined in a third of all cases."""
    return (
        _coined(rng, ["a", "an", "e", "en", "ia", "in", "is", "o", "us"])
        if rng.random() < 0.33
        else rng.choice(words.FIRST)
    )


def surname(rng: random.Random) -> str:
    """A family name, coined in half of all cases."""
    return _coined(rng, words.TAIL) if rng.random() < 0.5 else rng.choice(words.LAST)


def person(rng: random.Random) -> str:
    """A full name in one of several forms."""
    form = rng.random()
    if form < 0.1:
        return f"Dr {first_name(rng)} {surname(rng)}"
    if form < 0.15:
        return f"{rng.choice(['Mrs', 'Mr', 'Ms', 'Professor', 'Captain'])} {surname(rng)}"
    if form < 0.2:
        return f"{first_name(rng)} {chr(65 + rng.randrange(26))}. {surname(rng)}"
    return f"{first_name(rng)} {surname(rng)}"


def titled(rng: random.Random) -> str:
    """A person with the title of an office or rank."""
    name = f"{first_name(rng)} {surname(rng)}" if rng.random() < 0.6 else surname(rng)
    return f"{rng.choice(words.TITLES)} {name}"


def town(rng: random.Random) -> str:
    """A coined place name."""
    name = _coined(rng, words.END)
    form = rng.random()
    if form < 0.08:
        side = rng.choice(["North", "South", "East", "West", "Upper", "Lower", "New", "Old"])
        return f"{side} {name}"
    if form < 0.12:
        return f"{name}-on-{_coined(rng, words.TAIL)}"
    return name


def organisation(rng: random.Random) -> str:
    """A company, trust or society."""
    form = rng.random()
    if form < 0.3:
        return f"{surname(rng)} & {surname(rng)}"
    return f"{surname(rng) if form < 0.6 else town(rng)} {rng.choice(words.ORG_TAILS)}"


def date(rng: random.Random) -> str:
    """A day in one of the usual written forms."""
    day, month, year = rng.randrange(1, 29), rng.choice(words.MONTHS), rng.randrange(1880, 2036)
    forms = [f"{day} {month} {year}"] * 5 + [f"{month} {day}, {year}"] * 2 + [f"{day} {month}"] * 3
    forms += [f"{year}-{words.MONTHS.index(month) + 1:02d}-{day:02d}", f"the {day}th of {month}"]
    return rng.choice(forms)


def _grouped(rng: random.Random, number: int) -> str:
    return f"{number:,}" if rng.random() < 0.7 else str(number)


def integer(rng: random.Random) -> str:
    """A small count, in digits or as a word."""
    return rng.choice(words.NUMBER_WORDS) if rng.random() < 0.25 else str(rng.randrange(2, 400))


def big_integer(rng: random.Random) -> str:
    """A count in the thousands and more."""
    return _grouped(rng, rng.randrange(1000, 10 ** rng.randrange(4, 7)))


def money(rng: random.Random) -> str:
    """An amount with its currency."""
    amount = rng.randrange(2, 10 ** rng.randrange(2, 6))
    text = (
        _grouped(rng, amount)
        if rng.random() < 0.75
        else f"{amount % 1000}.{rng.randrange(100):02d}"
    )
    form = rng.random()
    if form < 0.75:
        return rng.choice(["$", "£", "€", "£", "$"]) + text
    return f"{text} {rng.choice(['euros', 'pounds', 'dollars', 'francs', 'crowns', 'EUR', 'GBP'])}"


def measure(rng: random.Random, units: list[str], top: int = 900) -> str:
    """A number with a unit."""
    number = (
        str(rng.randrange(2, top))
        if rng.random() < 0.6
        else f"{rng.randrange(1, top)}.{rng.randrange(1, 10)}"
    )
    return f"{number} {rng.choice(units)}"


def code(rng: random.Random) -> str:
    """An identifier of letters and digits."""
    letters = "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(rng.randrange(1, 4)))
    digits = str(rng.randrange(10, 10 ** rng.randrange(2, 6)))
    forms = [
        f"{letters}-{digits}",
        f"{letters}{digits}",
        f"{letters}/{digits}",
        f"{digits}-{letters}",
    ]
    forms += [f"{letters}-{digits}-{rng.randrange(1, 99)}"]
    return rng.choice(forms)


def clock(rng: random.Random) -> str:
    """A time of day."""
    hour, minute = rng.randrange(1, 13), rng.choice([0, 0, 15, 30, 45, 10, 20, 50])
    half = rng.choice(["am", "pm", "a.m.", "p.m."])
    forms = [
        f"{hour}:{minute:02d} {half}",
        f"{rng.randrange(24):02d}:{minute:02d}",
        f"{hour} {half}",
    ]
    forms += [f"{hour}.{minute:02d} {half}", "noon" if hour == 12 else f"{hour} o'clock"]
    return rng.choice(forms)


def duration(rng: random.Random) -> str:
    """A length of time."""
    unit = rng.choice(["days", "weeks", "months", "years", "hours", "minutes", "working days"])
    number = rng.choice(words.NUMBER_WORDS) if rng.random() < 0.5 else str(rng.randrange(2, 120))
    return f"{number} {unit}"


def phone(rng: random.Random) -> str:
    """A telephone number or extension."""
    if rng.random() < 0.3:
        return f"extension {rng.randrange(100, 9999)}"
    return f"0{rng.randrange(10, 9999)} {rng.randrange(100, 999)} {rng.randrange(100, 9999)}"


def email(rng: random.Random) -> str:
    """An e-mail address."""
    name, place = first_name(rng).lower(), _coined(rng, words.TAIL).lower()
    return f"{name}@{place}.{rng.choice(['org', 'com', 'net', 'example'])}"


def street(rng: random.Random) -> str:
    """A street address."""
    kind = rng.choice(
        ["Street", "Lane", "Road", "Avenue", "Square", "Terrace", "Row", "Close", "Quay"]
    )
    return f"{rng.randrange(1, 240)} {_coined(rng, words.TAIL + words.END)} {kind}"


Maker = Callable[[random.Random], str]


def _listed(choices: list[str]) -> Maker:
    return lambda rng: rng.choice(choices).replace("-", " ")


MAKERS: dict[str, Maker] = {
    "person": person,
    "titled": titled,
    "first_name": first_name,
    "surname": surname,
    "org": organisation,
    "town": town,
    "country": lambda rng: rng.choice(words.COUNTRIES),
    "street": street,
    "date": date,
    "month": lambda rng: rng.choice(words.MONTHS),
    "weekday": lambda rng: rng.choice(words.DAYS),
    "year": lambda rng: str(rng.randrange(1650, 2040)),
    "time": clock,
    "money": money,
    "int": integer,
    "bigint": big_integer,
    "percent": lambda rng: (
        f"{rng.randrange(1, 99)}{rng.choice(['%', '%', ' per cent', '.5%', ' percent'])}"
    ),
    "length": lambda rng: measure(
        rng, ["metres", "m", "km", "feet", "cm", "mm", "miles", "inches"]
    ),
    "weight": lambda rng: measure(rng, ["kg", "tonnes", "grams", "pounds", "g"]),
    "area": lambda rng: measure(rng, ["hectares", "square metres", "acres", "m2", "square feet"]),
    "volume": lambda rng: measure(rng, ["litres", "cubic metres", "ml", "gallons", "bushels"]),
    "temperature": lambda rng: measure(rng, ["degrees", "°C", "degrees Celsius", "°F"], 90),
    "duration": duration,
    "code": code,
    "phone": phone,
    "email": email,
    "ship": lambda rng: f"{rng.choice(words.SHIPS)} {rng.choice(words.SHIP_TAILS)}",
    **PAPERWORK,
    **{name: _listed(choices) for name, choices in words.LISTS.items()},
}
