"""Values as papers and forms write them: references, sections, ranges, amounts, marks."""

import random
from collections.abc import Callable

from foldctx_pipelines.training import words

_LETTERS = "ABCDEFGHJKLMNPRSTVW"


def _letters(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(_LETTERS) for _ in range(count))


def _suffixed(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number in (11, 12, 13) else ends.get(number % 10, 'th')}"


def ordinal(rng: random.Random) -> str:
    """A rank or turn, as a word or in digits."""
    if rng.random() < 0.5:
        return rng.choice(words.ORDINALS)
    return _suffixed(rng.randrange(2, 100))


def day(rng: random.Random) -> str:
    """A date in the forms of letters, registers and forms."""
    number, at, year = rng.randrange(1, 29), rng.randrange(12), rng.randrange(1890, 2040)
    month = words.MONTHS[at]
    forms = [
        f"{rng.choice(words.DAYS)} {number} {month}",
        f"{rng.choice(words.DAYS)}, {number} {month} {year}",
        f"{number} {month[:3]} {year}",
        f"{number:02d}/{at + 1:02d}/{year}",
        f"{number}.{at + 1}.{year}",
        f"the {_suffixed(number)} of {month} {year}",
        f"{month} {_suffixed(number)}, {year}",
        f"{number} {month}",
        f"{month} {number}",
    ]
    return rng.choice(forms)


def slashed(rng: random.Random) -> str:
    """A file, case or incident number."""
    year, number = rng.randrange(1950, 2040), rng.randrange(2, 9999)
    forms = [
        f"{_letters(rng, 2)}/{year}/{number}",
        f"{year}/{number:04d}/{_letters(rng, 1)}",
        f"{number}/{year % 100:02d}",
        f"{_letters(rng, 1)}{rng.randrange(10, 99)}/{number}",
        f"No. {number}",
        f"{_letters(rng, 3)} {year}-{number}",
    ]
    return rng.choice(forms)


def section(rng: random.Random) -> str:
    """A place in a numbered text."""
    number, part = rng.randrange(2, 40), rng.randrange(1, 9)
    forms = [
        f"section {number}",
        f"section {number}.{part}",
        f"clause {number}({rng.choice('abcde')})",
        f"clause {number}.{part}",
        f"paragraph {number}",
        f"article {rng.choice(words.ROMAN)}",
        f"rule {number}",
        f"schedule {part}",
        f"annex {rng.choice(_LETTERS)}",
    ]
    return rng.choice(forms)


def page(rng: random.Random) -> str:
    """A place in a book or a set of drawings."""
    number = rng.randrange(2, 600)
    forms = [
        f"page {number}",
        f"p. {number}",
        f"pages {number}-{number + rng.randrange(1, 9)}",
        f"folio {number}",
        f"sheet {number % 40 + 1}",
        f"chapter {rng.choice(words.ROMAN)}",
    ]
    return rng.choice(forms)


def decimal(rng: random.Random) -> str:
    """A number with a decimal point."""
    whole = rng.randrange(0, 10 ** rng.randrange(1, 4))
    return f"{whole}.{rng.randrange(1, 10)}{rng.choice(['', '', '5'])}"


def span(rng: random.Random) -> str:
    """A range between two counts."""
    low = rng.randrange(2, 150)
    return f"{low}{rng.choice([' to ', '-', ' to '])}{low + rng.randrange(2, 60)}"


def years(rng: random.Random) -> str:
    """A first and a last year."""
    low = rng.randrange(1700, 2020)
    return f"{low}{rng.choice([' to ', '-'])}{low + rng.randrange(1, 20)}"


def hours(rng: random.Random) -> str:
    """Opening hours of one day."""
    start, end = rng.randrange(6, 12), rng.randrange(13, 23)
    forms = [
        f"{start:02d}:30-{end:02d}:00",
        f"{start} am to {end - 12} pm",
        f"{start}.30 am until {end - 12}.15 pm",
        f"{start:02d}00 to {end:02d}00",
    ]
    return rng.choice(forms)


