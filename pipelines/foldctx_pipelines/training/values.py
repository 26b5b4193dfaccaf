"""Values for the slots of generated facts: people, places, dates, amounts, identifiers.

Half of all names are made of syllables, so that a reader has to copy what stands in the text
instead of recalling it.
"""

import random
from collections.abc import Callable

_FIRST = [
    "Anna",
    "Ben",
    "Clara",
    "Daniel",
    "Elena",
    "Felix",
    "Greta",
    "Hugo",
    "Iris",
    "Jonas",
    "Karin",
    "Leo",
    "Mara",
    "Nils",
    "Olga",
    "Pavel",
    "Rosa",
    "Simon",
    "Tessa",
    "Ugo",
    "Vera",
    "Walter",
    "Xenia",
    "Yusuf",
    "Zoe",
    "Amir",
    "Beatrice",
    "Carlos",
    "Dora",
    "Edgar",
    "Fatima",
    "Gordon",
    "Helen",
    "Ivan",
    "Julia",
    "Kenji",
    "Laura",
    "Martin",
    "Nadia",
    "Oscar",
    "Paula",
    "Quentin",
    "Ruth",
    "Stefan",
    "Tanya",
    "Ursula",
    "Victor",
    "Wendy",
    "Alan",
    "Brigid",
    "Cyril",
    "Daphne",
    "Emil",
    "Flora",
    "Gilbert",
    "Hanna",
    "Isaac",
    "Joan",
    "Klaus",
    "Lydia",
    "Miriam",
    "Noel",
    "Otto",
    "Priya",
    "Rafael",
    "Sonia",
    "Tomas",
    "Una",
    "Vincent",
    "Wilma",
    "Arthur",
    "Bella",
    "Conrad",
    "Diana",
    "Ernest",
    "Frida",
    "George",
    "Hilda",
    "Ingrid",
    "James",
    "Kate",
    "Louis",
    "Mabel",
    "Norman",
    "Olive",
    "Peter",
    "Rachel",
    "Samuel",
    "Thelma",
    "Umar",
    "Viola",
    "William",
    "Agnes",
    "Bruno",
    "Cecil",
    "Dolores",
    "Enid",
]
_LAST = [
    "Abbott",
    "Barlow",
    "Castellan",
    "Drummond",
    "Eriksen",
    "Fairweather",
    "Gallagher",
    "Hartmann",
    "Iversen",
    "Jankowski",
    "Keller",
    "Lindqvist",
    "Moretti",
    "Nakamura",
    "Okafor",
    "Petrov",
    "Quigley",
    "Rossi",
    "Schneider",
    "Thornton",
    "Underhill",
    "Vasquez",
    "Whitaker",
    "Yamada",
    "Zeller",
    "Ashby",
    "Bergman",
    "Calloway",
    "Dubois",
    "Ellison",
    "Fischer",
    "Grant",
    "Holloway",
    "Ibrahim",
    "Jensen",
    "Kowalski",
    "Larsen",
    "Mendoza",
    "Novak",
    "Osborne",
    "Pereira",
    "Rahman",
    "Santos",
    "Tanaka",
    "Usher",
    "Vogel",
    "Winslow",
    "Young",
    "Zhang",
    "Armitage",
    "Bianchi",
    "Carver",
    "Delgado",
    "Engel",
    "Ferrante",
    "Gupta",
    "Hughes",
    "Isaksen",
    "Joshi",
    "Klein",
    "Lambert",
    "Mbeki",
    "Norris",
    "Olsen",
    "Price",
    "Reyes",
    "Singh",
    "Turner",
    "Ulrich",
    "Varga",
    "Walsh",
    "Archer",
    "Booth",
    "Cohen",
    "Dalton",
    "Evans",
    "Foster",
    "Greene",
]
_START = [
    "Al",
    "Ar",
    "Bar",
    "Bel",
    "Bran",
    "Cal",
    "Cor",
    "Dal",
    "Dor",
    "El",
    "Fal",
    "Far",
    "Gal",
    "Glen",
    "Har",
    "Hol",
    "Is",
    "Kel",
    "Kor",
    "Lan",
    "Lor",
    "Mar",
    "Mel",
    "Mor",
    "Nor",
    "Or",
    "Pel",
    "Quor",
    "Ral",
    "Ros",
    "Sal",
    "Sel",
    "Tal",
    "Tor",
    "Ul",
    "Var",
    "Vel",
    "Wen",
    "Win",
    "Yar",
    "Zel",
]
_MIDDLE = [
    "a",
    "e",
    "i",
    "o",
    "u",
    "an",
    "ar",
    "en",
    "er",
    "il",
    "in",
    "on",
    "or",
    "un",
    "la",
    "le",
    "mi",
    "na",
    "ra",
    "ri",
    "ta",
    "ve",
]
_END = [
    "bury",
    "by",
    "dale",
    "den",
    "field",
    "ford",
    "ham",
    "holm",
    "land",
    "ley",
    "mere",
    "mont",
    "more",
    "ness",
    "port",
    "ridge",
    "stead",
    "stone",
    "ton",
    "vale",
    "ville",
    "wick",
    "wold",
    "worth",
]
_TAIL = [
    "ak",
    "an",
    "ard",
    "as",
    "en",
    "er",
    "ett",
    "ic",
    "in",
    "is",
    "kin",
    "low",
    "man",
    "mar",
    "nard",
    "nen",
    "o",
    "off",
    "on",
    "ov",
    "rick",
    "ris",
    "sen",
    "sky",
    "son",
    "us",
    "vald",
    "well",
    "wyn",
]
_COUNTRIES = [
    "Argentina",
    "Austria",
    "Belgium",
    "Bolivia",
    "Brazil",
    "Canada",
    "Chile",
    "Croatia",
    "Denmark",
    "Ecuador",
    "Egypt",
    "Estonia",
    "Finland",
    "France",
    "Georgia",
    "Germany",
    "Ghana",
    "Greece",
    "Hungary",
    "Iceland",
    "India",
    "Indonesia",
    "Ireland",
    "Italy",
    "Japan",
    "Jordan",
    "Kenya",
    "Latvia",
    "Lithuania",
    "Malta",
    "Mexico",
    "Morocco",
    "Nepal",
    "Norway",
    "Peru",
    "Poland",
    "Portugal",
    "Romania",
    "Scotland",
    "Senegal",
    "Serbia",
    "Slovakia",
    "Slovenia",
    "Spain",
    "Sweden",
    "Switzerland",
    "Tunisia",
    "Turkey",
    "Ukraine",
    "Uruguay",
    "Vietnam",
    "Wales",
]
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_NUMBER_WORDS = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "fourteen",
    "fifteen",
    "sixteen",
    "eighteen",
    "twenty",
    "thirty",
    "forty",
    "sixty",
    "ninety",
]
_ORG_TAILS = [
    "Ltd",
    "Group",
    "Trust",
    "Partners",
    "Holdings",
    "Works",
    "Brothers",
    "Associates",
    "Foundation",
    "Institute",
    "Society",
    "Logistics",
    "Engineering",
    "Foods",
    "Energy",
    "Textiles",
    "Systems",
    "Supplies",
    "Consulting",
    "Press",
    "Motors",
    "Mills",
    "Bank",
]
_LISTS = {
    "colour": [
        "red",
        "blue",
        "green",
        "yellow",
        "black",
        "white",
        "grey",
        "brown",
        "orange",
        "purple",
        "pink",
        "crimson",
        "navy",
        "teal",
        "ivory",
        "olive",
        "maroon",
        "turquoise",
        "amber",
        "silver",
    ],
    "animal": [
        "otter",
        "heron",
        "badger",
        "fox",
        "kestrel",
        "hedgehog",
        "salmon",
        "beaver",
        "owl",
        "hare",
        "stoat",
        "lynx",
        "seal",
        "goat",
        "mule",
        "falcon",
        "newt",
        "adder",
        "bat",
        "wren",
        "deer",
        "crane",
        "toad",
        "boar",
        "swan",
    ],
    "plant": [
        "willow",
        "fern",
        "ivy",
        "heather",
        "oak",
        "juniper",
        "clover",
        "nettle",
        "primrose",
        "birch",
        "sedge",
        "thyme",
        "lavender",
        "gorse",
        "alder",
        "bramble",
        "hazel",
        "foxglove",
        "yarrow",
        "mint",
    ],
    "food": "lentils rye bread smoked trout plum jam goat cheese barley soup honey cake oat biscuits roast lamb apple cider mushroom pie".replace(
        " bread", "-bread"
    )
    .replace(" trout", "-trout")
    .replace(" jam", "-jam")
    .replace("goat cheese", "goat-cheese")
    .replace(" soup", "-soup")
    .replace(" cake", "-cake")
    .replace(" biscuits", "-biscuits")
    .replace(" lamb", "-lamb")
    .replace(" cider", "-cider")
    .replace(" pie", "-pie")
    .split(),
    "material": [
        "oak",
        "steel",
        "copper",
        "brass",
        "granite",
        "glass",
        "canvas",
        "leather",
        "linen",
        "slate",
        "cedar",
        "aluminium",
        "marble",
        "clay",
        "wool",
        "silk",
        "cork",
        "bronze",
        "concrete",
        "bamboo",
    ],
    "tool": [
        "chisel",
        "drill",
        "hammer",
        "lathe",
        "plane",
        "spade",
        "torch",
        "wrench",
        "saw",
        "file",
        "clamp",
        "trowel",
        "sickle",
        "anvil",
        "ladder",
        "winch",
        "pulley",
        "crowbar",
        "rake",
        "mallet",
    ],
    "job": [
        "accountant",
        "architect",
        "baker",
        "carpenter",
        "chemist",
        "clerk",
        "curator",
        "driver",
        "editor",
        "electrician",
        "engineer",
        "farmer",
        "gardener",
        "geologist",
        "inspector",
        "librarian",
        "mason",
        "nurse",
        "painter",
        "pilot",
        "plumber",
        "surgeon",
        "surveyor",
        "tailor",
        "teacher",
        "translator",
        "welder",
    ],
    "subject_of_study": [
        "algebra",
        "anatomy",
        "botany",
        "chemistry",
        "economics",
        "geology",
        "history",
        "law",
        "linguistics",
        "mechanics",
        "medicine",
        "music",
        "optics",
        "philosophy",
        "physics",
        "statistics",
        "theology",
        "zoology",
    ],
    "vehicle": [
        "bus",
        "cargo-bike",
        "ferry",
        "lorry",
        "minibus",
        "tractor",
        "tram",
        "van",
        "motorcycle",
        "forklift",
        "ambulance",
        "bulldozer",
        "trailer",
        "pickup",
        "caravan",
    ],
    "room": [
        "attic",
        "ballroom",
        "basement",
        "boardroom",
        "cellar",
        "conservatory",
        "foyer",
        "gallery",
        "kitchen",
        "laboratory",
        "library",
        "lounge",
        "pantry",
        "studio",
        "workshop",
        "vestry",
    ],
    "language": [
        "Arabic",
        "Basque",
        "Czech",
        "Danish",
        "Dutch",
        "Finnish",
        "French",
        "German",
        "Greek",
        "Hindi",
        "Hungarian",
        "Italian",
        "Japanese",
        "Latin",
        "Norwegian",
        "Persian",
        "Polish",
        "Portuguese",
        "Russian",
        "Spanish",
        "Swahili",
        "Tamil",
        "Turkish",
        "Welsh",
    ],
    "instrument": [
        "accordion",
        "banjo",
        "bassoon",
        "cello",
        "clarinet",
        "cornet",
        "drum",
        "fiddle",
        "flute",
        "guitar",
        "harp",
        "horn",
        "lute",
        "mandolin",
        "oboe",
        "organ",
        "piano",
        "saxophone",
        "trombone",
        "trumpet",
        "tuba",
        "viola",
        "violin",
        "zither",
    ],
}
_SHIPS = [
    "Northern",
    "Silver",
    "Crimson",
    "Morning",
    "Western",
    "Quiet",
    "Bold",
    "Lady",
    "Royal",
    "Little",
    "Golden",
    "Grey",
]
_SHIP_TAILS = [
    "Star",
    "Gull",
    "Tern",
    "Arrow",
    "Maiden",
    "Spirit",
    "Harbour",
    "Lantern",
    "Rose",
    "Wave",
    "Petrel",
    "Venture",
    "Anchor",
    "Swan",
]


