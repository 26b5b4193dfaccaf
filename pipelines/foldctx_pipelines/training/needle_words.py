"""Words of needles' keys and values, and how needles are said and asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrasing:
    """Lines about {k}, of type {t}, with {v}; questions for one value, for all, for their number.

    `split` is "published" (RULER's own, in both splits), "train" or "held_out".
    """

    split: str
    lines: tuple[str, ...]
    one: tuple[str, ...]
    many: tuple[str, ...]
    count: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PHRASINGS: tuple[Phrasing, ...] = (
    Phrasing(
        "published",
        ("One of the special magic {t}s for {k} is: {v}.",),
        (
            "What is the special magic {t} for {k} mentioned in the provided text?",
            "What is the special magic {t} for {k}?",
        ),
        (
            "What are all the special magic {t}s for {k} mentioned in the provided text?",
            "What are all the special magic {t}s for {k}?",
        ),
        ("How many special magic {t}s for {k} are mentioned in the provided text?",),
    ),
    Phrasing(
        "train",
        (
            "The special magic {t} for {k} is {v}.",
            "Remember that {v} is a special magic {t} for {k}.",
            "For {k} one special magic {t} is {v}.",
        ),
        (
            "Which special magic {t} belongs to {k}?",
            "Tell me the magic {t} for {k}.",
            "Find the special magic {t} of {k}.",
        ),
        (
            "List every special magic {t} for {k}.",
            "Which special magic {t}s belong to {k}?",
            "Tell me all magic {t}s for {k}.",
        ),
        ("How many special magic {t}s belong to {k}?", "Count the magic {t}s for {k}."),
    ),
    Phrasing(
        "train",
        (
            "The secret {t} of {k} is {v}.",
            "{k} goes with the {t} {v}.",
            "{k}: {v}",
            "A {t} that was noted for {k} is {v}.",
        ),
        ("Which {t} goes with {k}?", "What {t} is noted for {k}?", "What is the {t} of {k}?"),
        ("Which {t}s go with {k}?", "List all {t}s of {k}.", "What {t}s are noted for {k}?"),
        ("How many {t}s go with {k}?", "For {k}, how many {t}s are noted?"),
    ),
    Phrasing(
        "train",
        (
            "The access {t} for {k} was set to {v}.",
            "Under {k} the register shows the {t} {v}.",
            "Whoever asks for {k} has to give the {t} {v}.",
        ),
        (
            "To what was the access {t} for {k} set?",
            "Which {t} does the register show under {k}?",
            "What {t} has to be given for {k}?",
        ),
        ("Which {t}s does the register show under {k}?", "Give every {t} recorded for {k}."),
        ("How many {t}s does the register show under {k}?",),
    ),
    Phrasing(
        "held_out",
        (
            "The hidden {t} that unlocks {k} is {v}.",
            "To open {k}, use the hidden {t} {v}.",
            "{k} can be unlocked with the hidden {t} {v}.",
        ),
        ("What hidden {t} unlocks {k}?", "With which hidden {t} can {k} be unlocked?"),
        ("What hidden {t}s unlock {k}?", "Name each hidden {t} that unlocks {k}."),
        ("How many hidden {t}s unlock {k}?",),
    ),
)

ADJECTIVES = _words(
    """
    able absent ample ancient angry anxious arid ashen automatic awake bashful bitter bleak blunt
    bold boundless brave brief bright brisk broad calm careful cautious cheap cheerful chilly civil
    clever cloudy clumsy coarse common compact cozy crisp crooked curious damp daring deep
    delicate dense dim distant dizzy docile dry dull dusty eager early earnest elastic elegant
    empty even exact faded faint fancy feeble fierce fine firm flat fluffy fond frail frank fresh
    frosty gentle giddy glad gleaming gloomy golden graceful grand grave greasy grim handy happy
    hardy harsh hasty hazy heavy hollow honest humble hungry icy idle jolly jovial juicy keen kind
    large late lazy lean level light limp little lively lonely long loose loud loyal lucky mad
    mellow merry mighty mild misty modest muddy murky mute narrow neat nervous nimble noble noisy
    odd old open orderly outgoing pale patient perfect placid plain pleasant plump polite poor
    precious proud puzzled quaint quick quiet rapid rare raspy restless rich ripe robust rough
    round rustic sad scarce secret serious shaggy shallow sharp shiny short shy silent simple
    sleepy slim slow small smooth soft solemn solid sour sparkling spicy stale steady steep stiff
    stormy strict strong sturdy subtle sudden sunny sweet swift tall tame tender thick thin tidy
    tight timid tiny tired tough tranquil true vague vast vivid warm wary weak wealthy weary wet
    wide wild wise witty wonderful wooden woolly worried young zealous
    """
)
NOUNS = _words(
    """
    acorn album anchor antler apron arch arrow atlas badge bamboo banjo barrel beacon beetle bell
    bench biscuit blade blossom bonnet boulder bracket branch bridge bronze broom brook bubble
    buckle bundle button cabin cable cactus camel candle canoe canyon carpet castle cavern cedar
    cellar chain chalk cherry chimney cinder circle cliff cloak cloud clover cobble comet compass
    copper coral cradle crater cricket crown crystal curtain cushion dagger daisy desert diamond
    dolphin donkey dragon drawer eagle easel echo elbow ember emerald engine falcon feather fence
    ferry fiddle fjord flame flask fleece flint flute fossil fountain fox gadget galaxy garland
    gate ginger glacier glove goblet goose granite grape gravel hammock harness harvest hatchet
    hazel heron hill hinge hive honey hook hornet island ivory jacket jewel jungle kettle kiln
    kite knot lagoon lantern lattice lemon lentil lever lizard locket lynx magnet mallet mantle
    maple marble mask meadow melon mitten monkey moss mountain mustard nectar needle nest nickel
    nutmeg oak oasis ocean olive onion opal orchid otter oven owl oyster paddle palette panther
    parrot pebble pelican pepper piano pigeon pillar pine planet plough pocket pond poppy prism
    pumpkin quarry quartz quilt rabbit radish raft raven reef ribbon river robin rocket rope rose
    rudder saddle saffron sandal sapphire scale scroll shadow shell shield silver sleigh snail
    spark sparrow spindle spruce squirrel stable statue steeple stone summit swan tablet tassel
    temple thimble thistle thorn thunder tiger timber topaz torch tower trellis trumpet tulip
    tunnel turnip turtle valley velvet violet walnut walrus wheel whisker whistle willow window
    wolf yarn zebra zinc
    """
)
