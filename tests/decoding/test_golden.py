"""The decoder and the forward against the reference code's outputs."""

import shutil
from pathlib import Path

import orjson
import pytest
import torch
from safetensors.torch import load_file, save_file

from foldctx_pipelines import golden

GOLDEN = Path(__file__).parents[1] / "golden"


def test_every_case_equals_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert golden.main([str(GOLDEN)]) == 0
    assert (
        capsys.readouterr().out
        == "left out sparse_dllm/sparse_03: 2 selections hang on a tie at the cut\n95 passed, 0 failed, 1 left out\n"
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("llada_tiny", "llada_gen"):
        shutil.copytree(GOLDEN / name, tmp_path / "golden" / name)
    return tmp_path / "golden"


def test_a_wrong_token_and_a_wrong_count_fail_by_name(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / "llada_gen" / "manifest.json"
    manifest = orjson.loads(path.read_bytes())
    manifest["cases"] = manifest["cases"][:3]
    manifest["cases"][0]["generated_ids"][0][5] += 1
    manifest["cases"][1]["filled_at_call"][0][7] += 1
    manifest["cases"][2]["forward_calls"] += 1
    path.write_bytes(orjson.dumps(manifest))
    (copy / "another_tiny").mkdir()
    assert golden.main([str(copy)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "another_tiny: not covered"
    assert out[1].startswith("FAILED llada_gen/case00: row 0: token ")
    assert out[2].startswith("FAILED llada_gen/case01: row 0: filled_at_call ")
    assert out[3] == "FAILED llada_gen/case02: 33 forwards, got 32"
    assert out[-1] == "9 passed, 3 failed"


def test_logits_of_other_weights_fail(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / "llada_gen")
    path = copy / "llada_tiny" / "model.safetensors"
    weights = load_file(path)
    weights["model.transformer.wte.weight"] += 1e-3 * torch.ones(64)
    save_file(weights, path)
    assert golden.main([str(copy)]) == 1
    assert "FAILED llada_tiny/full_logits: differs by " in capsys.readouterr().out


def spoil(folder: Path, name: str) -> None:
    """Add to one value of an array of the vectors."""
    arrays = load_file(folder / "logits.safetensors")
    arrays[name].view(-1)[7] += 1
    save_file(arrays, folder / "logits.safetensors")


def test_what_is_wrong_with_a_family_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("dream_tiny", "llada2_moe_tiny"):
        shutil.copytree(GOLDEN / name, tmp_path / name)
        path = tmp_path / name / "manifest.json"
        manifest = orjson.loads(path.read_bytes())
        cases = manifest["generation_cases"] = manifest["generation_cases"][:3]
        cases[0]["generated_ids"][0][5] += 1
        if name == "dream_tiny":
            cases[1]["filled_at_step"][0][7] += 1
            cases[2]["temperature"] = 0.5
        else:
            cases[1]["fed_lengths"][2] += 8
            cases[2]["forward_calls"] += 1
        path.write_bytes(orjson.dumps(manifest))
    spoil(tmp_path / "dream_tiny", "full_logits")
    spoil(tmp_path / "llada2_moe_tiny", "masked_hidden_state_2")
    spoil(tmp_path / "llada2_moe_tiny", "masked_layer1_expert_ids")
    spoil(tmp_path / "llada2_moe_tiny", "masked_layer2_expert_weights")
    assert golden.main([str(tmp_path)]) == 1
    told = capsys.readouterr().out.splitlines()
    expected = [
        "FAILED dream_tiny/full_logits: differs by 1.00e+00",
        "FAILED dream_tiny/dream_00: row 0: token ",
        "FAILED dream_tiny/dream_01: row 0: filled_at_step ",
        "left out dream_tiny/dream_02: draws random numbers",
        "FAILED llada2_moe_tiny/masked_hidden_state_2: differs by 1.00e+00",
        "FAILED llada2_moe_tiny/masked_layer1_experts: token 1: experts ",
        "FAILED llada2_moe_tiny/masked_layer2_experts: weights differ by 1.00e+00",
        "FAILED llada2_moe_tiny/llada2_00: row 0: token ",
        "FAILED llada2_moe_tiny/llada2_00, exact cache: row 0: token ",
        "FAILED llada2_moe_tiny/llada2_01: fed ",
        "FAILED llada2_moe_tiny/llada2_02: ",
        "FAILED llada2_moe_tiny/llada2_02, exact cache: ",
    ]
    assert len(told) == len(expected) + 1
    for line, start in zip(told, expected, strict=False):
        assert line.startswith(start)


@pytest.mark.parametrize(
    "folder, drawn",
    [
        ("dream_tiny", {"temperature": 0.5}),
        ("dream_tiny", {"alg_temp": 0.5}),
        ("dream_tiny", {"alg": "origin"}),
        ("llada2_moe_tiny", {"temperature": 0.5}),
    ],
)
def test_drawn_cases_are_named_and_counted_as_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str, drawn: dict[str, object]
) -> None:
    shutil.copytree(GOLDEN / folder, tmp_path / folder)
    path = tmp_path / folder / "manifest.json"
    manifest = orjson.loads(path.read_bytes())
    cases = manifest["generation_cases"] = manifest["generation_cases"][:2]
    cases[0] |= drawn
    path.write_bytes(orjson.dumps(manifest))
    assert golden.main([str(tmp_path)]) == 0
    reason = "draws random numbers of torch's global generator"
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"left out {folder}/{cases[0]['id']}: {reason}"
    assert len(told) == 2 and told[1].endswith(" passed, 0 failed, 1 left out")


def test_a_folder_without_vectors_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert golden.main([str(tmp_path)]) == 2
    assert golden.main([str(tmp_path / "none")]) == 2
    assert golden.main([]) == 2
    err = capsys.readouterr().err
    assert "holds none of the folders llada_tiny, llada_gen, fast_dllm" in err
    assert "no such folder" in err


@pytest.mark.parametrize(
    "folder, field, value, told",
    [
        ("fast_dllm", "positions_fed", [[[0, 1]]], "other positions fed in forwards [0]"),
        ("streaming", "forward_calls", 3, "3 forwards, got"),
        ("prophet", "exit_info", {"early_exit_triggered": False}, "but it finished by converged"),
        ("sparse_dllm", "fed_lengths", [1], "[1] tokens fed, got"),
        ("sparse_dllm", "kept", [], "other keys kept"),
        ("dllm_cache", "selected", [], "other rows selected"),
    ],
)
def test_each_kind_of_difference_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    field: str,
    value: object,
    told: str,
) -> None:
    for name in ("llada_tiny", folder):
        shutil.copytree(GOLDEN / name, tmp_path / name)
    for path in (tmp_path / folder).glob("manifest*.json"):
        manifest = orjson.loads(path.read_bytes())
        manifest["cases"][0][field] = value
        manifest["cases"] = manifest["cases"][:1]
        path.write_bytes(orjson.dumps(manifest))
    assert golden.main([str(tmp_path)]) == 1
    assert told in capsys.readouterr().out
