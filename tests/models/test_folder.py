"""What else a model folder says: hash of the weights, calibration, template."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from foldctx.models import read_checkpoint
from foldctx.models.checkpoint import EMBEDDED_FOLDER
from foldctx.models.weights import read_weights
from tests.models.checkpoints import CONFIG, random_network, save_weights, stored_tensors
from tests.models.checkpoints import write_checkpoint as write

TEMPLATES = Path(__file__).parents[2] / "foldctx" / "folding" / "templates"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_hash_of_one_file_is_its_sha256(tmp_path: Path) -> None:
    write(tmp_path)
    assert read_checkpoint(tmp_path).info.weights_sha256 == sha256(tmp_path / "model.safetensors")


def test_hash_of_shards_is_that_of_their_list(tmp_path: Path) -> None:
    write(tmp_path, shards=2)
    files = sorted(tmp_path.glob("*.safetensors"))
    lines = "".join(f"{sha256(file)}  {file.name}\n" for file in files)
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert read_checkpoint(tmp_path).info.weights_sha256 == expected


@pytest.mark.parametrize("shards", [1, 2])
def test_hash_of_a_big_model_reads_the_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    """Two trainings of one network have equal headers and sizes, and must not share a hash."""
    monkeypatch.setattr("foldctx.models.weights.WHOLE_HASH_LIMIT", 1000)
    monkeypatch.setattr("foldctx.models.weights._TAIL", 64)
    hashes = []
    for seed in (0, 1, 0):
        save_weights(tmp_path, stored_tensors(random_network(CONFIG, seed)), shards)
        hashes.append(read_weights(tmp_path).sha256())
    assert hashes[0] == hashes[2] != hashes[1]
    if shards == 1:
        file = tmp_path / "model.safetensors"
        data = file.read_bytes()
        ends = data[: 8 + int.from_bytes(data[:8], "little")] + data[-64:]
        line = f"{hashlib.sha256(ends).hexdigest()}  {len(data)}  {file.name}\n"
        assert hashes[0] == hashlib.sha256(line.encode()).hexdigest()


def test_a_recorded_hash_is_believed_of_the_embedded_reader_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    (tmp_path / "foldctx.json").write_text(json.dumps({"weights_sha256": "0" * 64}))
    true = sha256(tmp_path / "model.safetensors")
    assert read_checkpoint(tmp_path).info.weights_sha256 == true
    monkeypatch.setattr("foldctx.models.checkpoint.EMBEDDED_FOLDER", tmp_path)
    assert read_checkpoint("embedded").info.weights_sha256 == "0" * 64


@pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this tree has no embedded reader")
def test_the_embedded_readers_recorded_hash_is_true() -> None:
    recorded = json.loads((EMBEDDED_FOLDER / "foldctx.json").read_text())["weights_sha256"]
    assert recorded == read_weights(EMBEDDED_FOLDER).sha256()


def test_without_calibration(tmp_path: Path) -> None:
    write(tmp_path)
    found = read_checkpoint(tmp_path)
    assert found.calibration == {}
    assert found.prompts_source == TEMPLATES / "llada.toml"
    assert found.prompts_source.is_file()


def test_calibration_is_handed_on(tmp_path: Path) -> None:
    write(tmp_path)
    form: dict[str, Any] = {
        "template": "reader.toml",
        "skip_threshold": 0.97,
        "abstain_threshold": None,
        "memory_tokens": 120,
        "more": {"a": [1]},
    }
    (tmp_path / "foldctx.json").write_text(json.dumps(form))
    found = read_checkpoint(tmp_path)
    assert found.calibration == form
    assert found.prompts_source == TEMPLATES / "reader.toml"


def test_a_template_in_the_folder_comes_first(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "prompts").mkdir()
    for name in ("reader.toml", "prompts/mine.toml"):
        (tmp_path / name).write_text("")
        (tmp_path / "foldctx.json").write_text(json.dumps({"template": name}))
        assert read_checkpoint(tmp_path).prompts_source == tmp_path / name


def test_parameters_count_a_tied_head_once(tmp_path: Path) -> None:
    write(tmp_path, weight_tying=True, dtype=torch.float16)
    info = read_checkpoint(tmp_path).info
    assert info.parameters == 300 * 32 + 32 + 2 * (2 * 32 + 4 * 32 * 32 + 3 * 32 * 48)
