"""What holds of every window: its size, its cost, and that nothing is left out."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldctx.errors import DocumentError, UsageError, WindowError
from foldctx.models.tokenizer import Tokenizer
from tests.folding.test_reading import ALPHA, BETA, of, run
from tests.folding.toys import Toy, document, filler, open_toy

MakeToy = Callable[..., Toy]


def test_a_window_that_is_too_small_or_too_large_is_refused(make_toy: MakeToy) -> None:
    with pytest.raises(WindowError, match="raise --window"):
        open_toy(make_toy(), ALPHA, ["Of alpha?"], window=40)
    with pytest.raises(UsageError, match="window=4096 exceeds what toy was trained for, 160"):
        open_toy(make_toy(), ALPHA, ["Of alpha?"], window=4096)


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_a_document_without_text_is_refused(make_toy: MakeToy, text: str) -> None:
    with pytest.raises(DocumentError, match="holds no text"):
        open_toy(make_toy(), text, ["Of alpha?"])


def test_every_forward_keeps_to_a_lowered_window(make_toy: MakeToy) -> None:
    toy = make_toy(window=512)
    session = open_toy(toy, filler(30) + " " + ALPHA, ["Of alpha?"], window=160, gen_length=400)
    (answer,), events = run(session)
    assert answer.text == "deep blue"
    assert max(fed for fed, _ in toy.feeds) == answer.fed_max <= 160
    assert max(high for _, high in toy.feeds) == answer.position_max < 160
    assert len(of(events, "fold", kind="span")) >= 2


@pytest.mark.parametrize("strategy", ["fold", "map", "retrieve", "truncate"])
@pytest.mark.parametrize("kind", ["pointer", "written"])
@pytest.mark.parametrize("preset", ["exact", "parallel", "elastic"])
def test_the_window_holds_and_costs_add_up(
    make_toy: MakeToy, strategy: str, kind: str, preset: str
) -> None:
    toy = make_toy()
    text = " ".join(f"{filler(3, 10 * i)} {ALPHA}{BETA}" for i in range(5))
    session = open_toy(
        toy, text, ["Of alpha?", "Of beta?"], preset, strategy=strategy, note_kind=kind
    )
    answers, events = run(session)
    windows = of(events, "window")
    assert sum(fed for fed, _ in toy.feeds) == sum(w.fields["tokens_fed"] for w in windows)
    assert sum(fed for fed, _ in toy.feeds) == pytest.approx(sum(a.tokens_fed for a in answers))
    assert max(fed for fed, _ in toy.feeds) == max(w.fields["fed_max"] for w in windows) <= 160
    assert max(at for _, at in toy.feeds) == max(w.fields["position_max"] for w in windows) < 160
    assert [answer.text for answer in answers] == ["deep blue", "1250 dollars"]


@pytest.mark.parametrize(
    ("more", "forwards"),
    [
        ({}, [2, 12]),
        ({"compat_least": 2}, [2, 12]),
        ({"compat_steps": 12}, [2, 12]),
        ({"commit": "timesteps"}, [3, 12]),
        ({"commit": "timesteps", "steps": 96}, [3, 96]),
    ],
)
def test_steps_of_an_answer_do_not_lengthen_the_reading(
    make_toy: MakeToy, more: dict[str, Any], forwards: list[int]
) -> None:
    options = {"steps": 12, **more}
    session = open_toy(
        make_toy(), filler(3) + " " + ALPHA, ["Of alpha?"], "exact", options, gen_length=24
    )
    (answer,), events = run(session)
    assert [w.fields["forwards"] for w in of(events, "window")] == forwards
    assert answer.text == "deep blue"


WORDS = [
    "alpha is red.",
    "beta",
    "\n\n",
    "# Head",
    "quiet boats.",
    "<|mdm_mask|>",
    "  ",
    "你好。",
    "x" * 40,
    "1.",
    "perhaps",
    "\u0301",
    "End!",
]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join),
    st.sampled_from(["fold", "map", "retrieve", "truncate"]),
    st.sampled_from(["pointer", "written"]),
    st.integers(8, 60),
)
def test_any_text_is_read_whole_and_inside_the_window(
    tokenizer: Tokenizer, text: str, strategy: str, kind: str, memory: int
) -> None:
    if not text.strip():
        return
    toy = Toy(tokenizer, window=120)
    session = open_toy(
        toy,
        document(text),
        ["Of alpha?", "Of beta?"],
        strategy=strategy,
        note_kind=kind,
        memory_tokens=memory,
        skip_threshold=0.9,
    )
    answers, events = run(session)
    assert len(answers) == 2
    assert max(fed for fed, _ in toy.feeds) <= 120 > max(at for _, at in toy.feeds)
    if strategy in ("fold", "map"):
        reads = of(events, "window", kind="read")
        read = {at for w in reads for at in range(w.fields["start"], w.fields["end"])}
        assert read == set(range(len(text)))
    for asked in session.asked.values():
        if strategy != "map":
            assert asked.memory.cost <= memory
        for note in asked.memory.notes:
            assert not note.verbatim or text[note.start : note.end] == note.text
