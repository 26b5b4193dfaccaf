"""Answers that are copied go on as their source does; without a copy nothing changes."""

from dataclasses import replace

import pytest
import torch

from foldctx.decoding import Request, Segment, decode_one, preset
from foldctx.decoding.copying import Copying
from foldctx.decoding.propose import Place, Proposer
from foldctx.errors import UsageError
from foldctx.models.info import ModelInfo
from foldctx.models.words import Words

INFO = ModelInfo("toy", "llada", window=64, vocab_size=20, mask_id=19, eos_id=18)
NOTES = ((17, 3, 4, 5, 17, 3, 6, 7),)  # two notes behind their label 17: 3 4 5 and 3 6 7


def place(*written: int, total: int = 4) -> Place:
    left = total - len(written)
    return Place(NOTES, (*written, *[None] * left), tuple(range(len(written), total)), (18,))


def proposed(at: Place, favourite: int, gain: float = 5.0) -> tuple[int, list[float]]:
    """The token proposed where the text goes on, by a model that slightly favours one."""
    rule = Copying(Proposer(), frozenset({17}), refusal=0, gain=gain)
    logits = torch.zeros(len(at.offsets), 20)
    logits[:, favourite] = 1.0
    made = rule.at(at)([logits], INFO, torch.Generator())
    return int(made.tokens[0]), made.confidence.tolist()


def test_a_copy_goes_on_with_what_follows_and_never_crosses_a_label() -> None:
    assert proposed(place(3, 4), favourite=9)[0] in (5, 18)
    assert proposed(place(3, 4), favourite=5)[0] == 5
    assert proposed(place(3), favourite=6)[0] == 6  # both notes agree with what is written
    assert proposed(place(3, 4, 5), favourite=17)[0] == 18  # the note is over
    assert proposed(place(6, 7), favourite=9)[0] == 18  # and so is the last one


def test_an_answer_begins_with_a_word_of_the_notes_or_the_refusal() -> None:
    assert proposed(place(), favourite=17)[0] != 17
    assert proposed(place(), favourite=0)[0] == 0
    assert proposed(place(), favourite=7)[0] == 7


def test_what_is_no_copy_is_left_to_the_model() -> None:
    assert proposed(place(9), favourite=11)[0] == 11
    assert proposed(place(3, 4), favourite=9, gain=0.0)[0] == 9


def test_only_the_place_where_the_text_goes_on_is_committed() -> None:
    _, confidence = proposed(place(3), favourite=6)
    assert confidence[0] > 0 and confidence[1:] == [0.0, 0.0]


class Favours:
    """A model that favours one token everywhere."""

    info = INFO

    def predict(self, feeds):  # type: ignore[no-untyped-def]
        logits = torch.zeros(20)
        logits[4] = 3.0
        return [logits.repeat(len(feed.logit_rows), 1) for feed in feeds]


def test_a_decoder_writes_the_note_from_where_the_model_points() -> None:
    decoder = preset("parallel", block_length=8)
    notes = Segment("memory", NOTES[0])
    rule = Copying(Proposer(), frozenset({17}), gain=50.0)
    request = Request("0", (Segment("question", (9, 9)), notes), 8)
    free = decode_one(Favours(), request, decoder)
    bound = decode_one(Favours(), request, replace(decoder, propose=rule))
    assert free.tokens == [4] * 8
    assert bound.text == [4, 5] and bound.finished == "eos"


# " the", " bridge", " £", "62", ",", "000", ".", " (", "old", ")" with the ids 1 to 10, label 17
WORDS = Words(starts=frozenset({1, 2, 3, 8}), marks=frozenset({5, 7, 8, 10}))
SAID = ((17, 1, 2, 3, 4, 5, 6, 7, 17, 8, 9, 10),)


def ways_on(*written: int) -> set[int]:
    rule = Copying(Proposer(), frozenset({17}), refusal=0, words=WORDS)
    at = Place(SAID, (*written, None), (len(written),), (18,))
    return {token for token in range(20) if proposed_by(rule, at, token)}


def proposed_by(rule: Copying, at: Place, token: int) -> bool:
    logits = torch.zeros(1, 20)
    logits[0, token] = 1.0
    return int(rule.at(at)([logits], INFO, torch.Generator()).tokens[0]) == token


