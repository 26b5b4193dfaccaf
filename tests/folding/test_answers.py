from collections.abc import Callable
from typing import Any

import pytest

import foldctx
from foldctx.errors import UsageError, WindowError
from foldctx.folding.answering import NO_NOTE, NOT_IN_NOTES
from tests.folding.test_reading import ALPHA, of, run
from tests.folding.toys import Toy, document, filler, open_toy

MakeToy = Callable[..., Toy]


def test_nothing_found_is_an_abstention_with_a_reason(make_toy: MakeToy) -> None:
    (answer,), events = run(open_toy(make_toy(), filler(20), ["Of alpha?"]))
    assert (answer.text, answer.reason, answer.confidence) == (None, NO_NOTE, None)
    assert answer.evidence == () and not answer.supported
    assert not of(events, "window", kind="answer")


def test_notes_that_do_not_answer_are_an_abstention(make_toy: MakeToy) -> None:
    (answer,), _ = run(open_toy(make_toy(), filler(3) + " Here alpha lies.", ["Of alpha?"]))
    assert (answer.text, answer.reason) == (None, NOT_IN_NOTES)
    assert answer.confidence == pytest.approx(0.95, abs=2e-3)


def test_an_unsure_answer_is_an_abstention_below_the_threshold(make_toy: MakeToy) -> None:
    text = filler(3) + " Then maybe alpha is red."
    (sure,), _ = run(open_toy(make_toy(), text, ["Of alpha?"], abstain_threshold=0.3))
    assert sure.text == "red" and sure.confidence == pytest.approx(0.4, abs=2e-3)
    (unsure,), events = run(open_toy(make_toy(), text, ["Of alpha?"], abstain_threshold=0.5))
    assert (unsure.text, unsure.reason) == (None, "confidence 0.400 is below 0.500")
    assert not of(events, "evidence")


def test_a_note_that_fits_no_memory_is_the_reason(make_toy: MakeToy) -> None:
    for strategy in ("fold", "map"):
        session = open_toy(
            make_toy(), filler(5) + " " + ALPHA, ["Of alpha?"], memory_tokens=4, strategy=strategy
        )
        (answer,), _ = run(session)
        assert answer.text is None and answer.reason is not None
        assert "do not fit in the memory" in answer.reason and "of 4 tokens" in answer.reason


def test_a_confidence_that_is_no_probability_is_none(make_toy: MakeToy) -> None:
    session = open_toy(
        make_toy(), ALPHA, ["Of alpha?"], "exact", {"remasking": "entropy"}, abstain_threshold=0.9
    )
    (answer,), _ = run(session)
    assert (answer.text, answer.confidence) == ("deep blue", None)


@pytest.mark.parametrize(
    ("asked", "whole"),
    [
        ({}, True),
        ({"fresh_answers": False}, False),
        ({"length": 16}, True),
        ({"length": 64}, True),
        ({"length": 65}, False),
        ({"cache": "none"}, True),
        ({"cache": "prefix"}, False),
        ({"cache": "dual"}, False),
        ({"cache": "dual", "fresh_answers": True}, True),
    ],
)
def test_answers_are_decoded_without_stale_keys(
    make_toy: MakeToy, asked: dict[str, Any], whole: bool
) -> None:
    """Each forward of an answer feeds all, but where it is long or its cache was asked for."""
    options = dict(asked)
    length = options.pop("length", None)
    session = open_toy(make_toy(), ALPHA, ["Of alpha?"], "elastic", options, gen_length=length)
    (answer,), events = run(session)
    assert answer.text == "deep blue"
    (window,) = of(events, "window", kind="answer")
    assert window.fields["forwards"] > 1
    fed_whole = window.fields["tokens_fed"] == window.fields["forwards"] * window.fields["fed_max"]
    assert fed_whole == whole