def amount(rng: random.Random) -> str:
    """A sum as budgets and accounts put it."""
    whole, part = rng.randrange(1, 60), rng.randrange(1, 10)
    figure = f"{rng.randrange(1, 900)},{rng.randrange(1000):03d}"
    sign = rng.choice("£$€")
    forms = [
        f"{sign}{whole}.{part} million",
        f"{sign}{whole}.{part}m",
        f"{sign}{whole}k",
        f"{rng.choice(['EUR', 'GBP', 'USD', 'NOK', 'CHF'])} {figure}",
        f"{sign}{figure}.{rng.randrange(100):02d}",
        f"{rng.choice(words.NUMBER_WORDS)} hundred {rng.choice(['pounds', 'euros', 'dollars'])}",
        f"{rng.choice(words.NUMBER_WORDS)} {rng.choice(['million', 'thousand'])} euros",
    ]
    return rng.choice(forms)


def version(rng: random.Random) -> str:
    """A release of a program or a revision of a document."""
    major, minor = rng.randrange(1, 20), rng.randrange(0, 30)
    forms = [
        f"{major}.{minor}.{rng.randrange(20)}",
        f"v{major}.{minor}",
        f"{major}.{minor}",
        f"{major}.{minor}-rc{rng.randrange(1, 5)}",
        f"20{rng.randrange(10, 40)}.{rng.randrange(1, 13)}",
    ]
    return rng.choice(forms)


def ratio(rng: random.Random) -> str:
    """A share or proportion that is no percentage."""
    number = rng.randrange(2, 12)
    forms = [
        f"{number} to 1",
        f"1:{number}",
        f"one in {rng.choice(words.NUMBER_WORDS)}",
        f"{rng.choice(['two', 'three', 'four'])} {rng.choice(['fifths', 'sevenths', 'ninths'])}",
        rng.choice(["a third", "a quarter", "three quarters", "two thirds", "half", "an eighth"]),
    ]
    return rng.choice(forms)


def postcode(rng: random.Random) -> str:
    """A postal code."""
    if rng.random() < 0.5:
        return f"{_letters(rng, 2)}{rng.randrange(1, 30)} {rng.randrange(1, 10)}{_letters(rng, 2)}"
    return str(rng.randrange(10000, 99999))


def website(rng: random.Random) -> str:
    """An address on the web."""
    name = (rng.choice(words.START) + rng.choice(words.TAIL)).lower()
    tail = rng.choice(["", "", "/forms", "/help", "/book", "/apply"])
    return f"{rng.choice(['www.', ''])}{name}.{rng.choice(['org', 'example', 'net', 'info'])}{tail}"


def _measured(units: list[str], top: int) -> Callable[[random.Random], str]:
    def measured(rng: random.Random) -> str:
        whole = str(rng.randrange(1, top))
        number = whole if rng.random() < 0.6 else f"{whole}.{rng.randrange(1, 10)}"
        return f"{number} {rng.choice(units)}"

    return measured


PAPERWORK: dict[str, Callable[[random.Random], str]] = {
    "ordinal": ordinal,
    "roman": lambda rng: rng.choice(words.ROMAN),
    "digits": lambda rng: str(rng.randrange(1, 10 ** rng.randrange(1, 5))),
    "age": lambda rng: str(rng.randrange(16, 96)),
    "letter": lambda rng: rng.choice(_LETTERS),
    "day": day,
    "slashed": slashed,
    "section": section,
    "page": page,
    "decimal": decimal,
    "span": span,
    "years": years,
    "hours": hours,
    "amount": amount,
    "version": version,
    "ratio": ratio,
    "postcode": postcode,
    "website": website,
    "dose": _measured(["mg", "micrograms", "ml", "mg/kg", "drops", "tablets"], 200),
    "speed": _measured(["knots", "km/h", "mph", "metres per second"], 150),
    "power": _measured(["kW", "watts", "MW", "horsepower"], 500),
    "pressure": _measured(["bar", "psi", "kPa"], 90),
}