def _coined(rng: random.Random, ends: list[str]) -> str:
    middle = rng.choice(_MIDDLE) if rng.random() < 0.5 else ""
    return rng.choice(_START) + middle + rng.choice(ends)


def first_name(rng: random.Random) -> str:
    """A given name, coined in a third of all cases."""
    return (
        _coined(rng, ["a", "an", "e", "en", "ia", "in", "is", "o", "us"])
        if rng.random() < 0.33
        else rng.choice(_FIRST)
    )


def surname(rng: random.Random) -> str:
    """A family name, coined in half of all cases."""
    return _coined(rng, _TAIL) if rng.random() < 0.5 else rng.choice(_LAST)


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


def town(rng: random.Random) -> str:
    """A coined place name."""
    name = _coined(rng, _END)
    form = rng.random()
    if form < 0.08:
        return f"{rng.choice(['North', 'South', 'East', 'West', 'Upper', 'Lower', 'New', 'Old'])} {name}"
    if form < 0.12:
        return f"{name}-on-{_coined(rng, _TAIL)}"
    return name


def organisation(rng: random.Random) -> str:
    """A company, trust or society."""
    form = rng.random()
    if form < 0.3:
        return f"{surname(rng)} & {surname(rng)}"
    return f"{surname(rng) if form < 0.6 else town(rng)} {rng.choice(_ORG_TAILS)}"


