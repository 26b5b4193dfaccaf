"""Hub names: the cache of an earlier download, no network, and what is said when there is none."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from foldctx.errors import ModelError
from foldctx.models.checkpoint import locate
from foldctx.models.hub import is_hub_name
from tests.models.checkpoints import write_checkpoint
from tests.models.test_load import run_python

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def load_offline(home: Path, name: str, arguments: str = "") -> list[Any]:
    """What loading a hub name gives in an interpreter that may not download."""
    code = (
        "import json, sys\nfrom foldctx.errors import FoldctxError\n"
        "from foldctx.models import load_model\n"
        "try:\n"
        f"    info = load_model({name!r}, device='cpu'{arguments}).info\n"
        "    print(json.dumps([info.name, info.revision, info.window]))\n"
        "except FoldctxError as error:\n"
        "    print(json.dumps([type(error).__name__, str(error), 'torch' in sys.modules]))"
    )
    told: list[Any] = json.loads(run_python(code, HF_HOME=str(home), HF_HUB_OFFLINE="1"))
    return told


def test_offline_from_the_cache(tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--someone--tiny-llada"
    write_checkpoint(repository / "snapshots" / COMMIT, shards=2)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    assert load_offline(tmp_path, "someone/tiny-llada") == ["someone/tiny-llada", COMMIT, 64]


def test_offline_and_not_in_the_cache(tmp_path: Path) -> None:
    kind, message, torch_loaded = load_offline(tmp_path, "someone/else", ", revision='v2'")
    assert kind == "ModelError"
    assert message.startswith("someone/else at revision 'v2' is not a folder here and cannot be")
    assert "HF_HUB_OFFLINE" in message
    assert "pass the folder" in message
    assert not torch_loaded


def test_only_data_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def snapshot_download(name: str, **given: Any) -> str:
        asked.update(given, name=name)
        return str(tmp_path / "snapshots" / COMMIT)

    client = types.SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    assert locate("owner/name", "v1") == (tmp_path / "snapshots" / COMMIT, COMMIT)
    assert asked == {
        "name": "owner/name",
        "revision": "v1",
        "allow_patterns": ["*.json", "*.safetensors", "merges.txt"],
    }


def test_a_failing_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(name: str, **given: Any) -> str:
        raise RuntimeError("the connection fell over\nand more")

    client = types.SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    with pytest.raises(ModelError, match=r"owner/name .*RuntimeError: the connection fell over\)"):
        locate("owner/name")


def test_a_folder_wins_over_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert locate("owner/name") == (Path("owner/name"), None)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("GSAI-ML/LLaDA-8B-Instruct", True),
        ("GSAI-ML/LLaDA-1.5", True),
        ("embedded", False),
        ("./folder/name", False),
        ("../name", False),
        ("/root/name", False),
        ("owner/name/more", False),
        ("owner/", False),
    ],
)
def test_the_form_of_a_hub_name(name: str, is_one: bool) -> None:
    assert is_hub_name(name) is is_one
