from collections.abc import Callable

import pytest

from foldctx.errors import UsageError
from foldctx.folding.answering import Answer, answer_session
from foldctx.folding.happened import Happened
from foldctx.folding.session import Session
from tests.folding.toys import Toy, filler, open_toy

MakeToy = Callable[..., Toy]
ALPHA, BETA = "The colour of alpha is deep blue. ", "The price of beta is 1250 dollars. "


def run(session: Session) -> tuple[list[Answer], list[Happened]]:
    events = list(answer_session(session))
    answers = [event for event in events if isinstance(event, Answer)]
    return answers, [event for event in events if isinstance(event, Happened)]


def of(events: list[Happened], name: str, **fields: object) -> list[Happened]:
    return [
        e
        for e in events
        if e.event == name and all(e.fields[key] == value for key, value in fields.items())
    ]


def test_pointer_notes_are_the_sentences_verbatim(make_toy: MakeToy) -> None:
    text = filler(9) + " The  colour of alpha is deep   blue. " + filler(9, 50)
    session = open_toy(make_toy(), text, ["What has alpha?"])
    (answer,), events = run(session)
    (note,) = session.asked[0].memory.notes
    assert text[note.start : note.end] == note.text
    assert note.text.strip() == "The  colour of alpha is deep   blue."
    assert note.verbatim and note.score > 0.9
    (memory,) = of(events, "memory")
    assert memory.fields["added"] == [f"{note.start}-{note.end}"]
    assert answer.evidence[0].quote == note.text.strip()
    assert answer.text == "deep blue"


def test_a_chunk_is_folded_into_its_notes(make_toy: MakeToy) -> None:
    toy = make_toy()
    session = open_toy(toy, f"{filler(1)} {ALPHA}{filler(1, 5)}", ["What has alpha?"])
    _, events = run(session)
    (window,), (fold,) = of(events, "window", kind="read"), of(events, "fold", kind="chunk")
    ids = toy.prompts.text_ids([ALPHA])[0]
    assert fold.fields["before"] == window.fields["tokens"]["chunk"]
    assert fold.fields["after"] == len(ids)
    ((start, end),) = fold.fields["kept"]
    task = session.task(
        "read",
        session.groups[0].questions,
        session.groups[0].passages[0],
        session.groups[0].layout,
        carry=False,
    )
    (chunk,) = (s.tokens for s in session.reader.prompt(task) if s.kind == "chunk")
    assert chunk[start:end] == ids


def test_written_notes_are_evidence_only_where_the_text_has_them(make_toy: MakeToy) -> None:
    copied = open_toy(make_toy(), filler(9) + " " + ALPHA, ["What has alpha?"], note_kind="written")
    (answer,), _ = run(copied)
    (note,) = copied.asked[0].memory.notes
    assert not note.verbatim and note.text == ALPHA.strip()
    assert answer.text == "deep blue"
    assert [e.quote for e in answer.evidence] == [ALPHA.strip()]

    other = "One may rephrase that alpha is lovely. "
    said = open_toy(make_toy(), filler(9) + " " + other, ["What of alpha?"], note_kind="written")
    (answer,), _ = run(said)
    assert [n.text for n in said.asked[0].memory.notes] == ["it says so of alpha"]
    assert answer.evidence == ()


def test_a_written_note_is_never_longer_than_its_chunk(make_toy: MakeToy) -> None:
    session = open_toy(make_toy(), "x &", ["x"], note_kind="written")
    _, events = run(session)
    (fold,) = of(events, "fold", kind="chunk")
    (note,) = session.asked[0].memory.notes
    assert len(note.ids) == fold.fields["after"] <= fold.fields["before"]
    assert note.text != "it says so of x" and "it says so of x".startswith(note.text)


