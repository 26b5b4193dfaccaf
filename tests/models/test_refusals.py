"""Bad input is refused before torch is imported, naming the file and the way out."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from foldctx.errors import ModelError
from foldctx.models import load_model
from tests.models.checkpoints import (
    CONFIG,
    random_network,
    save_weights,
    stored_tensors,
    write_checkpoint,
    write_tokenizer,
)
from tests.models.test_load import run_python


def config(**fields: Any) -> Callable[[Path], object]:
    return lambda folder: write_config(folder, {**CONFIG, **fields})


def write_config(folder: Path, form: Any) -> None:
    (folder / "config.json").write_text(json.dumps(form))


def removed(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def written(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


def renamed(to: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.safetensors").rename(folder / to)


def sharded(spoil: Callable[[Path, dict[str, Any]], None]) -> Callable[[Path], object]:
    """Cut the weights into three shards and do something to the folder and its index."""

    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        save_weights(folder, stored_tensors(random_network(CONFIG)), shards=3)
        index = json.loads((folder / "model.safetensors.index.json").read_text())
        spoil(folder, index)
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return change


def lose_a_shard(folder: Path, index: dict[str, Any]) -> None:
    (folder / "model-00002-of-00003.safetensors").unlink()


def point_outside(folder: Path, index: dict[str, Any]) -> None:
    index["weight_map"]["x"] = "../model.safetensors"


def lose_the_map(folder: Path, index: dict[str, Any]) -> None:
    del index["weight_map"]


def repeat_a_tensor(folder: Path, index: dict[str, Any]) -> None:
    shutil.copy(folder / "model-00001-of-00003.safetensors", folder / "again.safetensors")
    index["weight_map"]["x"] = "again.safetensors"


def cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


CASES: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "no config": (removed("config.json"), r"config\.json: no such file"),
    "config is no JSON": (written("config.json", b"{"), r"config\.json: cannot be read as JSON"),
    "config is no text": (written("config.json", b"\xff\xfe"), r"config\.json: cannot be read"),
    "config is a list": (written("config.json", b"[]"), r"expected a JSON object, found list"),
    "another architecture": (
        config(architectures=["LlamaForCausalLM"], model_type="llama"),
        r"LlamaForCausalLM.*'llama' is not a model.*supported: llada \(architectures LLaDAModelLM",
    ),
    "architectures decide": (config(architectures=["Other"]), r"\['Other'\], model_type='llada'"),
    "no architecture": (
        lambda folder: write_config(folder, {}),
        r"architectures=None, model_type=None",
    ),
    "another network": (config(alibi=True), r"config\.json: alibi=True is not LLaDA's"),
    "a size is missing": (
        lambda folder: write_config(folder, {k: v for k, v in CONFIG.items() if k != "d_model"}),
        r"config\.json has no field 'd_model'",
    ),
    "a size is text": (config(n_layers="two"), r"config\.json: a size is not a number"),
    "a size is null": (config(d_model=None), r"config\.json: a size is not a number"),
    "no heads": (config(n_heads=0), r"heads=0; a network has at least 1"),
    "no kv heads": (config(n_kv_heads=0), r"kv_heads=0; a network has at least 1"),
    "heads do not divide": (config(n_heads=5), r"d_model=32 is not a multiple of n_heads=5"),
    "kv heads do not divide": (config(n_kv_heads=3), r"not a multiple of n_kv_heads=3"),
    "fewer rows than tokens": (config(embedding_size=9), r"embedding_size=9 is less than"),
    "no window": (config(max_sequence_length=None), r"config\.json: max_sequence_length=None"),
    "a window of one": (config(max_sequence_length=1), r"config\.json: max_sequence_length=1"),
    "quantised": (config(quantization_config={"bits": 4}), r"quantised checkpoints are not read"),
    "pickle only": (
        renamed("pytorch_model.bin"),
        r"pytorch_model\.bin but no model\.safetensors; only safet",
    ),
    "no weights": (removed("model.safetensors"), r"no weights here"),
    "loose shard": (
        renamed("model-00001-of-00002.safetensors"),
        r"neither model\.safetensors nor .*index",
    ),
    "shard missing": (
        sharded(lose_a_shard),
        r"1 of 3 shards are missing: model-00002-of-00003\.safetensors",
    ),
    "shard outside": (sharded(point_outside), r"names '\.\./model\.safetensors'"),
    "no weight map": (sharded(lose_the_map), r"index\.json: has no weight_map"),
    "tensor twice": (sharded(repeat_a_tensor), r"tensor model\.transformer\S+ is in \S+ too"),
    "cut short": (cut_short, r"model\.safetensors: has \d+ bytes where .* download it again"),
    "LFS pointer": (
        written("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n"),
        r"is a Git LFS pointer.*git lfs pull",
    ),
    "empty weights": (written("model.safetensors", b""), r"is not a safetensors file"),
    "damaged header": (
        written("model.safetensors", (9).to_bytes(8, "little") + b"not JSON!"),
        r"header is damaged",
    ),
    "no tokenizer": (removed("tokenizer.json"), r"tokenizer\.json: no such file.*hub page"),
    "tokenizer is no JSON": (written("tokenizer.json", b"x"), r"not a tokenizer\.json"),
    "tokenizer of another kind": (written("tokenizer.json", b"{}"), r"cannot be built"),
    "tokenizer too large": (
        lambda folder: write_tokenizer(folder / "tokenizer.json", [f"<{i}>" for i in range(45)]),
        r"tokenizer\.json has 301 tokens and config\.json vocab_size=300",
    ),
    "calibration is no JSON": (written("foldctx.json", b"-"), r"foldctx\.json: cannot be read"),
    "threshold above one": (
        written("foldctx.json", b'{"skip_threshold": 1.5}'),
        r"skip_threshold=1\.5; give a prob",
    ),
    "threshold is text": (
        written("foldctx.json", b'{"abstain_threshold": "0.1"}'),
        r"abstain_threshold='0\.1'",
    ),
    "no memory": (written("foldctx.json", b'{"memory_tokens": 0}'), r"memory_tokens=0; give a num"),
    "template is a number": (written("foldctx.json", b'{"template": 3}'), r"template=3 is not"),
    "template unknown": (
        written("foldctx.json", b'{"template": "x.toml"}'),
        r"'x\.toml' is neither.*reader\.toml",
    ),
    "template outside": (
        written("foldctx.json", b'{"template": "../x.toml"}'),
        r"points outside the model's folder",
    ),
}

NAMES: Mapping[str, str] = {
    "nothing": r"UsageError no model 'nothing': give 'embedded', a folder.*LLaDA-8B-Instruct",
    "/no/such/folder": r"UsageError no model '/no/such/folder'",
    "a/b/c": r"UsageError no model 'a/b/c'",
    "": r"UsageError no model ''",
}

ARGUMENTS: Mapping[str, str] = {
    "device='gpu'": r"UsageError device='gpu': choose from auto, cpu, cuda, cuda:N",
    "dtype='int8'": r"UsageError dtype='int8': choose from auto, float32, bfloat16, float16",
    "revision='main'": r"UsageError revision='main': only models of the hub have one",
    "window=4096": r"UsageError window=4096: this model takes from 2 to 64 tokens",
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each call raises, by label, in an interpreter of its own that never loads torch."""
    root = tmp_path_factory.mktemp("refused")
    write_checkpoint(root / "good")
    calls = [(name, f"load_model({name!r})") for name in NAMES]
    calls += [(given, f"load_model(root + '/good', {given})") for given in ARGUMENTS]
    for i, (label, (spoil, _)) in enumerate(CASES.items()):
        folder = root / f"case{i}"
        shutil.copytree(root / "good", folder)
        spoil(folder)
        calls.append((label, f"load_model({str(folder)!r})"))
    code = (
        "import json, sys\nfrom foldctx.errors import FoldctxError\n"
        f"from foldctx.models import load_model\nroot, told = {str(root)!r}, {{}}\n"
        f"for label, call in {calls!r}:\n"
        "    try:\n        eval(call)\n        told[label] = 'nothing was raised'\n"
        "    except FoldctxError as error:\n"
        "        told[label] = f'{type(error).__name__} {error}'\n"
        "    assert 'torch' not in sys.modules, label\n"
        "print(json.dumps(told))"
    )
    told: dict[str, str] = json.loads(run_python(code))
    return told


