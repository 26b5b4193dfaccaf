"""RULER's samples: made of a seed, of a stated length, with answers that are there."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.ruler import Material, available, generate, score, tasks
from foldctx_pipelines.benchmarks.ruler.draft import NOISE
from foldctx_pipelines.benchmarks.ruler.material import read_hotpotqa, read_squad
from foldctx_pipelines.benchmarks.sample import Sample
from tests.benchmarks.conftest import BOOK, words

Write = Callable[[str, Any], Path]

SQUAD = {
    "data": [
        {
            "title": f"t{a}",
            "paragraphs": [
                {
                    "context": f"In article {a} text {p} the hue of thing {a}{p} is hue{a}{p}. "
                    * 4,
                    "qas": [
                        {
                            "question": f"What is the hue of thing {a}{p}?",
                            "answers": [{"text": f"hue{a}{p}"}, {"text": "hue"}],
                            "is_impossible": False,
                        },
                        {"question": "Why?", "answers": [], "is_impossible": True},
                    ],
                }
                for p in range(4)
            ],
        }
        for a in range(6)
    ]
}
HOTPOT = [
    {
        "question": f"Which {i}?",
        "answer": f"answer{i}",
        "context": [
            [f"Title {i}-{k}", [f"Sentence of {i} and {k}.", f" It has answer{i}."]]
            for k in range(3)
        ],
    }
    for i in range(20)
]


@pytest.fixture
def material(write_json: Write) -> Material:
    squad, hotpot = write_json("squad.json", SQUAD), write_json("hotpot.json", HOTPOT)
    return Material(BOOK, read_squad(squad), read_hotpotqa(hotpot))


def make(names: list[str], length: int, material: Material, seed: int = 0) -> list[Sample]:
    return generate(names, [length], 2, material, words, seed=seed)


@pytest.mark.parametrize("length", [700, 5000])
@pytest.mark.parametrize("name", tasks())
def test_sample_fills_its_length_and_holds_its_answers(
    name: str, length: int, material: Material
) -> None:
    for sample in make([name], length, material):
        used = words(sample.prompt + sample.answer_prefix) + sample.max_gen
        assert used == sample.doc["tokens"]
        assert 0.9 * length < used <= length
        assert sample.document in sample.prompt
        assert sample.doc["outputs"] == list(sample.targets)
        held = [answer in sample.document for answer in sample.targets]
        assert any(held) if name.startswith("qa") else all(held)
        assert score(name, f"They are {', '.join(sample.targets)}.", sample.doc) == 1
        assert score(name, "none of them", sample.doc) == 0


@pytest.mark.parametrize("name", tasks())
def test_the_seed_decides(name: str, material: Material) -> None:
    one, again, other = (make([name], 700, material, seed) for seed in (0, 0, 1))
    assert one == again
    assert [s.prompt for s in one] != [s.prompt for s in other]
    assert one[0].prompt != one[1].prompt


def test_there_are_thirteen_tasks_with_the_official_output_lengths(material: Material) -> None:
    lengths = {s.task: s.max_gen for s in make(list(tasks()), 700, material)}
    assert len(lengths) == 13
    assert {n for name, n in lengths.items() if name.startswith("niah")} == {128}
    assert [lengths[name] for name in ("vt", "cwe", "fwe", "qa_1", "qa_2")] == [30, 120, 50, 32, 32]


def test_one_needle_is_asked_for_in_the_singular(material: Material) -> None:
    sample = make(["niah_single_1"], 700, material)[0]
    assert sample.prompt.startswith("A special magic number is hidden within the following text.")
    assert sample.question.startswith("What is the special magic number for ")
    assert sample.answer_prefix.endswith(" mentioned in the provided text is")
    many = make(["niah_multiquery"], 700, material)[0]
    assert many.prompt.startswith("Some special magic numbers are hidden")
    assert ", and " in many.question and len(many.targets) == 4


def test_needles_stand_where_their_depths_say(material: Material) -> None:
    for name in ("niah_single_2", "niah_multikey_1", "niah_multivalue"):
        for sample in make([name], 5000, material):
            for depth, value in zip(sample.doc["depths"], sample.targets, strict=True):
                found = sample.document.index(value) / len(sample.document)
                assert found == pytest.approx(depth, abs=0.02)


def test_only_one_needle_has_the_key_that_is_asked_for(material: Material) -> None:
    for name in ("niah_multikey_1", "niah_multikey_2", "niah_multikey_3"):
        sample = make([name], 5000, material)[0]
        key = sample.question.split(" for ")[1].split(" mentioned")[0]
        assert sample.document.count(f" for {key} is: ") == 1
        assert sample.document.count("One of the special magic") > 3


def test_variables_form_one_chain(material: Material) -> None:
    sample = make(["vt"], 700, material)[0]
    value = sample.question.removesuffix(".").split()[-1]
    names = list(sample.targets)
    places = [sample.document.index(f"VAR {names[0]} = {value}")]
    places += [sample.document.index(f"VAR {b} = VAR {a} ") for a, b in pairwise(names)]
    assert places == sorted(places) and len(names) == 5
    assert NOISE in sample.document
    assert sample.prompt.count("Memorize and track") == 2  # an example stands before it


def test_common_and_coded_words_are_the_most_frequent(material: Material) -> None:
    sample = make(["cwe"], 5000, material)[0]
    listed = sample.document.split()[1::2]
    assert {listed.count(word) for word in sample.targets} == {30}
    assert {listed.count(word) for word in set(listed) - set(sample.targets)} == {3}
    sample = make(["fwe"], 5000, material)[0]
    coded = [word for word in sample.document.split() if word != "..."]
    counts = sorted({(coded.count(word), word) for word in set(coded)}, reverse=True)
    assert [word for _, word in counts[:3]] == list(sample.targets)


def test_question_sets_keep_what_can_be_answered(write_json: Write) -> None:
    squad = read_squad(write_json("s.json", SQUAD))
    assert (len(squad.asked), len(squad.documents)) == (24, 24)
    first = squad.asked[0]
    assert first.answers == ("hue00", "hue") and len(first.more) == 3
    hotpot = read_hotpotqa(write_json("h.json", HOTPOT))
    assert (len(hotpot.asked), len(hotpot.documents), len(hotpot.asked[0].documents)) == (20, 60, 3)


def test_tasks_follow_from_what_is_given(material: Material) -> None:
    assert len(available(material)) == 13
    assert available(Material()) == (
        "niah_single_1", "niah_multikey_2", "niah_multikey_3", "vt", "cwe", "fwe",
    )  # fmt: skip
    assert "niah_single_2" in available(Material(text=BOOK))


@pytest.mark.parametrize(
    ("names", "length", "said"),
    [
        (["niah_single_9"], 700, "task 'niah_single_9': choose from niah_single_1"),
        (["niah_single_2"], 700, "need --text FILE"),
        (["qa_1"], 700, "task qa_1 needs --squad FILE"),
        (["vt"], 60, "its shortest prompt takes"),
    ],
)
def test_what_cannot_be_made(names: list[str], length: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make(names, length, Material())


def test_files_of_another_form_are_refused(write_json: Write, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not of SQuAD's form"):
        read_squad(write_json("a.json", HOTPOT))
    with pytest.raises(UsageError, match="not of HotpotQA's form"):
        read_hotpotqa(write_json("b.json", SQUAD))
    with pytest.raises(UsageError, match="holds no question"):
        read_hotpotqa(write_json("c.json", []))
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        read_squad(tmp_path / "nowhere.json")
    odd = {"data": [{"paragraphs": [{"context": "A.", "qas": ["no object"]}]}]}
    with pytest.raises(UsageError, match="not of SQuAD's form"):
        read_squad(write_json("d.json", odd))
    with pytest.raises(UsageError, match="question or answer 5 is no text"):
        read_hotpotqa(write_json("e.json", [{**HOTPOT[0], "answer": 5}]))


def test_a_question_without_other_documents_is_refused_not_grown_for_ever(
    write_json: Write,
) -> None:
    hotpot = read_hotpotqa(write_json("h.json", HOTPOT[:1]))
    with pytest.raises(UsageError, match="qa_2: the file of --hotpotqa holds no document beside"):
        make(["qa_2"], 700, Material(hotpotqa=hotpot))


@pytest.mark.parametrize(
    ("task", "prediction", "outputs", "expected"),
    [
        ("niah_single_1", "", ["1234567"], 0),
        ("niah_single_1", "It is 1234567.", ["1234567"], 1),
        ("niah_single_1", "It is 1234568.", ["1234567"], 0),
        ("niah_multivalue", "1, 2", ["1", "2", "3", "4"], 1 / 2),
        ("niah_multivalue", "4 3 2 1", ["1", "2", "3", "4"], 1),
        ("niah_single_3", "AB-CD", ["ab-cd"], 1),
        ("vt", "QXZ", ["QXZ", "ABC"], 1 / 2),
        ("cwe", "1. tea 2. sun", ["tea", "sun", "sea", "run"], 1 / 2),
        ("cwe", "teapot", ["tea"], 1),  # substrings count, as in the official code
        ("fwe", "a\x00b", ["a\nb"], 1),  # control characters become line ends first
        ("qa_1", "It is Paris.", ["London", "Paris"], 1),
        ("qa_1", "Rome", ["London", "Paris"], 0),
        ("qa_2", "  ", ["London"], 0),
    ],
)
def test_metrics(task: str, prediction: str, outputs: list[str], expected: float) -> None:
    assert score(task, prediction, {"outputs": outputs}) == pytest.approx(expected)
