"""The banks are well formed, split cleanly, and hold nothing of the samples."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from foldctx_pipelines.training import words
from foldctx_pipelines.training.facts import BANKS, Relation, load_banks, relations_of
from foldctx_pipelines.training.prose import load_prose
from foldctx_pipelines.training.values import MAKERS

SLOT = re.compile(r"\{([a-z_]+?)(\d*)\}")
SAMPLES = Path(__file__).parents[2] / "samples"
FILES = sorted(BANKS.glob("*.json"))


def slots(template: str) -> set[str]:
    return {match[0] for match in SLOT.finditer(template)}


def relations() -> Iterator[Relation]:
    for path in FILES:
        bank = json.loads(path.read_text("utf-8"))
        for row in [*bank["relations"], *bank.get("frames", ())]:
            yield from relations_of(row, bank.get("lists", {}))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bank_is_well_formed(path: Path) -> None:
    bank = json.loads(path.read_text("utf-8"))
    lists = bank.get("lists", {})
    assert all(values and all(values) for values in lists.values())
    templates = list(bank["fillers"])
    for row in [*bank["relations"], *bank.get("frames", ())]:
        for relation in relations_of(row, lists):
            templates += [*relation.statements, *relation.questions, *relation.silent]
            templates.append(relation.answer)
            check_relation(relation)
    for template in templates:
        assert template.strip()
        unknown = [m[0] for m in SLOT.finditer(template) if m[1] not in {*lists, *MAKERS}]
        assert not unknown and not re.search(r"[{}]", SLOT.sub("", template)), template


def check_relation(relation: Relation) -> None:
    name, subject, answer = relation.id, slots(relation.subject), slots(relation.answer)
    assert relation.statements and relation.questions, name
    assert answer, f"{name}: the answer never changes"
    for text in relation.statements:
        assert subject <= slots(text), f"{name}: {text}"
        assert relation.answer.lower() in text.lower(), f"{name}: {text}"
    for text in relation.questions:
        assert subject <= slots(text), f"{name}: {text}"
        assert not answer & slots(text), f"{name}: {text}"
        assert all(slots(text) <= slots(s) for s in relation.statements), f"{name}: {text}"
    for text in relation.silent:
        assert slots(text) == subject and text not in relation.questions, f"{name}: {text}"


def test_relations_are_split_by_id_and_by_wording() -> None:
    trained, held_out = load_banks(), load_banks(held_out=True)
    assert len(held_out.relations) > 50 and len(trained.relations) > 300
    for field in ("id", "statements", "questions"):
        sides = []
        for bank in (trained, held_out):
            found = [getattr(relation, field) for relation in bank.relations]
            sides.append({v for row in found for v in ([row] if field == "id" else row)})
        assert not sides[0] & sides[1], field


def test_a_held_out_relation_that_shares_a_question_is_left_out(tmp_path: Path) -> None:
    row = {"subject": "{town}", "statements": ["{town}: {int}"], "answer": "{int}"}
    rows = [{**row, "id": f"r{i}", "questions": [f"What {i} of {{town}}?"]} for i in range(14)]
    rows[13]["questions"] = ["Which of {town}?", "What 2 of {town}?"]
    (tmp_path / "a.json").write_text(json.dumps({"relations": rows, "fillers": ["So."]}))
    assert [r.id for r in load_banks(tmp_path, held_out=True).relations] == ["r5"]
    trained = [r.id for r in load_banks(tmp_path).relations]
    assert trained == [f"r{i}" for i in range(14) if i not in (5, 13)]


def test_a_frame_is_held_out_as_a_whole(tmp_path: Path) -> None:
    asks = [
        {"answer": "{int}", "questions": ["How many in {town}?"]},
        {"answer": "{person}", "questions": ["Who in {town}?"]},
    ]
    frames = [
        {
            "id": f"x.f{i}",
            "subject": "{town}",
            "statements": [f"{i}: {{person}} counted {{int}} in {{town}}."],
            "asks": [{**ask, "questions": [f"{ask['questions'][0]} {i}"]} for ask in asks],
            "silent": ["Why in {town}?"],
        }
        for i in range(7)
    ]
    bank = {"relations": [], "frames": frames, "fillers": ["So."]}
    (tmp_path / "a.json").write_text(json.dumps(bank))
    kept = load_banks(tmp_path, held_out=True).relations
    assert [(r.id, r.answer) for r in kept] == [("x.f5", "{int}"), ("x.f5", "{person}")]
    assert all(r.silent == ("Why in {town}?",) and not r.siblings for r in kept)
    trained = load_banks(tmp_path).relations
    assert [r.id for r in trained] == [f"x.f{i}" for i in (0, 1, 2, 3, 4, 6) for _ in asks]
    said = {text for relation in trained for text in relation.statements}
    assert all({*r.siblings} == said - {*r.statements} for r in trained) and len(said) == 6


def test_prose_is_split_by_sentence(ground) -> None:
    trained = {s for file in ground.world.prose.files for s in file}
    held_out = {s for file in ground.held_out.prose.files for s in file}
    assert len(trained) == 1350 and len(held_out) == 150 and not trained & held_out
    assert load_prose(ground.text, held_out=True) == ground.held_out.prose


# -- the samples ------------------------------------------------------------------------------


def questions() -> list[dict[str, object]]:
    lines = (SAMPLES / "questions.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def sample_sentences() -> list[str]:
    """Sentences of the sample documents that hold a gold answer."""
    answers = {answer for row in questions() for answer in row["answers"]}
    found = []
    for path in [*SAMPLES.glob("*.md"), *SAMPLES.glob("*.html"), *SAMPLES.glob("source/*.md")]:
        text = re.sub(r"<[^>]+>", "\n", path.read_text("utf-8"))
        for sentence in re.split(r"(?<=[.!?])\s+|\n\s*\n", text):
            if any(answer in sentence for answer in answers):
                found.append(" ".join(sentence.split()))
    return found


def could_say(template: str, lists: Mapping[str, Sequence[str]], text: str) -> bool:
    """Whether filling the template can give the text; values that are made match anything."""
    pieces = SLOT.split(template)  # literal, name, number, literal, ...
    literals = pieces[0::3]
    if max(literals, key=len).lower() not in text.lower():
        return False
    pattern = re.escape(literals[0])
    for name, literal in zip(pieces[1::3], literals[1:], strict=True):
        values = lists.get(name) or words.LISTS.get(name)
        choices = "|".join(re.escape(v) for v in values) if values else ".+"
        pattern += f"(?:{choices}){re.escape(literal)}"
    return re.fullmatch(pattern + r"\W*", text, re.IGNORECASE) is not None


def test_could_say_knows_a_leak() -> None:
    lists = {"craft": ["the bowl"]}
    assert could_say("By whom was {craft} made?", lists, "by whom was the bowl made?")
    assert could_say("Who signed for {town}?", lists, "Who signed for Anytown?")
    assert not could_say("By whom was {craft} made?", lists, "By whom was the clock made?")


def test_no_bank_can_ask_a_sample_question_or_state_its_fact() -> None:
    asked = [str(row["question"]) for row in questions()]
    stated = sample_sentences()
    assert len(stated) >= 15
    for relation in relations():
        for template in relation.questions:
            hits = [text for text in asked if could_say(template, relation.lists, text)]
            assert not hits, f"{relation.id}: {template} | {hits}"
        for template in relation.statements:
            hits = [text for text in stated if could_say(template, relation.lists, text)]
            assert not hits, f"{relation.id}: {template} | {hits}"


def test_no_gold_answer_stands_in_a_bank_or_a_word_list() -> None:
    answers = [a for row in questions() for a in row["answers"] if len(a) > 5]
    assert len(answers) >= 12
    texts = [path.read_text("utf-8") for path in FILES]
    for answer in answers:
        assert not [text for text in texts if answer.lower() in text.lower()], answer
    single = {w.lower() for name in ("FIRST", "LAST") for w in getattr(words, name)}
    for answer in answers:
        parts = [w.lower() for w in answer.split()]
        assert not (len(parts) > 1 and set(parts) <= single), answer
