"""Sentences that look like answers share a word with the question, and do not answer it."""

import random
from collections import Counter

from foldctx_pipelines.training.facts import Bank, Fact, Relation
from foldctx_pipelines.training.lookalikes import Lookalikes, stems
from foldctx_pipelines.training.prose import Prose
from foldctx_pipelines.training.sources import draw_fact

COST = Relation("cost", "{town}", ("The bridge at {town} cost {money}.",), (), "{money}", {})
COLOUR = Relation("colour", "{town}", ("The bridges are {colour}.",), (), "{colour}", {})


def asked(question: str, answer: str = "12 pounds", relation: str = "cost") -> Fact:
    return Fact(relation, "", "", question, answer, "", "")


def test_a_lookalike_shares_a_word_and_is_of_another_relation() -> None:
    prose = Prose((("Bridge tolls were 12 pounds.", "No bridge stood there.", "It rained."),))
    alike = Lookalikes(Bank((COST, COLOUR), ()), prose)
    drawn = {alike.draw(random.Random(i), asked("What did the bridge cost?")) for i in range(60)}
    assert "No bridge stood there." in drawn and "It rained." not in drawn
    assert not any("12 pounds" in text or "cost" in text for text in drawn if text)


def test_endings_and_small_words_make_no_difference() -> None:
    assert stems("The Pensions of a pension and what it was") == ["pensio"]
    prose = Prose((("What was it about, and where?", "His pension is small."),))
    alike = Lookalikes(Bank((), ()), prose)
    assert alike.draw(random.Random(0), asked("Which pensions?")) == "His pension is small."
    assert alike.draw(random.Random(0), asked("What was it about?")) is None


def test_a_rare_word_is_shared_more_often_than_its_share() -> None:
    rows = [f"The garden has number {i}." for i in range(99)]
    prose = Prose((("A sundial is broken.", *rows),))
    alike = Lookalikes(Bank((), ()), prose)
    rng = random.Random(0)
    drawn = Counter(alike.draw(rng, asked("Is there a sundial in the garden?")) for _ in range(200))
    assert drawn["A sundial is broken."] > 120


def test_real_questions_have_lookalikes_of_their_own_split(ground) -> None:
    rng = random.Random(0)
    facts = [draw_fact(rng, ground.held_out) for _ in range(60)]
    drawn = [ground.held_out.lookalikes.draw(rng, fact) for fact in facts]
    assert sum(text is not None for text in drawn) > 30
    assert ground.held_out.lookalikes.bank is ground.held_out.bank
