"""The reader's evaluation, with a reader that knows every case: it must come out at 100%."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from foldctx.decoding import preset
from foldctx.errors import TraceError, UsageError
from foldctx.folding.prompts import TEMPLATES
from foldctx_cli.app import main
from foldctx_pipelines.batch import RunOptions, Summary
from foldctx_pipelines.batch import run as run_rows
from foldctx_pipelines.benchmarks.reader import run as reader_run
from foldctx_pipelines.benchmarks.reader.answering import CaseWork, Method, as_rows, shuffled
from foldctx_pipelines.benchmarks.reader.cases import (
    FULL,
    QUICK,
    Case,
    Material,
    Sizes,
    Spec,
    plan,
)
from foldctx_pipelines.benchmarks.reader.haystack import Haystack
from foldctx_pipelines.benchmarks.reader.scores import KINDS, Rate, failures, is_right
from foldctx_pipelines.benchmarks.reader.table import markdown, tabulate
from foldctx_pipelines.training.facts import load_banks
from tests.folding.toys import Toy, make_tokenizer

SLOTS = 6
SMALL = Sizes({1024: 3, 2048: 3}, {0: 2, 1024: 2}, lookups=10, control=2)
SAMPLES = Path(__file__).parents[2] / "samples"


def book() -> str:
    rng = random.Random(0)
    rows = []
    for day in range(900):
        who, what = (
            rng.choice(["miller", "widow", "clerk"]),
            rng.choice(["rain", "harvest", "tide"]),
        )
        rows.append(f"On day {day} the {who} spoke of the {what} with nobody in particular.")
        if rng.random() < 0.1:
            rows.append("\n\n")
    return " ".join(rows)


@dataclass
class Perfect(Toy):
    """Knows the cases by their questions: points at their lines, answers when it holds them all."""

    cases: dict[str, Case] = field(default_factory=dict)
    knows: bool = True

    def _say(self, text: str, tokens: list[int], position: int) -> dict[int, float]:
        asked, rest = text.split("⟨memory⟩", 1)
        questions = [q.strip() for q in re.split(r"⟨q\d⟩", asked)[1:]]
        none, end = self._id("none"), self.info.eos_id
        if "⟨notes⟩" in rest:
            offset = position - tokens.index(self._id("notes")) - 1
            case, slot = self.case(questions[offset // (SLOTS + 1)]), offset % (SLOTS + 1) - 1
            units = re.split(r"⟨s\d+⟩", rest.split("⟨text⟩")[1].split("⟨notes⟩")[0])[1:]
            wanted = case.lines or case.golds
            helps = [k for k, unit in enumerate(units, 1) if any(line in unit for line in wanted)]
            if not helps or not self.knows:
                return {none if slot == 0 else end: self.none}
            return {self._id(f"s{helps[slot]}") if slot < len(helps) else end: self.sure}
        offset = position - tokens.index(self._id("answer")) - 1
        case, notes = self.case(questions[0]), rest.split("⟨answer⟩")[0]
        held = all(line in notes for line in case.lines)
        if case.any_of:
            held = any(gold in notes for gold in case.golds)
        said = ", ".join(case.golds[:1] if case.any_of else case.golds)
        if not (held and said and self.knows):
            return {none if offset == 0 else end: self.none}
        return self._spell(" " + said, offset, self.sure)

    def case(self, question: str) -> Case:
        return self.cases[" ".join(question.split())]


@dataclass(frozen=True, slots=True)
class Known(Material):
    """Tells the reader each case before it is read."""

    told: dict[str, Case] = field(default_factory=dict)

    def make(self, spec: Spec) -> Case:
        case = Material.make(self, spec)
        self.told[" ".join(case.question.split())] = case
        return case


@pytest.fixture(scope="module")
def perfect(tmp_path_factory: pytest.TempPathFactory) -> Perfect:
    folder = tmp_path_factory.mktemp("perfect")
    toy = Perfect(make_tokenizer(folder), window=2048, calibration={"memory_tokens": 1200})
    given = (TEMPLATES / "reader.toml").read_text("utf-8")
    template, many = re.subn(r"slots = \d+", "slots = 6", given)
    assert many == 1
    (folder / "six.toml").write_text(template, "utf-8")
    toy.prompts_source = folder / "six.toml"
    return toy


@pytest.fixture(scope="module")
def material(perfect: Perfect, tmp_path_factory: pytest.TempPathFactory) -> Known:
    path = tmp_path_factory.mktemp("book") / "book.txt"
    path.write_text(book(), "utf-8")

    def count(texts: Any) -> list[int]:
        return [len(ids) for ids in perfect.prompts.text_ids(texts)]

    samples = tuple(
        row | {"source": str(SAMPLES / Path(row["source"]).name)}
        for row in map(json.loads, (SAMPLES / "questions.jsonl").read_text("utf-8").splitlines())
        if row["source"].endswith(".html")
    )
    bank = load_banks(held_out=True)
    known = Known(5, Haystack.read([path], count), bank, count, samples)
    perfect.cases = known.told
    return known


@pytest.fixture(scope="module")
def records(perfect: Perfect, material: Known, tmp_path_factory: Any) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return list(answered(perfect, material, plan(SMALL, len(material.samples)), folder))


def answered(
    perfect: Perfect, material: Known, specs: list[Spec], folder: Path
) -> Iterator[dict[str, Any]]:
    def ignorant(model: Any, seed: int) -> Any:
        return replace(model, knows=False)

    work = CaseWork(lambda: perfect, material, Method(preset("elastic"), 0), ignorant)  # type: ignore[arg-type,return-value]
    rows = as_rows(specs, [row["source"] for row in material.samples])
    options = RunOptions(commit_rows=1)
    for event in run_rows(rows, folder, work, {"seed": 5}, kind="reader", options=options):
        if not isinstance(event, Summary):
            yield from getattr(event, "records", ())


def test_a_perfect_reader_is_right_in_every_case(records: list[dict[str, Any]]) -> None:
    assert not [record for record in records if "error" in record]
    mine = [r for r in records if r["strategy"] == "fold" and r["reader"] == "reader"]
    wrong = [(r["id"], r["question"], r["golds"], r["answer"]) for r in mine if not is_right(r)]
    assert not wrong
    assert all(r["kept"][0] >= r["kept"][1] for r in mine)
    assert not any(n for counts in failures(records).values() for n in counts.values())
    every = [line for line in tabulate(records) if line.target is not None]
    assert all(line.reached for line in every)
    lines = [line for line in every if line.reader == "reader"]
    assert len(lines) == 3 + 5 + 3 + 1
    assert all(line.reached and not line.drops for line in lines)
    by_name = {(line.task, line.measure): line.pooled for line in lines}
    assert by_name["multivalue", "right"] == Rate(6, 6)
    assert by_name["lookups", "on the page, of the right ones"] == Rate(8, 8)
    assert by_name["lookups", "answered though unanswerable"] == Rate(0, 2)


def test_what_reads_less_and_what_knows_nothing_scores_less(records: list[dict[str, Any]]) -> None:
    pooled = {
        (line.task, line.strategy, line.reader): line.pooled
        for line in tabulate(records)
        if line.measure == "right"
    }
    for task in ("single", "multikey", "multivalue"):
        assert pooled[task, "truncate", "reader"].right < pooled[task, "fold", "reader"].right
    blind = [rate for key, rate in pooled.items() if key[2] == "shuffled" and key[0] != "samples"]
    assert len(blind) == 9 and not any(rate.right for rate in blind)


def test_a_run_that_was_stopped_goes_on(
    perfect: Perfect, material: Known, tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    specs = plan(SMALL, 0, ("worlds",))[:12]
    stopped = answered(perfect, material, specs, tmp_path / "run")
    ids = [next(stopped)["id"] for _ in range(4)]
    stopped.close()  # type: ignore[attr-defined]
    first = perfect.calls
    rest = list(answered(perfect, material, specs, tmp_path / "run"))
    assert perfect.calls > first and ids + [r["id"] for r in rest] == [s.id for s in specs]
    before = perfect.calls
    assert not list(answered(perfect, material, specs, tmp_path / "run"))
    assert perfect.calls == before
    mine = {r["id"]: r["answer"] for r in records}
    assert all(mine[r["id"]] == r["answer"] for r in rest)


def test_cases_follow_from_the_seed(material: Known) -> None:
    specs = plan(SMALL, 0)
    for spec in specs[::9]:
        case = Material.make(material, spec)
        assert case == Material.make(material, spec)
        twin = Material.make(material, replace(spec, strategy="truncate", reader="shuffled"))
        assert twin.document.text == case.document.text and twin.question == case.question
        other = Material.make(replace(material, seed=6), spec)
        assert other.document.text != case.document.text


@pytest.mark.parametrize("length", [512, 2048, 8192])
def test_documents_are_as_long_as_asked_and_hold_their_lines(material: Known, length: int) -> None:
    depths = []
    for index in range(12):
        case = material.make(Spec("needles", "multivalue", length, index))
        text = case.document.text
        tokens = sum(material.count([text]))
        assert 0.95 * length <= tokens <= 1.15 * length + 60
        places = [text.index(line) for line in case.lines]
        assert places == sorted(places) and len(places) == 4
        assert all(gold in line for gold, line in zip(case.golds, case.lines, strict=True))
        depths += [place / len(text) for place in places]
    assert min(depths) < 0.15 and max(depths) > 0.85


def test_lookups_have_their_statement_on_their_page(material: Known) -> None:
    pages = set()
    for index in range(40):
        case = material.make(Spec("lookups", "lookups", -1, index))
        if not case.golds:
            assert index % 5 == 4 and case.page is None
            continue
        (gold,), (line,) = case.golds, case.lines
        assert gold in line and case.document.text.count(line) == 1
        at = case.document.text.index(line)
        ((page, start, end),) = case.document.spans(at, at + len(line))
        assert page == case.page and end - start == len(line)
        pages.add(page)
    assert len(pages) > 2


# -- scores -----------------------------------------------------------------------------------


def scored(group: str, golds: list[str], answer: str | None, **more: Any) -> bool:
    record = {"group": group, "golds": golds, "answer": answer, "labels": [], "any_of": False}
    return is_right({**record, **more})


def test_right_is_all_of_the_values_and_little_besides() -> None:
    assert scored("needles", ["12", "345"], "345 and 12")
    assert not scored("needles", ["12", "345"], "12, 3456")
    assert not scored("needles", ["old-oak"], "cold-oak")
    assert not scored("needles", ["12"], " ".join(["12", *"abcdefghi"]))
    assert scored("needles", [], None) and not scored("needles", [], "12")


def test_right_names_the_place_and_no_other() -> None:
    labels = ["kitchen", "garden"]
    assert scored("worlds", ["office"], "in the Office.", labels=labels)
    assert not scored("worlds", ["office"], "office or garden", labels=labels)
    assert scored("worlds", ["office"], "office. Not the garden", labels=labels)
    assert not scored("worlds", ["office"], None, labels=labels)


@pytest.mark.parametrize(
    ("right", "cases", "low", "high"),
    # R: binom::binom.confint(x, n, method = "wilson")
    [
        (9, 10, 0.5958, 0.9821),
        (0, 20, 0.0, 0.1611),
        (50, 50, 0.9287, 1.0),
        (98, 130, 0.6734, 0.8197),
    ],
)
def test_intervals_are_wilsons(right: int, cases: int, low: float, high: float) -> None:
    interval = Rate(right, cases).interval
    assert interval is not None
    assert interval == pytest.approx((low, high), abs=6e-4)
    assert Rate(0, 0).interval is None and str(Rate(0, 0)) == "-"


def test_lengths_that_fall_short_are_named(records: list[dict[str, Any]]) -> None:
    rows = [
        {**r, "answer": None} if r["length"] == 2048 else r
        for r in records
        if r["task"] == "single" and r["strategy"] == "fold" and r["reader"] == "reader"
    ]
    (line,) = tabulate(rows)
    assert line.drops == [2048] and line.reached is False
    assert failures(rows)["single"] == dict.fromkeys(KINDS, 0) | {"none said": 3}
    table = markdown([line], failures(rows), {"model": {"name": "toy"}, "seed": 5})
    assert "at least 98%: missed | 2k |" in table and "50.0% (18.8% to 81.2%), 3 of 6" in table
    with pytest.raises(TraceError, match="cannot be scored"):
        tabulate([{"id": "reader/fold/needles/single/1024/0"}])


def test_the_full_plan_has_the_cases_it_promises() -> None:
    specs = plan(FULL, 24)
    assert len({spec.id for spec in specs}) == len(specs)
    mine = [s for s in specs if s.strategy == "fold" and s.reader == "reader"]
    assert sum(s.task == "single" for s in mine) == 130
    assert sum(s.task == "babi3" for s in mine) == 250
    assert sum(s.group == "lookups" for s in mine) == 300
    assert sum(s.group == "samples" for s in specs) == 4 * 24
    tokens = sum(max(s.length, 0) for s in plan(QUICK, 24) if s.strategy == "fold")
    assert tokens < 600_000


# -- the command ------------------------------------------------------------------------------


def test_shuffled_weights_are_the_same_values_elsewhere() -> None:
    from foldctx.models.load import load_model

    model = load_model("embedded", device="cpu")
    twin = shuffled(model, 3)
    pairs = zip(model.transformer.parameters(), twin.transformer.parameters(), strict=True)
    for weight, other in pairs:
        assert weight.sum().item() == pytest.approx(other.sum().item(), abs=0.05)
        assert weight.numel() < 4 or not weight.equal(other) or weight.unique().numel() == 1
    assert twin.info.weights_sha256 is None and "shuffled" in twin.info.name
    again = next(iter(shuffled(model, 3).transformer.parameters()))
    assert again.equal(next(iter(twin.transformer.parameters())))


def test_the_command_writes_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(reader_run, "QUICK", Sizes({512: 1}, {0: 1}, lookups=1, control=1))
    text = tmp_path / "book.txt"
    text.write_text(book(), "utf-8")
    run = tmp_path / "run"
    command = ["eval", "reader", "--quick", "--seed", "3", "--only", "worlds", "--text", str(text)]
    assert main([*command, "-o", str(run)]) == 0
    form = json.loads(capfdbinary.readouterr().out)
    assert form["schema"] == "foldctx.reader-scores/1" and len(form["lines"]) == 4 * 5
    assert (run / "table.md").read_text("utf-8").count("\n| babi") == 20 + 5
    rows = [json.loads(line) for line in (run / "cases.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 20 and all(isinstance(row["right"], bool) for row in rows)
    assert main([*command, "-o", str(run), "--markdown"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"Reader embedded, seed 3\n")
    assert main(["eval", "reader", "--quick", "--seed", "4", "-o", str(run), *command[5:]]) == 2
    assert b"seed was 3 and is 4" in capfdbinary.readouterr().err
    assert main([*command, "-o", str(run), "--dtype", "bfloat16"]) == 2
    assert b"dtype was 'float32' and is 'bfloat16'" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "needle"], b"choose from needles, worlds, lookups, samples"),
        (["--questions", "nowhere.jsonl"], b"nowhere.jsonl: no such file"),
        (["--text", "nowhere.txt", "--only", "needles"], b"nowhere.txt: cannot be read"),
        (["--json", "--markdown"], b"exclude each other"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    arguments: list[str], said: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["eval", "reader", *arguments]) == 2
    assert said in capfdbinary.readouterr().err


def test_a_text_without_sentences_is_refused(tmp_path: Path, material: Known) -> None:
    (tmp_path / "a.txt").write_text("no end", "utf-8")
    with pytest.raises(UsageError, match="fewer than ten sentences"):
        Haystack.read([tmp_path / "a.txt"], material.count)