def test_copies_are_of_whole_words_and_numbers() -> None:
    assert ways_on() == {0, 1, 2, 3, 8, 9}  # none, a word's start, or what a bracket holds
    assert ways_on(1) == {2, 18}
    assert ways_on(3) == {4} and ways_on(3, 4) == {5} and ways_on(3, 4, 5) == {6}
    assert ways_on(3, 4, 5, 6) == {7, 18} and ways_on(3, 4, 5, 6, 7) == {18}
    assert ways_on(9) == {10, 18}


def test_names_and_dates_are_copied_whole() -> None:
    # " Ask", " for", " Ada", " Low", "e", ",", " Mill", " Road", label 17
    words = Words(
        starts=frozenset({1, 2, 3, 4, 7, 8}), marks=frozenset({6}), names=frozenset({1, 3, 4, 7, 8})
    )
    source = (17, 1, 2, 3, 4, 5, 6, 7, 8)
    breaks = frozenset({17})
    assert [at for at in range(1, 9) if words.begins(source, at, breaks)] == [1, 2, 3, 7]
    assert [at for at in range(2, 10) if words.ends(source, at, breaks)] == [2, 3, 6, 7, 9]
    opening = (17, 3, 4, 5, 2)  # a capital that may only open the sentence: both may begin
    assert words.begins(opening, 2, breaks) and not words.ends(opening, 2, breaks)


def test_half_a_word_is_not_ended_however_sure_the_model_is() -> None:
    rule = Copying(Proposer(), frozenset({17}), refusal=0, words=WORDS)
    for written, ended in (((3, 4, 5), False), ((3, 4, 5, 6), True)):
        logits = torch.zeros(1, 20)
        logits[0, 18] = 8.0
        at = Place(SAID, (*written, None), (len(written),), (18,))
        made = rule.at(at)([logits], INFO, torch.Generator())
        assert (int(made.tokens[0]) == 18) is ended


def test_an_end_and_a_refusal_must_be_likelier_by_their_biases() -> None:
    for name, written, biased in (("end_bias", (1,), 18), ("refusal_bias", (), 0)):
        at = Place(SAID, (*written, None), (len(written),), (18,))
        assert proposed_by(Copying(Proposer(), frozenset({17}), refusal=0, words=WORDS), at, biased)
        rule = Copying(Proposer(), frozenset({17}), refusal=0, words=WORDS, **{name: 2.0})
        assert not proposed_by(rule, at, biased)
        with pytest.raises(UsageError, match=name):
            replace(rule, **{name: -1.0})


def list_ways_on(*written: int) -> set[int]:
    """As `ways_on`, where 12 stands between copies."""
    rule = Copying(Proposer(), frozenset({17}), refusal=0, words=WORDS, joint=12)
    at = Place(SAID, (*written, None), (len(written),), (18,))
    return {token for token in range(20) if proposed_by(rule, at, token)}


def test_a_copy_that_may_end_may_be_followed_by_another() -> None:
    assert list_ways_on() == ways_on()  # an answer never begins with a joint
    assert list_ways_on(1) == {2, 12, 18}
    assert list_ways_on(3, 4, 5) == {6}  # half a number is not followed either
    assert list_ways_on(1, 12) == {1, 2, 3, 8, 9}  # another one begins, and is no refusal
    assert list_ways_on(1, 12, 3) == {4} and list_ways_on(1, 12, 3, 4, 5, 6) == {7, 12, 18}
    assert list_ways_on(1, 12, 2, 12) == {1, 2, 3, 8, 9}


def test_a_mark_inside_a_copy_is_no_joint() -> None:
    """The comma of a number: what goes on with the number comes before all else."""
    rule = Copying(Proposer(), frozenset({17}), refusal=0, words=WORDS, joint=5)
    for written, on in (((3, 4), {5}), ((3, 4, 5), {6}), ((3, 4, 5, 6), {5, 7, 18})):
        at = Place(SAID, (*written, None), (len(written),), (18,))
        assert {token for token in range(20) if proposed_by(rule, at, token)} == on


def test_a_joint_is_as_likely_as_an_end() -> None:
    rule = Copying(Proposer(), frozenset({17}), words=WORDS, joint=12, end_bias=2.0)
    at = Place(SAID, (1, None), (1,), (18,))
    for sure, other in ((12, 18), (18, 12)):
        logits = torch.zeros(1, 20)
        logits[0, sure], logits[0, other] = 6.0, 5.0
        assert int(rule.at(at)([logits], INFO, torch.Generator()).tokens[0]) == sure