def test_the_least_sure_windows_are_read_again_before_abstaining(make_toy: MakeToy) -> None:
    text = f"{filler(12)} We whisper that alpha is red. Then perhaps not. {filler(12, 50)}"
    options = {"memory_tokens": 24}
    session = open_toy(make_toy(), text, ["Of alpha?", "Of beta?"], **options)
    (alpha, beta), events = run(session)
    again = of(events, "window", kind="reread")
    assert [w.fields["questions"] for w in again] == [[0], [0], [1], [1]]
    by_p = sorted(w.fields["p_none"][0] for w in of(events, "window", kind="read"))
    assert by_p[0] < 0.7
    assert text[again[0].fields["start"] : again[0].fields["end"]].count("whisper") == 1
    assert (alpha.text, beta.text) == ("red", None)
    assert alpha.evidence[0].quote == "We whisper that alpha is red."


@pytest.mark.parametrize(("least", "text"), [(0.0, "red"), (0.99, None)])
def test_a_second_reading_must_be_as_sure_as_was_measured(
    make_toy: MakeToy, least: float, text: str | None
) -> None:
    read = f"{filler(12)} We whisper that alpha is red. Then perhaps not. {filler(12, 50)}"
    options = {"memory_tokens": 24, "reread_score": least}
    session = open_toy(make_toy(), read, ["Of alpha?", "Of beta?"], **options)
    (alpha, _), events = run(session)
    again = {w.fields["index"]: w.fields["p_none"][0] for w in of(events, "window", kind="reread")}
    assert alpha.text == text
    kept = [e.fields["window"] for e in of(events, "memory") if e.fields["window"] in again]
    assert bool(kept) == (text is not None)
    assert all(1 - again[window] >= least for window in kept)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_reading_again_is_bounded(make_toy: MakeToy, count: int) -> None:
    session = open_toy(
        make_toy(), filler(30), ["Of alpha?"], reread_windows=count, skip_threshold=0.9
    )
    (answer,), events = run(session)
    again = of(events, "window", kind="reread")
    assert len(again) == count and answer.text is None
    skipped = {skip.fields["window"] for skip in of(events, "skip")}
    assert skipped and not skipped & {w.fields["index"] for w in again}
    assert answer.windows == len(of(events, "window", kind="read"))


def test_a_window_that_would_say_the_same_is_not_read_again(make_toy: MakeToy) -> None:
    _, events = run(open_toy(make_toy(), filler(30), ["Of alpha?"]))
    assert not of(events, "window", kind="reread")


def test_quotes_that_hold_the_answer_come_first_and_are_bounded(make_toy: MakeToy) -> None:
    text = (
        f"Here alpha stands alone. {filler(4)} They say alpha is red. {filler(4, 20)} "
        f"Most of alpha was red. {filler(4, 40)} And alpha is red. {filler(4, 60)}"
    )
    (answer,), _ = run(open_toy(make_toy(window=256), text, ["Of alpha?"], memory_tokens=96))
    assert answer.text == "red" and answer.supported
    assert [e.quote for e in answer.evidence] == [
        "They say alpha is red.",
        "Most of alpha was red.",
        "And alpha is red.",
    ]
    assert [e.support for e in answer.evidence] == ["contains"] * 3
    every = run(
        open_toy(make_toy(window=256), text, ["Of alpha?"], memory_tokens=96, max_quotes=9)
    )[0][0]
    assert [e.support for e in every.evidence] == ["contains"] * 3 + ["scored"]
    none = run(open_toy(make_toy(), ALPHA, ["Of alpha?"], max_quotes=0))[0][0]
    assert none.text == "deep blue" and none.evidence == ()


def test_a_quote_names_the_page_that_holds_the_answer(make_toy: MakeToy) -> None:
    head = filler(3) + " The colour of alpha is "
    text = head + "deep blue. " + filler(3, 20)
    for cut, page in ((len(head), 2), (len(head) + 10, 1), (5, 2)):
        (answer,), _ = run(open_toy(make_toy(), document(text, [cut]), ["Of alpha?"]))
        (found,) = answer.evidence
        assert found.page == page
        assert text[found.start : found.end] == found.quote == "The colour of alpha is deep blue."