def date(rng: random.Random) -> str:
    """A day in one of the usual written forms."""
    day, month, year = rng.randrange(1, 29), rng.choice(_MONTHS), rng.randrange(1880, 2036)
    forms = [f"{day} {month} {year}"] * 5 + [f"{month} {day}, {year}"] * 2 + [f"{day} {month}"] * 3
    forms += [f"{year}-{_MONTHS.index(month) + 1:02d}-{day:02d}", f"the {day}th of {month}"]
    return rng.choice(forms)


def _grouped(rng: random.Random, number: int) -> str:
    return f"{number:,}" if rng.random() < 0.7 else str(number)


def integer(rng: random.Random) -> str:
    """A small count, in digits or as a word."""
    return rng.choice(_NUMBER_WORDS) if rng.random() < 0.25 else str(rng.randrange(2, 400))


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
    number = rng.choice(_NUMBER_WORDS) if rng.random() < 0.5 else str(rng.randrange(2, 120))
    return f"{number} {unit}"


def phone(rng: random.Random) -> str:
    """A telephone number or extension."""
    if rng.random() < 0.3:
        return f"extension {rng.randrange(100, 9999)}"
    return f"0{rng.randrange(10, 9999)} {rng.randrange(100, 999)} {rng.randrange(100, 9999)}"


def email(rng: random.Random) -> str:
    """An e-mail address."""
    return f"{first_name(rng).lower()}@{_coined(rng, _TAIL).lower()}.{rng.choice(['org', 'com', 'net', 'example'])}"


def street(rng: random.Random) -> str:
    """A street address."""
    kind = rng.choice(
        ["Street", "Lane", "Road", "Avenue", "Square", "Terrace", "Row", "Close", "Quay"]
    )
    return f"{rng.randrange(1, 240)} {_coined(rng, _TAIL + _END)} {kind}"


Maker = Callable[[random.Random], str]


def _listed(words: list[str]) -> Maker:
    return lambda rng: rng.choice(words).replace("-", " ")


MAKERS: dict[str, Maker] = {
    "person": person,
    "first_name": first_name,
    "surname": surname,
    "org": organisation,
    "town": town,
    "country": lambda rng: rng.choice(_COUNTRIES),
    "street": street,
    "date": date,
    "month": lambda rng: rng.choice(_MONTHS),
    "weekday": lambda rng: rng.choice(_DAYS),
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
    "ship": lambda rng: f"{rng.choice(_SHIPS)} {rng.choice(_SHIP_TAILS)}",
    **{name: _listed(words) for name, words in _LISTS.items()},
}
