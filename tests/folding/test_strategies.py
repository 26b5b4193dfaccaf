from collections.abc import Callable
from statistics import mean

import pytest

from foldctx.folding.planning import plan_session
from foldctx.folding.strategies import rank_windows, windows_of
from tests.folding.test_reading import ALPHA, BETA, of, run
from tests.folding.toys import Toy, filler, open_toy

MakeToy = Callable[..., Toy]


def facts(count: int, gap: int = 2) -> str:
    """One sentence about alpha in each stretch; the last says what it is."""
    rows = [f"Of alpha they say thing {i}. {filler(gap, 10 * i)}" for i in range(count)]
    return " ".join([*rows, "In the end alpha is red."])


def test_fold_carries_the_memory_and_map_does_not(make_toy: MakeToy) -> None:
    for strategy in ("fold", "map"):
        session = open_toy(make_toy(), ALPHA + filler(15), ["Of alpha?"], strategy=strategy)
        _, events = run(session)
        carried = [w.fields["tokens"]["memory"] for w in of(events, "window", kind="read")]
        assert carried[0] == 0 and len(carried) > 2
        (note,) = session.asked[0].memory.notes
        size = len(note.ids) + 1 if strategy == "fold" else 0
        assert carried[1:] == [size] * (len(carried) - 1)


def test_map_equals_itself_for_any_number_of_rows(make_toy: MakeToy) -> None:
    text = facts(9)
    first = None
    for rows in (1, 2, 3, 50):
        toy = make_toy()
        answers, events = run(
            open_toy(
                toy, text, ["Of alpha?", "Of beta?"], strategy="map", rows=rows, memory_tokens=200
            )
        )
        first = first or (answers, events)
        assert (answers, events) == first
        assert rows == 1 or toy.calls < len(toy.feeds)
    assert first is not None and first[0][0].text == "red"


@pytest.mark.parametrize("memory", [18, 30, 60])
def test_the_tree_of_map_shrinks_and_ends(make_toy: MakeToy, memory: int) -> None:
    session = open_toy(
        make_toy(window=128),
        facts(24),
        ["Of alpha?"],
        strategy="map",
        memory_tokens=memory,
        skip_threshold=0.9,
    )
    (answer,), events = run(session)
    held = session.asked[0].memory
    assert 0 < held.cost <= memory
    condensed = of(events, "window", kind="condense")
    assert condensed and not [
        s for s in of(events, "skip") for w in condensed if s.fields["window"] == w.fields["index"]
    ]
    changes = [m.fields for m in of(events, "memory") if m.fields["window"] is None]
    assert changes and all(c["dropped"] and not c["added"] for c in changes)
    sizes = [len(c["kept"]) for c in changes]
    assert sizes == sorted(sizes, reverse=True)
    assert answer.windows == len(of(events, "window", kind="read"))


def test_a_condensing_window_claims_no_stretch_it_did_not_read(make_toy: MakeToy) -> None:
    session = open_toy(make_toy(), facts(12), ["Of alpha?"], strategy="map", memory_tokens=16)
    _, events = run(session)
    condensed = of(events, "window", kind="condense")
    assert condensed and all(w.fields["start"] is None is w.fields["end"] for w in condensed)
    assert all(w.fields["pages"] == [1] for w in condensed)


def test_retrieve_reads_only_the_windows_that_rank_first(make_toy: MakeToy) -> None:
    text = f"{filler(30)} {ALPHA} {filler(30, 50)} {BETA} {filler(20, 90)}"
    options = {"strategy": "retrieve", "retrieve_windows": 1, "reread_windows": 0}
    session = open_toy(make_toy(), text, ["Of alpha?"], **options)
    (answer,), events = run(session)
    (read,) = of(events, "window", kind="read")
    assert ALPHA.strip() in text[read.fields["start"] : read.fields["end"]]
    assert answer.text == "deep blue" and answer.windows == 1
    answers, events = run(open_toy(make_toy(), text, ["Of alpha?", "Of beta?"], **options))
    assert len(of(events, "window", kind="read")) == 2
    assert [a.text for a in answers] == ["deep blue", "1250 dollars"]


@pytest.mark.parametrize(
    ("texts", "questions", "count", "chosen"),
    [
        (["a b", "the alpha", "c d"], ["Alpha?"], 1, [1]),
        (["a b", "the alpha", "c d"], ["Alpha?"], 9, [0, 1, 2]),
        (["a b", "x", "c d"], ["??"], 2, [0, 1]),
        (["a b", "x", "c d"], ["unknown words"], 1, [0]),
        (["", "--"], ["alpha"], 1, [0]),
        (["你好世界", "再见朋友"], ["朋友?"], 1, [1]),
        (["one alpha", "two beta", "three"], ["alpha", "beta"], 1, [0, 1]),
    ],
)
def test_ranking(texts: list[str], questions: list[str], count: int, chosen: list[int]) -> None:
    assert rank_windows(texts, questions, count) == chosen


