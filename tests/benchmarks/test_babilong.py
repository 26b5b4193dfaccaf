"""BABILong: bAbI's files, facts in a book, and the official answer rule."""

from pathlib import Path

import pytest

from foldctx.errors import UsageError
from foldctx_pipelines.benchmarks.babilong import generate, read_stories, score, task_files, tasks
from foldctx_pipelines.benchmarks.sample import Sample
from tests.benchmarks.conftest import BOOK, words

# Hand-written stories in the form of the original files: numbered facts, and questions with their
# answer and the numbers of the facts that support it.
FILES = {
    "qa1_single-supporting-fact_test.txt": """\
1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Mary went to the garden.
5 Where is Mary? \tgarden\t4
1 Daniel went to the office.
2 Where is Daniel? \toffice\t1
""",
    "qa6_yes-no-questions_test.txt": """\
1 Sandra got the apple there.
2 Daniel travelled to the kitchen.
3 Is Daniel in the kitchen? \tyes\t2
4 Is Daniel in the garden? \tno\t2
""",
    "qa7_counting_test.txt": """\
1 Mary got the milk there.
2 How many objects is Mary carrying? \tone\t1
3 Mary dropped the milk.
4 How many objects is Mary carrying? \tnone\t1 3
5 Mary took the apple there.
6 Mary grabbed the football there.
7 How many objects is Mary carrying? \ttwo\t1 3 5 6
""",
    "qa8_lists-sets_test.txt": """\
1 Mary got the milk there.
2 Mary got the apple there.
3 What is Mary carrying? \tmilk,apple\t1 2
4 Mary put down the milk.
5 What is Mary carrying? \tapple\t1 2 4
""",
    "qa9_simple-negation_test.txt": """\
1 John is in the hallway.
2 John is no longer in the hallway.
3 Is John in the hallway? \tno\t2
""",
    "qa10_indefinite-knowledge_test.txt": """\
1 Fred is either in the school or the park.
2 Is Fred in the park? \tmaybe\t1
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def make(folder: Path, lengths: list[int], seed: int = 0) -> list[Sample]:
    def counts(texts: object) -> list[int]:
        return [words(text) for text in texts]  # type: ignore[attr-defined]

    return generate(task_files(folder), lengths, 3, BOOK, counts, seed=seed)


def test_a_question_has_the_facts_before_it_and_no_other_question(folder: Path) -> None:
    stories = read_stories(folder / "qa1_single-supporting-fact_test.txt")
    assert [(s.question, s.answer) for s in stories] == [
        ("Where is Mary?", "bathroom"),
        ("Where is Mary?", "garden"),
        ("Where is Daniel?", "office"),
    ]
    assert stories[1].facts == (
        "Mary moved to the bathroom.",
        "John went to the hallway.",
        "Mary went to the garden.",
    )
    assert stories[1].support == (2,)
    assert stories[2].facts == ("Daniel went to the office.",)


def test_bars_part_questions_as_tabs_do(tmp_path: Path) -> None:
    tabs = FILES["qa1_single-supporting-fact_test.txt"]
    for name, text in (("a.txt", tabs), ("b.txt", tabs.replace("\t", "|"))):
        (tmp_path / name).write_text(text)
    assert read_stories(tmp_path / "a.txt") == read_stories(tmp_path / "b.txt")


def test_facts_are_hidden_in_order_between_whole_sentences(folder: Path) -> None:
    for sample in make(folder, [0, 200, 1500]):
        length, text = sample.doc["length"], sample.document
        assert words(text) == sample.doc["tokens"] <= (length or 30)
        if length:
            assert sample.doc["tokens"] > length - 40
        stories = read_stories(task_files(folder)[sample.task])
        story = next(
            s for s in stories
            if (s.question, s.answer) == (sample.doc["question"], sample.targets[0])
            and all(fact in text for fact in s.facts)
        )  # fmt: skip
        places = [text.index(fact) for fact in story.facts]
        assert places == sorted(places)
        for depth, fact in zip(sample.doc["depths"], story.support, strict=True):
            assert places[fact] / len(text) == pytest.approx(depth, abs=0.02)
        assert sample.prompt.endswith(f"</context>\n\nQuestion: {sample.question}")
        assert sample.prompt.startswith(tasks()[sample.task].instruction)


def test_the_seed_decides(folder: Path) -> None:
    one, again, other = (make(folder, [300], seed) for seed in (1, 1, 2))
    assert one == again
    assert [s.prompt for s in one] != [s.prompt for s in other]


def test_all_ten_tasks_have_prompts_and_a_perfect_answer_scores(folder: Path) -> None:
    assert list(tasks()) == [f"qa{i}" for i in range(1, 11)]
    assert list(task_files(folder)) == ["qa1", "qa6", "qa7", "qa8", "qa9", "qa10"]
    for name, path in task_files(folder).items():
        for story in read_stories(path):
            doc = {"target": story.answer, "question": story.question}
            assert score(name, f"The answer is {story.answer}.", doc) == 1, story


@pytest.mark.parametrize(
    ("task", "prediction", "question", "target", "expected"),
    [
        ("qa1", "", "Where is Mary?", "garden", 0),
        ("qa1", "The most recent location of Mary is garden.", "Where is Mary?", "garden", 1),
        ("qa1", "GARDEN", "Where is Mary?", "garden", 1),
        ("qa1", "Garden. Not the office.", "Where is Mary?", "garden", 1),  # first sentence only
        ("qa1", "Garden or office.", "Where is Mary?", "garden", 0),
        ("qa1", "I do not know. garden", "Where is Mary?", "garden", 0),
        ("qa1", "garden <example> office", "Where is Mary?", "garden", 1),
        ("qa1", "garden <context> office", "Where is Mary?", "garden", 1),
        # Labels that the question names do not count.
        (
            "qa3",
            "Before the kitchen it was in the office.",
            "the milk before the kitchen?",
            "office",
            1,
        ),
        ("qa4", "The kitchen.", "What is north of the kitchen?", "office", 0),
        ("qa5", "Fred gave it to Bill", "Who did Fred give the apple to?", "Bill", 1),
        ("qa6", "yes", "Is John in the garden?", "yes", 1),
        ("qa6", "yes or no", "Is John in the garden?", "yes", 0),
        ("qa7", "none", "How many objects is Mary carrying?", "none", 1),  # not "one" as well
        ("qa7", "one", "How many objects is Mary carrying?", "none", 0),
        ("qa8", "apple, milk", "What is Mary carrying?", "milk,apple", 1),  # a set
        ("qa8", "milk", "What is Mary carrying?", "milk,apple", 0),
        ("qa8", "milk, apple and football", "What is Mary carrying?", "milk,apple", 0),
        ("qa8", "nothing", "What is Mary carrying?", "nothing", 1),
        ("qa10", "maybe", "Is Fred in the park?", "maybe", 1),
    ],
)
def test_answer_rule(
    task: str, prediction: str, question: str, target: str, expected: float
) -> None:
    assert score(task, prediction, {"question": question, "target": target}) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Mary moved.", "line 1: 'Mary moved.' does not start with a number"),
        ("1 Mary moved.", "holds no question"),
        ("1 Where is Mary?\tgarden", "expected question, answer and fact numbers"),
        ("1 Where is Mary?\tgarden\tone", "expected question, answer and fact numbers"),
    ],
)
def test_files_of_another_form(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "qa1_x_test.txt"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_stories(path)


def test_what_cannot_be_made(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no story fits in 2 tokens"):
        make(folder, [2])
    with pytest.raises(UsageError, match="holds no bAbI file"):
        task_files(tmp_path / "nothing")
    with pytest.raises(UsageError, match="no sentence of at least 10 tokens"):
        generate(task_files(folder), [100], 1, "Too short.", lambda ts: [2 for _ in ts])
