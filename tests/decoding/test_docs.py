"""The worked example of docs/adding-a-method.md is run as it is printed."""

import re
from pathlib import Path

import pytest

import foldctx.decoding
from foldctx.decoding import decode_one, parts, preset, preset_options
from foldctx.errors import UsageError
from tests.decoding.toys import MASK, RandomModel, request

TEXT = (Path(__file__).parents[2] / "docs" / "adding-a-method.md").read_text("utf-8")


def test_one_file_and_one_line_add_a_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, line = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    (tmp_path / "halving.py").write_text(module)
    monkeypatch.setattr(foldctx.decoding, "__path__", [*foldctx.decoding.__path__, str(tmp_path)])
    for name, part in eval(f"{{{line}}}", vars(parts)).items():
        monkeypatch.setitem(parts.COMMITS, name, part)  # type: ignore[arg-type]
    by = preset("fast-dllm", commit="halving", block_length=8)
    result = decode_one(RandomModel(), request("a", 4, 8), by)
    assert sorted(result.filled_at) == [0, 0, 0, 0, 1, 1, 2, 3] and MASK not in result.tokens
    assert by.describe()["commit"] == {"kind": "Halving", "share": 0.5}
    with pytest.raises(UsageError, match="share='half' is not of type float or int"):
        preset("exact", commit="halving", share="half")
    with pytest.raises(UsageError, match=r"share=0\.0 is not a share"):
        preset("exact", commit="halving", share=0.0)


def test_the_loop_and_the_walk_name_no_method() -> None:
    root = Path(foldctx.decoding.__file__).parents[1]
    members = {
        part.home.partition(":")[2] for seam in parts.SEAMS.values() for part in seam.values()
    }
    for path in ("decoding/loop.py", "decoding/row.py", "models/forward.py"):
        text = (root / path).read_text("utf-8")
        assert not [name for name in members if re.search(rf"\b{name}\b", text)]


def test_every_preset_and_compat_option_is_described() -> None:
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text("utf-8")
    for name in foldctx.decoding.PRESET_NAMES:
        assert f"`{name}`" in text
    options = {key for name in foldctx.decoding.PRESET_NAMES for key in preset_options(name)}
    assert {key for key in options if key.startswith("compat_")} <= set(
        re.findall(r"`(\w+)=", text)
    )
