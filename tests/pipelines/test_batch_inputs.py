"""What a corpus may be given as."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from foldctx.errors import DocumentError, UsageError
from foldctx.records import record_id
from foldctx_pipelines.batch.asks import Ask
from foldctx_pipelines.batch.inputs import Input, open_input

Q = ("Who?",)


def asks(given: Input) -> list[tuple[str, str, str | None]]:
    return [(r.payload.source, r.payload.question, r.payload.text) for r in given.rows()]


def ids(given: Input) -> list[str]:
    return [row.id for row in given.rows()]


def everything(_: object) -> bool:
    return True


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., str]:
    def write(*rows: dict[str, Any]) -> str:
        path = tmp_path / "in.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return str(path)

    return write


def test_rows_with_their_own_questions(jsonl: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("beside the input")
    name = jsonl(
        {"id": "one", "text": "A text.", "question": "What?", "answers": ["kept by the reader"]},
        {"id": 2, "source": "b.txt", "questions": ["When?", "Where?"]},
        {"source": "gone.txt"},
        {"id": "3", "source": "named.txt", "text": "Both.", "questions": ["Whose?"]},
        {"id": "4", "source": "x" * 5000},
    )
    given = open_input(name, Q, None)
    beside = str(tmp_path / "b.txt")
    assert asks(given) == [
        ("one", "What?", "A text."),
        (beside, "When?", None),
        (beside, "Where?", None),
        ("gone.txt", "Who?", None),
        ("named.txt", "Whose?", "Both."),
        ("x" * 5000, "Who?", None),
    ]
    assert ids(given) == ["one", "2:1", "2:2", record_id("gone.txt", "Who?"), "3", "4"]
    assert [row.root for row in given.rows()] == ["one", "2", "2", "gone.txt", "3", "4"]
    assert given.check(everything) == 6 and given.check(lambda row: row.root == "2") == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"source": "a.txt"}, "line 1: has no question"),
        ({"question": "What?"}, "line 1: has neither source nor text"),
        ({"source": "a.txt", "question": " "}, "line 1: question ' ' is no text"),
        ({"source": "a.txt", "questions": []}, "line 1: has no question"),
        ({"source": "a.txt", "questions": "What?"}, "line 1: has no question"),
        ({"source": 3.5, "question": "What?"}, "line 1: source=3.5 is no text"),
        ({"text": 3, "question": "What?"}, "line 1: text=3 is no text"),
        ({"id": "", "source": "a", "question": "What?"}, "line 1: id='' is no text"),
        ({"source": "a", "question": "A?", "questions": ["B?"]}, "question and questions"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    jsonl: Callable[..., str], row: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        open_input(jsonl(row), (), None).check(everything)


def test_the_same_id_for_two_rows_is_refused_and_the_same_row_is_one(
    jsonl: Callable[..., str],
) -> None:
    row = {"id": "a", "text": "One.", "question": "What?"}
    assert open_input(jsonl(row, row), (), None).check(everything) == 1
    with pytest.raises(UsageError, match="two rows of the input have the id 'a'"):
        open_input(jsonl(row, {**row, "text": "Two."}), (), None).check(everything)


def test_a_broken_line_is_named_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "A.", "question": "What?"}\n{"text": \n')
    with pytest.raises(UsageError, match="line 2: not JSON"):
        open_input(str(tmp_path / "in.jsonl"), (), None).check(everything)
    (tmp_path / "in.jsonl").write_text("\n")
    with pytest.raises(UsageError, match="no rows"):
        open_input(str(tmp_path / "in.jsonl"), (), None).check(everything)


def test_a_parquet_file(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(
        {
            "id": ["a", "b"],
            "text": ["One.", None],
            "source": [None, "b.txt"],
            "questions": [["What?", "When?"], ["Who?"]],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    given = open_input(str(tmp_path / "in.parquet"), (), None)
    assert ids(given) == ["a:1", "a:2", "b"] and len(asks(given)) == 3
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(UsageError, match="bad.parquet: cannot be read as Parquet"):
        ids(open_input(str(tmp_path / "bad.parquet"), (), None))
    data = (tmp_path / "in.parquet").read_bytes()
    (tmp_path / "bad.parquet").write_bytes(data[:4] + b"\xff" * 40 + data[44:])
    with pytest.raises(UsageError, match="bad.parquet: cannot be read as Parquet"):
        ids(open_input(str(tmp_path / "bad.parquet"), (), None))


def test_a_saved_data_set_and_its_splits(tmp_path: Path) -> None:
    import datasets

    rows = datasets.Dataset.from_dict({"text": ["One.", "Two."], "question": ["What?", "When?"]})
    rows.save_to_disk(str(tmp_path / "plain"))
    plain = open_input(str(tmp_path / "plain"), (), None)
    assert [text for _, _, text in asks(plain)] == ["One.", "Two."] and plain.check(everything) == 2
    both = datasets.DatasetDict({"train": rows, "test": rows.select([1])})
    both.save_to_disk(str(tmp_path / "both"))
    assert len(ids(open_input(str(tmp_path / "both"), (), None, "test"))) == 1
    with pytest.raises(UsageError, match="give one of its splits with --split: train, test"):
        ids(open_input(str(tmp_path / "both"), (), None))
    with pytest.raises(UsageError, match="there is no 'dev'"):
        ids(open_input(str(tmp_path / "both"), (), None, "dev"))
    with pytest.raises(UsageError, match="has no splits"):
        ids(open_input(str(tmp_path / "plain"), (), None, "test"))


def test_a_folder_of_data_with_its_card_is_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\nA card.\n")
    rows = datasets.Dataset.from_dict({"text": ["One.", "Two."]})
    rows.to_json(str(folder / "data" / "train.jsonl"))
    capfd.readouterr()
    given = open_input(str(folder), Q, None)
    assert [text for _, _, text in asks(given)] == ["One.", "Two."]
    assert capfd.readouterr() == ("", ""), "its bars are shown in a pipe"
    with pytest.raises(UsageError, match="there is no 'test'; give one of its splits"):
        ids(open_input(str(folder), Q, None, "test"))
    (folder / "data" / "train.jsonl").write_text("{")
    with pytest.raises(UsageError, match="files cannot be read as a data set"):
        ids(open_input(str(folder), Q, None))
    (folder / "a.txt").write_text("A document.")
    assert [source for source, _, _ in asks(open_input(str(folder), Q, None))] == [
        str(folder / "README.md"),
        str(folder / "a.txt"),
    ]


def test_a_split_of_what_has_none_is_refused(jsonl: Callable[..., str], tmp_path: Path) -> None:
    name = jsonl({"text": "One."})
    (tmp_path / "a.txt").write_text("A document.")
    for given in (name, str(tmp_path), str(tmp_path / "*.txt"), "-"):
        with pytest.raises(UsageError, match="has no splits"):
            open_input(given, Q, io.BytesIO(b"a.txt"), "train")


def test_a_byte_order_mark_is_no_part_of_the_rows(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbf{"id": "a", "text": "One."}\r\n'
    (tmp_path / "in.jsonl").write_bytes(data)
    assert ids(open_input(str(tmp_path / "in.jsonl"), Q, None)) == ["a"]
    assert ids(open_input("-", Q, io.BytesIO(data))) == ["a"]
    assert asks(open_input("-", Q, io.BytesIO(b"\xef\xbb\xbfa.txt\r\n")))[0][0] == "a.txt"


def test_a_data_set_that_the_hub_does_not_give(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def refuse(name: str) -> None:
        raise ConnectionError("offline\nmore")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(UsageError, match=r"nobody/nothing: .*ConnectionError: offline\); check"):
        ids(open_input("nobody/nothing", Q, None))


def test_a_data_set_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    rows = datasets.Dataset.from_dict({"text": ["One."]})
    monkeypatch.setattr(datasets, "load_dataset", lambda name: datasets.DatasetDict(train=rows))
    assert asks(open_input("some/set", Q, None))[0][1:] == ("Who?", "One.")


def test_a_folder_and_a_pattern(tmp_path: Path) -> None:
    for name in ("b.txt", "a.md", "deep/er/c.pdf", "deep/d.zip", "LICENSE"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    given = open_input(str(tmp_path), ("Who?", "What?"), None)
    found = [Path(source).relative_to(tmp_path).as_posix() for source, _, _ in asks(given)]
    assert found == ["a.md", "a.md", "b.txt", "b.txt", "deep/er/c.pdf", "deep/er/c.pdf"]
    assert given.warnings == (f"{tmp_path}: files left out: 1 with .zip, 1 with no suffix",)
    pattern = open_input(str(tmp_path / "**" / "*.pdf"), Q, None)
    assert [Path(source).name for source, _, _ in asks(pattern)] == ["c.pdf"]
    assert len(asks(open_input(str(tmp_path / "b.txt"), Q, None))) == 1
    with pytest.raises(UsageError, match="with -q"):
        open_input(str(tmp_path), (), None)
    with pytest.raises(UsageError, match="no file has such a name"):
        open_input(str(tmp_path / "*.docx"), Q, None)


def test_a_mistaken_path_is_not_asked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("nobody/rows.jsonl", "corpus/nothing"):
        with pytest.raises(UsageError, match=f"{name}: there is nothing of this name"):
            open_input(name, Q, None)


@pytest.mark.parametrize("name", ["nothing", "missing.jsonl"])
def test_what_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is nothing of this name; give a \.jsonl"):
        open_input(str(tmp_path / name), Q, None)
    (tmp_path / "table.xlsx").write_text("")
    with pytest.raises(UsageError, match="cannot be used as an input"):
        open_input(str(tmp_path / "table.xlsx"), Q, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no document in it"):
        open_input(str(tmp_path / "empty"), Q, None)


@pytest.mark.parametrize("data", [b"a.txt\nb c.txt\r\n\na.txt\n", b"a.txt\0b c.txt\0"])
def test_paths_on_standard_input(data: bytes) -> None:
    given = open_input("-", Q, io.BytesIO(data))
    for _ in range(2):  # it can be gone through again
        assert [source for source, _, _ in asks(given)] == ["a.txt", "b c.txt"]


def test_a_name_that_is_no_text_is_still_a_path(tmp_path: Path) -> None:
    import os

    path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    try:
        with open(path, "w") as file:
            file.write("The rent is due.")
    except OSError:
        pytest.skip("this file system takes names of UTF-8 only")
    ((source, _, _),) = asks(open_input("-", Q, io.BytesIO(path)))
    assert Ask(source, "Who?").document().text == "The rent is due."


def test_lines_of_chunk_and_answer_on_standard_input() -> None:
    lines = [
        {"schema": "foldctx.chunk/1", "source": "a.pdf", "index": k, "text": "Same.", "tokens": 2}
        for k in range(2)
    ]
    answer = {"schema": "foldctx.answer/1", "id": "x", "source": "a.pdf", "question": "What?"}
    data = b"\n".join(json.dumps(line).encode() for line in [*lines, answer])
    given = open_input("-", Q, io.BytesIO(b" \n" + data))
    assert asks(given) == [
        ("a.pdf", "Who?", "Same."),
        ("a.pdf", "Who?", "Same."),
        ("a.pdf", "What?", None),
    ]
    assert given.check(everything) == 3 and ids(given)[2] == "x"


@pytest.mark.parametrize(("data", "message"), [(b"\n \n", "no paths"), (None, "closed")])
def test_standard_input_without_anything(data: bytes | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_input("-", Q, None if data is None else io.BytesIO(data))


def test_a_row_cannot_read_standard_input() -> None:
    with pytest.raises(DocumentError, match="a row cannot read standard input"):
        Ask("-", "Who?").document()
