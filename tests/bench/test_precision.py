"""Forms of the weights against float32: what is compared, and that a worse form is seen."""

import pytest
import torch

from foldctx.documents import text_document
from foldctx.errors import UsageError
from foldctx.models import Model, load_model
from foldctx.models.placement import Placement
from foldctx.records import validate
from foldctx_pipelines.bench.precision import (
    Asked,
    Beside,
    compare_forms,
    placement_of,
    steps,
    weight_bytes,
)

TEXT = "The night porter is Ada Quill. The hoist is inspected by Vantry Lifting Services."
ASKED = [
    Asked(text_document("note", TEXT), {"Who is the night porter?": ("Ada Quill",), "Why?": ()})
]


def load(form: Placement) -> Model:
    return load_model("embedded", device="cpu", dtype=form.dtype, quantize=form.quantize)


def test_forms_by_name() -> None:
    assert placement_of("float32") == Placement(dtype="float32")
    assert placement_of("bfloat16") == Placement(dtype="bfloat16")
    assert placement_of("int8") == Placement(dtype="float32", quantize="int8")
    assert placement_of("float16+int8") == Placement(dtype="float16", quantize="int8")
    for name in ("int4", "float32+bfloat16", "int8+int8", "", "auto"):
        with pytest.raises(UsageError, match=f"form '{name.replace('+', '.')}': give a type"):
            placement_of(name)


def test_divergence_is_that_of_the_distributions() -> None:
    wanted = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    found = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    beside = Beside()
    beside.see(wanted, found)
    p = wanted[0].softmax(-1)
    expected = float((p * (p / found[0].softmax(-1)).log()).sum())
    assert (beside.rows, beside.top) == (2, 1)
    assert beside.kl == pytest.approx(expected, abs=1e-6)


def test_a_form_beside_float32() -> None:
    forms = ["float32", "bfloat16"]
    events = list(compare_forms(load, forms, ASKED, cases=6, compared=2, length=160))
    records = [event for event in events if not isinstance(event, str)]
    assert len(events) - len(records) == steps(forms, ASKED, 6, 2)
    for record in records:
        validate(record)
    base, half = records
    assert (base["agreement"], base["difference"], base["same_answers"]) == (1.0, 0.0, 2)
    assert (base["kl"], base["kl_rows"], base["known_answers"]) == (None, 0, 1)
    assert half["weight_bytes"] == base["weight_bytes"] / 2
    assert 0 < half["kl"] < 0.05 and half["kl_rows"] > 10 and half["top"] > 0.9
    assert half["agreement"] > 0.8
    assert half["dtype"] == "bfloat16" and half["quantize"] is None


def test_a_form_that_is_worse_is_seen() -> None:
    def bent(form: Placement) -> Model:
        model = load(form)
        if form.dtype == "bfloat16":
            for layer in model.transformer.layers:
                layer.ff_out.weight.zero_()
        return model

    found = []
    for how in (load, bent):
        *_, record = compare_forms(how, ["bfloat16"], [], cases=8, compared=8, length=160)
        assert isinstance(record, dict)
        found.append(record)
    sound, worse = found
    assert worse["kl"] > 0.1 and worse["kl"] > 50 * sound["kl"]
    assert worse["top"] < sound["top"]


def test_int8_weights_are_counted_as_they_lie() -> None:
    pytest.importorskip("torchao", reason="foldctx[quantize] is not installed")
    plain, small = (load_model("embedded", device="cpu", quantize=q) for q in (None, "int8"))
    inside = sum(
        weight.numel()
        for layer in plain.transformer.layers
        for weight in layer.parameters()
        if weight.ndim > 1
    )
    saved = weight_bytes(plain) - weight_bytes(small)
    assert 0.98 * 3 * inside < saved < 3 * inside  # 4 bytes become 1, and scales
