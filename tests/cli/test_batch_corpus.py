"""A corpus of small documents through the installed command, with the embedded reader."""

import random
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Run, records
from tests.cli.test_batch import sealed

FILLER = (
    "The road from the station takes about a quarter of an hour on foot.",
    "In winter the paths are cleared before eight in the morning.",
    "Visitors leave their coats at the desk beside the stairs.",
    "Most of the benches were given by people of the village.",
    "Groups are asked to write two weeks before they come.",
    "There is a bus every hour, and none on Sundays.",
    "The lamps were replaced and use less power now.",
    "Dogs have to wait at the gate.",
)


def small_documents(path: Path, count: int) -> Path:
    """Pages of 4 to 10 sentences, one of which says when a museum was opened."""
    with path.open("wb") as file:
        for i in range(count):
            chance = random.Random(i)
            place = chance.choice(("Kirk", "Mill", "Rose", "Thorn")) + chance.choice(
                ("ford", "ley")
            )
            text = [f"The museum of {place} was opened in {chance.randrange(1850, 2020)}."]
            text += chance.sample(FILLER, 3) + chance.choices(FILLER, k=chance.randrange(7))
            chance.shuffle(text)
            asked = f"In which year was the museum of {place} opened?"
            row = {"id": str(i), "question": asked, "text": " ".join(text)}
            file.write(orjson.dumps(row) + b"\n")
    return path


@pytest.mark.slow
def test_many_small_documents_together_are_read_alike_and_in_bounded_memory(
    run: Run, tmp_path: Path
) -> None:
    corpus = small_documents(tmp_path / "corpus.jsonl", 160)
    hashes = []
    for rows in (1, 16):
        folder = tmp_path / f"rows {rows}"
        done = run("batch", corpus, "-o", folder, "--rows", str(rows), "--quiet")
        assert done.returncode == 0 and records(done)[0]["done"] == 160, done.stderr.decode()
        found = sealed(folder)
        hashes.append([record["canonical_sha256"] for record in found])
        peaks = sorted(record["usage"]["peak_memory"] for record in found)  # as they were made
        assert peaks[-1] < 1.2 * peaks[len(peaks) // 4]
    assert hashes[0] == hashes[1]
