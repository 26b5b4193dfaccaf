"""Questions of many documents at once: the same records as one by one, whatever fails."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from foldctx.decoding import preset
from foldctx.folding import session as folding_session
from foldctx.folding.config import FoldConfig
from foldctx.models.forward import Feed
from foldctx.models.load import load_model
from foldctx.models.tokenizer import Tokenizer
from foldctx.records import validate
from foldctx.trace import TraceWriter
from foldctx_pipelines.answer import Record, answer_jobs
from foldctx_pipelines.batch import Committed, Cost, Finished, Row, Started, Summary, Warned, run
from foldctx_pipelines.batch.asks import Ask
from foldctx_pipelines.batch.documents import DocumentWork
from foldctx_pipelines.batch.together import Broke, read_together
from foldctx_pipelines.jobs import Job
from tests.folding.toys import Toy, filler, make_tokenizer

MakeWork = Callable[..., DocumentWork]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


class Packing(Toy):
    """A toy that remembers how many feeds shared each forward, and fails on a word."""

    packs: list[int]
    poison: str = ""

    def predict(self, feeds: Sequence[Feed]) -> list[Any]:
        self.packs = [*getattr(self, "packs", []), len(feeds)]
        for feed in feeds:
            if self.poison and self.poison in self._spelled(feed.tokens.tolist()):
                raise RuntimeError("out of memory")
        return super().predict(feeds)


@pytest.fixture
def make_work(tokenizer: Tokenizer) -> MakeWork:
    def make(poison: str = "", **options: Any) -> DocumentWork:
        toy = Packing(tokenizer, calibration={"memory_tokens": 48})
        toy.poison = poison
        return DocumentWork(toy, FoldConfig(**options), preset("elastic"))  # type: ignore[arg-type]

    return make


def text_of(i: int) -> str:
    said = [f"The colour of alpha is deep blue number {i}."] if i % 3 else []
    return " ".join([filler(i % 5, i), *said, filler(3 + i % 7, 50 + i), "The price of beta is 3."])


def rows_of(count: int, questions: Sequence[str] = ("Of alpha?",)) -> list[Row]:
    return [
        Row(f"{i}:{k}", Ask(f"doc {i}", q, text_of(i)), key=f"doc {i}", root=str(i), size=i)
        for i in range(count)
        for k, q in enumerate(questions)
    ]


def records(events: Iterator[object]) -> dict[str, Any]:
    found = [r for event in events if isinstance(event, Finished) for r in event.records]
    assert len(found) == len({record["id"] for record in found})
    return {record["id"]: record for record in found}


@pytest.mark.parametrize("strategy", ["fold", "map"])
def test_records_are_the_same_however_many_are_read_together(
    make_work: MakeWork, strategy: str
) -> None:
    rows = rows_of(7, ("Of alpha?", "Of beta?"))
    alone = {
        id: record
        for i in range(0, len(rows), 2)
        for id, record in records(make_work(strategy=strategy, rows=1)([rows[i : i + 2]])).items()
    }
    for many, order in ((3, rows), (8, rows[::-1])):
        work = make_work(strategy=strategy, rows=many)
        found = records(work([order[:6], order[6:]]))
        assert max(work.model.packs) > 1  # type: ignore[attr-defined]
        assert max(work.model.packs) <= many  # type: ignore[attr-defined]
        assert {k: v["canonical_sha256"] for k, v in found.items()} == {
            k: v["canonical_sha256"] for k, v in alone.items()
        }
    assert alone["1:0"]["answer"] == "deep blue number 1" and alone["0:0"]["answer"] is None


def test_the_embedded_reader_gives_the_same_bits_in_any_company() -> None:
    model = load_model("embedded", device="cpu")
    texts = [f"{filler(n)} The night porter is Ada Vale. {filler(2, n)}" for n in (1, 9, 2, 17, 4)]
    rows = [Row(str(i), Ask(f"d{i}", "Who is the night porter?", t)) for i, t in enumerate(texts)]
    hashes = []
    for many in (1, 5):
        work = DocumentWork(model, FoldConfig(rows=many), preset("elastic"))
        hashes.append(
            {k: (v["canonical_sha256"], v["confidence"]) for k, v in records(work([rows])).items()}
        )
    assert hashes[0] == hashes[1]


def test_a_batch_gives_the_records_of_answer(make_work: MakeWork, tmp_path: Path) -> None:
    """All but the id, which the row brings along."""
    path = tmp_path / "a.txt"
    path.write_text(text_of(4))
    work = make_work()
    with TraceWriter(None, "run") as trace:
        events = list(
            answer_jobs(
                [Job(str(path), ("Of alpha?",))],
                work.model,
                config=FoldConfig(),
                decoder=preset("elastic"),
                trace=trace,
            )
        )
    (one,) = (event.value for event in events if isinstance(event, Record))
    row = Row(one["id"], Ask(str(path), "Of alpha?"), key=str(path))
    found = records(make_work()([[row]]))[one["id"]]
    validate(found)
    assert found["canonical_sha256"] == one["canonical_sha256"]


def test_a_document_with_many_questions_is_read_and_cut_once(
    make_work: MakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[str] = []
    whole = folding_session.chunk_document

    def counting(document: Any, **more: Any) -> Any:
        cut.append(document.source)
        return whole(document, **more)

    monkeypatch.setattr(folding_session, "chunk_document", counting)
    rows = rows_of(3, ("Of alpha?", "Of beta?"))
    found = records(make_work()([rows[::2] + rows[1::2]]))  # not even neighbours
    assert sorted(cut) == ["doc 0", "doc 1", "doc 2"] and len(found) == 6
    assert found["1:0"]["usage"]["windows"] == found["1:1"]["usage"]["windows"]


def test_the_same_question_under_two_ids_is_asked_once(make_work: MakeWork) -> None:
    ask = Ask("d", "Of beta?", text_of(2))
    found = records(make_work()([[Row("a", ask, key="d"), Row("b", ask, key="d")]]))
    assert found["a"]["answer"] == found["b"]["answer"] == "3"


def test_bad_documents_and_questions_stop_nothing(make_work: MakeWork, tmp_path: Path) -> None:
    (tmp_path / "cut.pdf").write_bytes(b"%PDF-1.4 cut off")
    rows = [
        Row("pdf", Ask(str(tmp_path / "cut.pdf"), "Of beta?")),
        Row("gone", Ask("gone.txt", "Of beta?")),
        Row("empty", Ask("e", "Of beta?", " ")),
        Row("long", Ask("d", filler(30) + "?", text_of(1)), key="d"),
        Row("good", Ask("d", "Of beta?", text_of(1)), key="d"),
    ]
    found = records(make_work()([rows]))
    assert found["good"]["answer"] == "3"
    types = {id: record["error"]["type"] for id, record in found.items() if "error" in record}
    assert types == {
        "pdf": "DocumentError",
        "gone": "DocumentError",
        "empty": "DocumentError",
        "long": "UsageError",
    }
    for record in found.values():
        validate(record)


def test_what_breaks_a_forward_is_found_and_its_company_is_read(make_work: MakeWork) -> None:
    rows = rows_of(5)
    rows[2] = dataclasses.replace(
        rows[2], payload=Ask("doc 2", "Of alpha?", "The boats lay rephrase still in the rain.")
    )
    found = records(make_work(poison="rephrase", rows=5)([rows]))
    bad = found.pop("2:0")
    assert bad["error"] == {"type": "RuntimeError", "message": "out of memory"}
    calm = records(make_work(rows=5)([rows]))
    assert {k: v["canonical_sha256"] for k, v in found.items()} == {
        k: v["canonical_sha256"] for k, v in calm.items() if k != "2:0"
    }


def test_a_row_is_told_of_before_the_model_sees_it(make_work: MakeWork) -> None:
    work = make_work(rows=2)
    for event in work([rows_of(4)]):
        if isinstance(event, Started):
            started = len(getattr(work.model, "packs", []))
            break
    assert started == 0


def test_what_was_spent_adds_up(make_work: MakeWork) -> None:
    events = list(make_work(skip_threshold=0.9)([rows_of(4)]))
    cost = sum((event for event in events if isinstance(event, Cost)), Cost())
    found = records(iter(events)).values()
    for name in ("windows", "skipped", "tokens_fed"):
        assert getattr(cost, name) == pytest.approx(sum(r["usage"][name] for r in found))
    assert cost.skipped


def test_what_is_odd_about_a_source_is_told(make_work: MakeWork) -> None:
    """A long question whose middle is cut is a warning of its document."""
    rows = [Row("a", Ask("d", f"{filler(30)} Of beta?", text_of(1)))]
    events = list(make_work(question_policy="cut")([rows]))
    (told,) = (event for event in events if isinstance(event, Warned))
    assert told.source == "d" and "its middle was cut" in told.texts[0]


def test_an_interruption_ends_every_reading(make_work: MakeWork) -> None:
    import threading

    before = threading.active_count()
    work = make_work(rows=4)
    work.model.fail_after = 3  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        list(work([rows_of(6)]))
    assert threading.active_count() == before
    watched = make_work(rows=4)([rows_of(6)])
    next(watched)
    watched.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_reading_may_fail_before_and_after_it_asks(tokenizer: Tokenizer) -> None:
    def early(predictor: Any) -> Iterator[object]:
        raise ValueError("early")
        yield

    def fine(predictor: Any) -> Iterator[object]:
        yield "told"

    toy = Toy(tokenizer)
    events = list(read_together([early, fine, early], toy, 2))
    broken = [event for event in events if isinstance(event, Broke)]
    assert "told" in events and [str(b.error) for b in broken] == ["early", "early"]
    assert all(event.alone and event.reading is early for event in broken)


def test_a_generated_corpus_of_small_documents_in_a_run_folder(
    make_work: MakeWork, tmp_path: Path
) -> None:
    """Scaled down; the slow twin below has 2,000."""
    corpus(make_work, tmp_path, 40)


@pytest.mark.slow
def test_two_thousand_small_documents_in_bounded_memory(
    make_work: MakeWork, tmp_path: Path
) -> None:
    import tracemalloc

    corpus(make_work, tmp_path / "warm", 40)
    tracemalloc.start()
    corpus(make_work, tmp_path / "few", 200)
    _, few = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    corpus(make_work, tmp_path / "many", 2000)
    _, many = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert many < few + 12 * 2**20


def corpus(make_work: MakeWork, folder: Path, count: int) -> None:
    def rows() -> Iterator[Row]:
        for i in range(count):
            text = f"{text_of(i % 20)} {i} " + filler(1, i)
            yield Row(str(i), Ask(f"doc {i}", "Of alpha?", text), size=len(text))

    work = make_work(rows=8, strategy="truncate")
    committed = 0
    for event in run(rows(), folder, work, {}):
        committed += len(event.records) if isinstance(event, Committed) else 0
        last = event
    assert isinstance(last, Summary) and last.everything.done == count == committed