def test_a_window_at_the_threshold_costs_one_forward(make_toy: MakeToy) -> None:
    session = open_toy(
        make_toy(), filler(30) + " " + ALPHA, ["What has alpha?"], skip_threshold=0.9
    )
    (answer,), events = run(session)
    skips = of(events, "skip")
    assert len(skips) == answer.skipped == answer.windows - 1 > 2
    for skip in skips:
        (window,) = of(events, "window", index=skip.fields["window"])
        assert window.fields["forwards"] == 1
        assert window.fields["p_none"] == skip.fields["p_none"] == [pytest.approx(0.95, abs=1e-6)]
        assert not of(events, "fold", window=skip.fields["window"])
    every = of(events, "window", kind="read")
    assert all(len(window.fields["p_none"]) == 1 for window in every)


@pytest.mark.parametrize("threshold", [None, 1.0, 5.0, 0.96])
def test_without_a_threshold_that_is_reached_nothing_is_skipped(
    make_toy: MakeToy, threshold: float | None
) -> None:
    session = open_toy(make_toy(), filler(20), ["What has alpha?"], skip_threshold=threshold)
    (answer,), events = run(session)
    assert answer.skipped == 0 and not of(events, "skip")
    assert answer.text is None


def test_questions_share_windows_and_keep_their_notes_apart(make_toy: MakeToy) -> None:
    names = ["alpha", "beta", "gamma", "delta"]
    text = " ".join(
        f"{filler(12, 100 * i)} Note that {n} is {n[0]}{i}." for i, n in enumerate(names)
    )
    toy = make_toy(window=256)
    session = open_toy(toy, text, [f"What is {n}?" for n in names])
    assert [len(group.questions) for group in session.groups] == [4]
    answers, events = run(session)
    assert [answer.text for answer in answers] == ["a0", "b1", "g2", "d3"]
    for number, name in enumerate(names):
        assert [name in n.text for n in session.asked[number].memory.notes] == [True]
    windows = of(events, "window")
    for total in ("forwards", "tokens_fed"):
        assert sum(getattr(a, total) for a in answers) == pytest.approx(
            sum(w.fields[total] for w in windows)
        )
    reads = [w for w in windows if w.fields["kind"] == "read"]
    assert all(w.fields["questions"] == [0, 1, 2, 3] for w in reads)
    alone = run(open_toy(make_toy(window=256), text, ["What is alpha?"]))[0][0]
    assert sum(a.tokens_fed for a in answers) < 2 * alone.tokens_fed


@pytest.mark.parametrize("count", [1, 2, 8, 9, 17])
def test_more_than_eight_questions_are_read_in_groups(make_toy: MakeToy, count: int) -> None:
    questions = [f"What is x{i}?" for i in range(count)]
    text = f"{filler(4)} We know that x{count - 1} is green. {filler(8, 50)}"
    session = open_toy(make_toy(window=512), text, questions)
    assert [len(g.questions) for g in session.groups] == [8] * (count // 8) + (
        [count % 8] if count % 8 else []
    )
    answers, _ = run(session)
    assert [a.text for a in answers] == [None] * (count - 1) + ["green"]


def test_a_repeated_question_is_answered_each_time(make_toy: MakeToy) -> None:
    answers, _ = run(open_toy(make_toy(), filler(5) + " " + ALPHA, ["Of alpha?", "Of alpha?"]))
    assert [a.text for a in answers] == ["deep blue"] * 2


@pytest.mark.parametrize("texts", [[], [""], ["Of alpha?", " \n"]])
def test_no_question_is_refused(make_toy: MakeToy, texts: list[str]) -> None:
    with pytest.raises(UsageError, match="question"):
        open_toy(make_toy(), filler(2), texts)


def test_a_long_question_is_refused_or_cut_and_that_is_told(make_toy: MakeToy) -> None:
    long = "Considering " + filler(20) + " what is said of alpha?"
    with pytest.raises(UsageError, match="a quarter of the window is 40; shorten it"):
        open_toy(make_toy(), ALPHA, [long])
    session = open_toy(make_toy(), filler(9) + " " + ALPHA, [long], question_policy="cut")
    assert len(session.questions[0].ids) == 40
    (answer,), events = run(session)
    (opened,) = of(events, "document")
    assert "its middle was cut" in opened.fields["warnings"][0]
    assert answer.question == long and answer.text == "deep blue"