@pytest.mark.parametrize("label", CASES)
def test_a_bad_folder(messages: dict[str, str], label: str) -> None:
    assert re.match(f"ModelError .*refused.*{CASES[label][1]}", messages[label]), messages[label]


@pytest.mark.parametrize(("label", "pattern"), [*NAMES.items(), *ARGUMENTS.items()])
def test_a_bad_argument(messages: dict[str, str], label: str, pattern: str) -> None:
    assert re.match(pattern, messages[label]), messages[label]


def test_tensors_that_do_not_fit(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    path, good = tmp_path / "model.safetensors", stored_tensors(random_network(CONFIG))
    wte, norm = "model.transformer.wte.weight", "model.transformer.ln_f.weight"
    changes = {
        f"1 tensors missing: {norm}": {k: v for k, v in good.items() if k != norm},
        "1 tensors unexpected: extra": {**good, "extra": torch.ones(1)},
        rf"1 tensors of another shape: {wte} \[9, 32\] instead of \[300, 32\]": {
            **good,
            wte: torch.ones(9, 32),
        },
        f"1 tensors of an unreadable type: {norm} I8": {
            **good,
            norm: torch.ones(32, dtype=torch.int8),
        },
        r"21 tensors missing: \S+, \S+, \S+, \.\.\.; 21 tensors unexpected": {
            k.removeprefix("model."): v for k, v in good.items()
        },
    }
    for pattern, tensors in changes.items():
        save_file(dict(tensors), path)
        with pytest.raises(ModelError, match=pattern):
            load_model(tmp_path, device="cpu")


def test_a_head_of_its_own_in_a_tied_model(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    write_config(tmp_path, {**CONFIG, "weight_tying": True})
    with pytest.raises(
        ModelError, match=r"1 tensors unexpected: model\.transformer\.ff_out\.weight"
    ):
        load_model(tmp_path, device="cpu")
