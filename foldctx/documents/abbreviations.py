"""Words that decide whether a full stop ends a sentence (English, with the commonest others)."""


def _words(line: str) -> frozenset[str]:
    return frozenset(line.split())


# Nothing ends after these: a name or a number follows.
PREFIXES = _words(
    "dr mr mrs ms mx prof st mt gen col capt cpt lt sgt maj cmdr adm rev hon sen rep gov pres "
    "messrs mme mlle fr hr dipl ing vs v e.g eg i.e ie cf viz ca approx resp z.b d.h u.a s.o bzw "
    "evtl ggf fig figs eq eqs eqn vol vols sec sect ch chap art nr abs pp p para ref refs tab "
    "ed eds trans bd hrsg"
)

# A sentence may end after these; whether it does shows in the word that follows.
PERHAPS = _words(
    "etc usw inc ltd llc plc co corp bros jr sr al ph.d m.d b.a m.a d.c a.m p.m jan feb mar apr "
    "jun jul aug sep sept oct nov dec est dept div ave blvd rd ste apt tel ext min max avg univ "
    "assn gmbh"
)

# "No. 5" goes on, "No. He left." does not.
NUMBERED = _words("no nos")

# Words that begin sentences and seldom a name, so that "etc. The" and "U.S. The" end one.
STARTERS = _words(
    "the a an this that these those it its he she they we i you his her their our my there here "
    "in on at as after before but and or however if when while what who why how for to from with "
    "by no not all some many most one two since although because so then thus yet "
    "der die das ein eine es er sie wir ich le la les un une il elle el los las en"
)