def test_a_place_is_quoted_once(make_toy: MakeToy) -> None:
    # The chunks overlap by a sentence, so two windows write the same note of the same place.
    text = filler(5) + " So alpha is red. " + filler(6, 20)
    session = open_toy(make_toy(), text, ["Of alpha?"], note_kind="written")
    (answer,), _ = run(session)
    assert len({(e.start, e.end) for e in answer.evidence}) == len(answer.evidence) == 1


def test_the_later_fact_is_the_one_that_is_answered(make_toy: MakeToy) -> None:
    text = f"First alpha is red. {filler(12)} Now alpha is green. {filler(9, 50)}"
    (answer,), events = run(open_toy(make_toy(), text, ["Of alpha?"], memory_tokens=12))
    assert answer.text == "green"
    dropped = [d for m in of(events, "memory") for d in m.fields["dropped"]]
    assert [d["note"].split("-")[0] for d in dropped] == ["0"]


def test_an_answer_longer_than_the_window_is_decoded_to_its_end(make_toy: MakeToy) -> None:
    toy = make_toy()
    session = open_toy(toy, filler(8) + " " + ALPHA, ["Of alpha?"], gen_length=480)
    (answer,), events = run(session)
    assert answer.generated is not None and len(answer.generated) == 480
    spans = of(events, "fold", kind="span")
    assert len(spans) >= 3 and all(s.fields["after"] < s.fields["before"] for s in spans)
    assert answer.fed_max <= 160 > answer.position_max
    (window,) = of(events, "window", kind="answer")
    assert window.fields["tokens"]["mask"] == 480
    assert answer.text == "deep blue"
    assert {s.fields["window"] for s in spans} == {window.fields["index"]}


def test_what_cannot_be_decoded_is_refused_before_anything_is_read(make_toy: MakeToy) -> None:
    toy = make_toy()
    session = open_toy(toy, ALPHA, ["Of alpha?"], "elastic", {"near": 120}, gen_length=480)
    with pytest.raises(WindowError, match="no room for notes"):
        run(session)
    session = open_toy(toy, ALPHA, ["Of alpha?"], "exact", {"steps": 3}, gen_length=64)
    with pytest.raises(UsageError, match="steps=3"):
        run(session)
    assert toy.calls == 0


def test_special_tokens_in_a_document_are_read_answered_and_quoted(make_toy: MakeToy) -> None:
    toy = make_toy(window=512)
    special = sorted(toy.tokenizer._template.get_added_tokens_decoder().items())
    names = [token.content for _, token in special]
    assert "<|mdm_mask|>" in names and len(names) > 60
    text = " ".join(f"The token {name} stands here." for name in names)
    text += " The mask of alpha is <|mdm_mask|><|eot_id|>. The end <|s1|>."
    for kind in ("pointer", "written"):
        session = open_toy(toy, text, ["Of alpha?"], note_kind=kind, memory_tokens=80)
        tokens = [t for g in session.groups for p in g.passages for unit in p.ids for t in unit]
        assert not {id for id, _ in special} & set(tokens)
        (answer,), _ = run(session)
        assert answer.text == "<|mdm_mask|><|eot_id|>"
        assert answer.evidence[0].quote == "The mask of alpha is <|mdm_mask|><|eot_id|>."
        assert answer.evidence[0].match == "exact"


def test_the_front_door_answers_and_refuses_unknown_options(make_toy: MakeToy) -> None:
    (answer,) = foldctx.answer(make_toy(), document(ALPHA), "Of alpha?", memory_tokens=32)
    assert answer.text == "deep blue"
    with pytest.raises(UsageError, match="no option 'memory'; there are .*memory_tokens"):
        foldctx.answer(make_toy(), "missing.txt", "Of alpha?", memory=3)
    with pytest.raises(UsageError, match="no question"):
        foldctx.answer(make_toy(), document(ALPHA), [])
    null = make_toy(calibration={"skip_threshold": None, "abstain_threshold": None, "other": 1})
    assert foldctx.answer(null, document(ALPHA), ["Of alpha?"])[0].text == "deep blue"
