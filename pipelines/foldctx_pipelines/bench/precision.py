"""What a smaller form of the weights changes against float32: distributions, tokens, answers."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from foldctx.api import answer, calibration_of
from foldctx.decoding import Predictor
from foldctx.documents import Document
from foldctx.errors import UsageError
from foldctx.folding.prompts import Prompts
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo
from foldctx.models.load import Model
from foldctx.models.placement import DTYPES, QUANTIZE, Placement
from foldctx.records import PRECISION_SCHEMA
from foldctx_pipelines.bench.cases import make_cases
from foldctx_pipelines.bench.fidelity import Row, compared_tokens, run_cases
from foldctx_pipelines.bench.named import build_decoder
from foldctx_pipelines.bench.statistics import paired_difference
from foldctx_pipelines.scoring import contains_gold

BASELINE = "float32"
FORMS = ("float32", "bfloat16", "int8", "bfloat16+int8")


def placement_of(form: str) -> Placement:
    """`bfloat16`, `int8` or both joined by +; what is not named is float32, and not quantised."""
    types = [part for part in form.split("+") if part in DTYPES[1:]]
    bits = [part for part in form.split("+") if part in QUANTIZE]
    if len(types) > 1 or len(bits) > 1 or len(types) + len(bits) != len(form.split("+")):
        raise UsageError(
            f"form {form!r}: give a type ({', '.join(DTYPES[1:])}), {' or '.join(QUANTIZE)}, or one "
            "of each joined by +"
        )
    return Placement(dtype=[*types, BASELINE][0], quantize=bits[0] if bits else None)


def _named(forms: Sequence[str]) -> list[str]:
    """Each form once, the baseline first."""
    return list(dict.fromkeys([BASELINE, *forms]))


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions of a document, with their right answers where they are known."""

    document: Document
    questions: Mapping[str, tuple[str, ...]]


@dataclass(slots=True)
class Beside:
    """How far a form's distributions lie from the baseline's, over the rows of the same feeds."""

    kl: float = 0.0
    top: int = 0
    rows: int = 0

    def see(self, wanted: Tensor, found: Tensor) -> None:
        """Count the rows of one feed; logits (m, V) of the baseline and of the form."""
        own, base = (x.double().log_softmax(-1) for x in (found.to(wanted.device), wanted))
        self.kl += float((base.exp() * (base - own)).sum())
        self.top += int((base.argmax(-1) == own.argmax(-1)).sum())
        self.rows += len(base)


@dataclass(slots=True)
class _Together:
    """The baseline as a predictor, while others are asked what they make of its feeds."""

    base: Predictor
    others: Mapping[str, Predictor]
    beside: dict[str, Beside] = field(default_factory=dict)

    @property
    def info(self) -> ModelInfo:
        return self.base.info

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        wanted = self.base.predict(feeds)
        for name, other in self.others.items():
            for base, own in zip(wanted, other.predict(feeds), strict=True):
                self.beside.setdefault(name, Beside()).see(base, own)
        return wanted


@dataclass(frozen=True, slots=True)
class _Made:
    """What a form made of the cases and the questions."""

    rows: Sequence[Row]
    answers: Sequence[str | None]
    cpu_seconds: float


def compare_forms(
    load: Callable[[Placement], Model],
    forms: Sequence[str],
    asked: Sequence[Asked],
    *,
    cases: int,
    compared: int = 64,
    length: int = 320,
    rows: int = 8,
    seed: int = 0,
) -> Iterator[str | dict[str, Any]]:
    """A form's name for each of its cases and questions, then a record for each form.

    Every form is compared with float32, which is run whether it is named or not: each by itself
    (tokens of the cases, answers of the documents), then on float32's feeds for the first `compared`
    cases (distributions). All forms are in memory at once. Raises UsageError for what is no form.
    """
    models = {name: load(placement_of(name)) for name in _named(forms)}
    base = models[BASELINE]
    decoder = build_decoder("exact", block_length=8)
    prompts = Prompts.from_file(base.prompts_source, base.tokenizer)
    measured = calibration_of(base.calibration)
    made = make_cases(prompts, cases, length=length, seed=seed)
    others = {name: model for name, model in models.items() if name != BASELINE}
    results: dict[str, _Made] = {}
    for name, model in models.items():
        own: list[Row] = []
        began = time.process_time()
        for row in run_cases(
            model, prompts, measured, {name: decoder}, made, compared=0, rows=rows
        ):
            own.append(row)
            yield name
        seconds = time.process_time() - began
        answers = []
        for document in asked:
            for found in answer(model, document.document, list(document.questions)):
                answers.append(found.text)
                yield name
        results[name] = _Made(sorted(own, key=lambda row: int(row.case)), answers, seconds)
    together = _Together(base, others)
    for _ in run_cases(
        together, prompts, measured, {"": decoder}, made[:compared], compared=0, rows=rows
    ):
        yield BASELINE
    golds = [gold for document in asked for gold in document.questions.values()]
    for name in dict.fromkeys(forms):
        these, beside = results[name], together.beside.get(name, Beside())
        yield _record(name, models[name], these, results[BASELINE], beside, golds)


def steps(forms: Sequence[str], asked: Sequence[Asked], cases: int, compared: int) -> int:
    """How many names `compare_forms` yields. Raises UsageError for what is no form."""
    for form in forms:
        placement_of(form)
    questions = sum(len(document.questions) for document in asked)
    return len(_named(forms)) * (cases + questions) + min(cases, compared)


def _record(
    form: str,
    model: Model,
    own: _Made,
    base: _Made,
    beside: Beside,
    golds: Sequence[Sequence[str]],
) -> dict[str, Any]:
    same = [
        a == b for pair in zip(own.rows, base.rows, strict=True) for a, b in compared_tokens(*pair)
    ]
    right = [row.right for row in own.rows]
    difference = paired_difference(right, [row.right for row in base.rows])
    known = [i for i, gold in enumerate(golds) if gold]
    rows = beside.rows
    return {
        "schema": PRECISION_SCHEMA,
        "form": form,
        "dtype": str(model.dtype).removeprefix("torch."),
        "quantize": model.quantize,
        "model": model.info.name,
        "weights_sha256": model.info.weights_sha256,
        "weight_bytes": weight_bytes(model),
        "cases": len(own.rows),
        "agreement": sum(same) / len(same),
        "kl": beside.kl / rows if rows else None,
        "top": beside.top / rows if rows else None,
        "kl_rows": rows,
        "accuracy": sum(right) / len(right),
        "difference": difference.value,
        "interval": [difference.low, difference.high],
        "questions": len(own.answers),
        "same_answers": sum(a == b for a, b in zip(own.answers, base.answers, strict=True)),
        "right_answers": sum(_right(own.answers[i], golds[i]) for i in known) if known else None,
        "known_answers": len(known),
        "cpu_seconds": own.cpu_seconds,
    }


def _right(text: str | None, golds: Sequence[str]) -> bool:
    return text is not None and contains_gold(text, golds)


def weight_bytes(model: Model) -> int:
    """What the weights take in memory; a quantised one is its numbers and its scales."""
    total = 0
    for weight in model.transformer.parameters():
        flatten = getattr(weight, "__tensor_flatten__", None)
        tensors = [getattr(weight, part) for part in flatten()[0]] if flatten else [weight]
        total += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return total
