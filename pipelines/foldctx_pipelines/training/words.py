"""Words that the makers of values draw from, in a fixed order: a seed's batches depend on it.

White space separates the words of a list; a hyphen in `LISTS` stands for a space.
"""


def _words(text: str) -> list[str]:
    return text.split()


FIRST = _words(
    """
    Anna Ben Clara Daniel Elena Felix Greta Hugo Iris Jonas Karin Leo Mara Nils Olga Pavel Rosa
    Simon Tessa Ugo Vera Walter Xenia Yusuf Zoe Amir Beatrice Carlos Dora Edgar Fatima Gordon
    Helen Ivan Julia Kenji Laura Martin Nadia Oscar Paula Quentin Ruth Stefan Tanya Ursula
    Victor Wendy Alan Brigid Cyril Daphne Emil Flora Gilbert Hanna Isaac Joan Klaus Lydia Miriam
    Noel Otto Priya Rafael Sonia Tomas Una Vincent Wilma Arthur Bella Conrad Diana Ernest Frida
    George Hilda Ingrid James Kate Louis Mabel Norman Olive Peter Rachel Samuel Thelma Umar
    Viola William Agnes Bruno Cecil Dolores Enid
    """
)
LAST = _words(
    """
    Abbott Barlow Castellan Drummond Eriksen Fairweather Gallagher Hartmann Iversen Jankowski
    Keller Lindqvist Moretti Nakamura Okafor Petrov Quigley Rossi Schneider Thornton Underhill
    Vasquez Whitaker Yamada Zeller Ashby Bergman Calloway Dubois Ellison Fischer Grant Holloway
    Ibrahim Jensen Kowalski Larsen Mendoza Novak Osborne Pereira Rahman Santos Tanaka Usher
    Vogel Winslow Young Zhang Armitage Bianchi Carver Delgado Engel Ferrante Gupta Hughes
    Isaksen Joshi Klein Lambert Mbeki Norris Olsen Price Reyes Singh Turner Ulrich Varga Walsh
    Archer Booth Cohen Dalton Evans Foster Greene
    """
)
START = _words(
    """
    Al Ar Bar Bel Bran Cal Cor Dal Dor El Fal Far Gal Glen Har Hol Is Kel Kor Lan Lor Mar Mel
    Mor Nor Or Pel Quor Ral Ros Sal Sel Tal Tor Ul Var Vel Wen Win Yar Zel
    """
)
MIDDLE = _words(
    """
    a e i o u an ar en er il in on or un la le mi na ra ri ta ve
    """
)
END = _words(
    """
    bury by dale den field ford ham holm land ley mere mont more ness port ridge stead stone ton
    vale ville wick wold worth
    """
)
TAIL = _words(
    """
    ak an ard as en er ett ic in is kin low man mar nard nen o off on ov rick ris sen sky son us
    vald well wyn
    """
)
TITLES = _words(
    """
    Judge Inspector Sergeant Councillor Canon Sister Father Sir Dame Lady Lord Alderman Colonel
    Major Lieutenant Superintendent Nurse Chef Provost Archdeacon Commissioner Cllr Justice Rabbi
    """
)
ROMAN = _words("I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX")
ORDINALS = _words(
    """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh
    """
)
COUNTRIES = _words(
    """
    Argentina Austria Belgium Bolivia Brazil Canada Chile Croatia Denmark Ecuador Egypt Estonia
    Finland France Georgia Germany Ghana Greece Hungary Iceland India Indonesia Ireland Italy
    Japan Jordan Kenya Latvia Lithuania Malta Mexico Morocco Nepal Norway Peru Poland Portugal
    Romania Scotland Senegal Serbia Slovakia Slovenia Spain Sweden Switzerland Tunisia Turkey
    Ukraine Uruguay Vietnam Wales
    """
)
MONTHS = _words(
    """
    January February March April May June July August September October November December
    """
)
DAYS = _words(
    """
    Monday Tuesday Wednesday Thursday Friday Saturday Sunday
    """
)
NUMBER_WORDS = _words(
    """
    two three four five six seven eight nine ten eleven twelve fourteen fifteen sixteen eighteen
    twenty thirty forty sixty ninety
    """
)
ORG_TAILS = _words(
    """
    Ltd Group Trust Partners Holdings Works Brothers Associates Foundation Institute Society
    Logistics Engineering Foods Energy Textiles Systems Supplies Consulting Press Motors Mills
    Bank
    """
)
SHIPS = _words(
    """
    Northern Silver Crimson Morning Western Quiet Bold Lady Royal Little Golden Grey
    """
)
SHIP_TAILS = _words(
    """
    Star Gull Tern Arrow Maiden Spirit Harbour Lantern Rose Wave Petrel Venture Anchor Swan
    """
)
LISTS = {
    "colour": _words(
        """
        red blue green yellow black white grey brown orange purple pink crimson navy teal ivory
        olive maroon turquoise amber silver
        """
    ),
    "animal": _words(
        """
        otter heron badger fox kestrel hedgehog salmon beaver owl hare stoat lynx seal goat mule
        falcon newt adder bat wren deer crane toad boar swan
        """
    ),
    "plant": _words(
        """
        willow fern ivy heather oak juniper clover nettle primrose birch sedge thyme lavender
        gorse alder bramble hazel foxglove yarrow mint
        """
    ),
    "food": _words(
        """
        lentils rye-bread smoked-trout plum-jam goat-cheese barley-soup honey-cake oat-biscuits
        roast-lamb apple-cider mushroom-pie
        """
    ),
    "material": _words(
        """
        oak steel copper brass granite glass canvas leather linen slate cedar aluminium marble
        clay wool silk cork bronze concrete bamboo
        """
    ),
    "tool": _words(
        """
        chisel drill hammer lathe plane spade torch wrench saw file clamp trowel sickle anvil
        ladder winch pulley crowbar rake mallet
        """
    ),
    "job": _words(
        """
        accountant architect baker carpenter chemist clerk curator driver editor electrician
        engineer farmer gardener geologist inspector librarian mason nurse painter pilot plumber
        surgeon surveyor tailor teacher translator welder
        """
    ),
    "subject_of_study": _words(
        """
        algebra anatomy botany chemistry economics geology history law linguistics mechanics
        medicine music optics philosophy physics statistics theology zoology
        """
    ),
    "vehicle": _words(
        """
        bus cargo-bike ferry lorry minibus tractor tram van motorcycle forklift ambulance
        bulldozer trailer pickup caravan
        """
    ),
    "room": _words(
        """
        attic ballroom basement boardroom cellar conservatory foyer gallery kitchen laboratory
        library lounge pantry studio workshop vestry
        """
    ),
    "language": _words(
        """
        Arabic Basque Czech Danish Dutch Finnish French German Greek Hindi Hungarian Italian
        Japanese Latin Norwegian Persian Polish Portuguese Russian Spanish Swahili Tamil Turkish
        Welsh
        """
    ),
    "instrument": _words(
        """
        accordion banjo bassoon cello clarinet cornet drum fiddle flute guitar harp horn lute
        mandolin oboe organ piano saxophone trombone trumpet tuba viola violin zither
        """
    ),
}
"""Words of dates."""
STOP = frozenset(
    _words(
        """
        a about after again against all also an and any are as at be because been before being
        between both but by can could did do does during each ever every few for from had has
        have he her here him himself his how i if in into is it its itself just like made many
        may me might more most much must my never no nor not now of off on once one only or
        other our out over own said same shall she should since so some such than that the their
        them then there these they this those though through thus to too under unless until up
        upon very was we well were what when where which while who whom whose why will with
        without would yet you your
        """
    )
)
"""Words that carry no meaning of their own."""
