"""The public reference code's logits and hidden states, reproduced by a loaded checkpoint."""

import copy
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from foldctx.models import Model, load_model
from foldctx.models.forward import Feed, hidden_states
from tests.models.checkpoints import write_tokenizer

GOLDEN = Path(__file__).parents[1] / "golden" / "llada_tiny"
TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The golden checkpoint, which comes without a tokenizer."""
    folder = tmp_path_factory.mktemp("llada_tiny")
    for name in ("config.json", "model.safetensors"):
        shutil.copy(GOLDEN / name, folder / name)
    write_tokenizer(folder / "tokenizer.json", specials=())
    return load_model(folder, device="cpu")


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return load_file(GOLDEN / "logits.safetensors")


def rows_of(expected: dict[str, Tensor], case: str) -> tuple[list[Tensor], list[Feed]]:
    """Positions that are no padding, and the feeds of the batch: padding is dropped, not masked."""
    ids = expected[f"{case}_input_ids"].long()
    mask = expected.get(f"{case}_attention_mask", torch.ones_like(ids))
    kept = [row.nonzero().flatten() for row in mask]
    rows = zip(ids, kept, strict=True)
    return kept, [Feed(tokens[at], at, torch.arange(len(at))) for tokens, at in rows]


@pytest.mark.parametrize("case", ["full", "masked", "leftpad", "rightpad"])
def test_logits(model: Model, expected: dict[str, Tensor], case: str) -> None:
    kept, feeds = rows_of(expected, case)
    for i, logits in enumerate(model.predict(feeds)):
        reference = expected[f"{case}_logits"][i, kept[i]]
        assert (logits - reference).abs().max() < TOLERANCE
        assert torch.equal(logits.argmax(-1), reference.argmax(-1))


def test_padding_matters_in_the_case(expected: dict[str, Tensor]) -> None:
    """The left-padded case would not hold if the padding were read as text."""
    ignored = expected["leftpad_logits_if_mask_is_ignored"][0, 10:]
    assert (ignored - expected["leftpad_logits"][0, 10:]).abs().max() > 100 * TOLERANCE


def test_ids(model: Model) -> None:
    info = model.info
    assert (info.mask_id, info.eos_id, info.window) == (500, 501, 256)
    assert info.vocab_size == 640


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_hidden_states(model: Model, expected: dict[str, Tensor], layers: int) -> None:
    """Inputs of each block, and the output of the final norm."""
    _, feeds = rows_of(expected, "masked")
    network = copy.copy(model.transformer)
    network._modules = dict(model.transformer._modules)
    network.blocks = model.transformer.blocks[:layers]
    if layers < 3:
        network.ln_f = nn.Identity()  # type: ignore[assignment]
    with torch.inference_mode():
        rows, _ = hidden_states(network, feeds, every_row=True)
    reference = expected[f"masked_hidden_state_{layers}"].flatten(0, 1)
    assert (rows - reference).abs().max() < TOLERANCE
