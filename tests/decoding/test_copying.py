"""Answers that are copied go on as their source does; without a copy nothing changes."""

from dataclasses import replace

import torch

from foldctx.decoding import Request, Segment, decode_one, preset
from foldctx.decoding.copying import Copying
from foldctx.decoding.propose import Place, Proposer
from foldctx.models.info import ModelInfo

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