def test_truncate_reads_one_window_of_head_and_tail(make_toy: MakeToy) -> None:
    text = f"{ALPHA}{filler(40)} So gamma is grey. {filler(40, 50)} {BETA}"
    session = open_toy(
        make_toy(), text, ["Of alpha?", "Of gamma?", "Of beta?"], strategy="truncate"
    )
    (passage,) = windows_of(session, session.groups[0])
    (_, head), (tail, end) = passage.stretches
    assert passage.start == 0 and end == len(text)
    size = sum(len(ids) + 1 for ids in passage.ids)
    chunk = session.groups[0].layout.chunk
    assert chunk - 25 < size <= chunk
    assert min(head, len(text) - tail) > 0.5 * max(head, len(text) - tail)
    answers, events = run(session)
    reads = of(events, "window", kind="read")
    assert [(w.fields["start"], w.fields["end"]) for w in reads] == [(None, None)]
    assert [a.text for a in answers] == ["deep blue", None, "1250 dollars"]


def test_truncate_quotes_nothing_that_it_did_not_read(make_toy: MakeToy) -> None:
    text = f"{filler(30)} So beta is grey. {filler(30, 50)} They rephrase that it says so of beta."
    session = open_toy(make_toy(), text, ["Of beta?"], strategy="truncate", note_kind="written")
    (passage,) = windows_of(session, session.groups[0])
    (answer,), _ = run(session)
    assert all(
        any(start <= e.start < e.end <= end for start, end in passage.stretches)
        for e in answer.evidence
    )


@pytest.mark.parametrize("strategy", ["fold", "map", "retrieve", "truncate"])
@pytest.mark.parametrize("text", ["Of alpha: alpha is red.", "alpha", "x", ALPHA * 2])
def test_a_short_document_is_one_window(make_toy: MakeToy, strategy: str, text: str) -> None:
    session = open_toy(make_toy(), text, ["Of alpha?"], strategy=strategy)
    (answer,), events = run(session)
    (window,) = of(events, "window", kind="read")
    assert (window.fields["start"], window.fields["end"]) == (0, len(text))
    assert answer.document_tokens > 0
    plan = plan_session(session)
    assert plan.windows == answer.windows == 1


PLANS = [
    (strategy, preset, kind)
    for strategy in ("fold", "map", "retrieve", "truncate")
    for preset in ("elastic", "exact")
    for kind in ("pointer", "written")
]


@pytest.mark.parametrize(("strategy", "preset", "kind"), PLANS)
@pytest.mark.parametrize("found", [False, True])
def test_the_plan_bounds_what_happens(
    make_toy: MakeToy, strategy: str, preset: str, kind: str, found: bool
) -> None:
    text = facts(12) if found else filler(40)
    toy = make_toy()
    for options in ({}, {"skip_threshold": 0.9, "gen_length": 240}):
        session = open_toy(
            toy,
            text,
            ["Of alpha?", "Of beta?"],
            preset,
            strategy=strategy,
            note_kind=kind,
            **options,
        )
        plan = plan_session(session)
        toy.feeds.clear()
        answers, events = run(session)
        passes = sum(fed for fed, _ in toy.feeds) / session.document_tokens
        assert plan.passes_low <= passes <= plan.passes_high
        assert plan.passes_low <= plan.passes <= plan.passes_high
        assert max(fed for fed, _ in toy.feeds) <= plan.fed_max <= 160
        reads = of(events, "window", kind="read")
        assert len(reads) == plan.windows
        assert plan.document_tokens == answers[0].document_tokens


@pytest.mark.parametrize("strategy", ["fold", "map"])
@pytest.mark.parametrize("skip", [None, 0.9])
def test_the_plan_meets_what_happens_when_its_shares_are_right(
    make_toy: MakeToy, strategy: str, skip: float | None
) -> None:
    text = " ".join(f"{filler(15, 20 * i)} {ALPHA}" for i in range(8)) + filler(60, 300)
    options = {"strategy": strategy, "skip_threshold": skip}
    _, events = run(open_toy(make_toy(), text, ["Of alpha?"], **options))
    session = open_toy(make_toy(), text, ["Of alpha?"], **options)
    reads = [w.fields for w in of(events, "window", kind="read")]
    read = [w for w in reads if skip is None or min(w["p_none"]) < skip]
    room = session.groups[0].layout.memory
    session = open_toy(
        make_toy(),
        text,
        ["Of alpha?"],
        memory_fill=sum(w["tokens"]["memory"] for w in reads) / len(reads) / room,
        hit_share=len(read) / len(reads),
        read_forwards=mean(w["forwards"] for w in read),
        answer_forwards=of(events, "window", kind="answer")[-1].fields["forwards"],
        **options,
    )
    fed = sum(w.fields["tokens_fed"] for w in of(events, "window"))
    assert plan_session(session).passes == pytest.approx(fed / session.document_tokens, rel=0.05)
