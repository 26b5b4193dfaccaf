"""Answering cases with a reader, or with one whose weights were shuffled: records out."""

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from foldctx.api import calibration_of
from foldctx.decoding import Decoder
from foldctx.errors import FoldctxError, UsageError
from foldctx.folding.answering import Answer, answer_session
from foldctx.folding.config import FoldConfig
from foldctx.folding.prompts import Prompts
from foldctx.folding.session import Session, Setup
from foldctx.folding.template import read_template
from foldctx.models.load import Model
from foldctx_pipelines.batch import Finished, Row, Started, by_key, failed
from foldctx_pipelines.benchmarks.reader.cases import Case, Material, Spec

CASE_SCHEMA = "foldctx.reader-case/1"


@dataclass(frozen=True, slots=True)
class Method:
    """How every case is read, whichever its strategy."""

    decoder: Decoder
    seed: int

    def config(self, spec: Spec) -> FoldConfig:
        """The reading options of a case: the model's own calibration decides the rest."""
        return FoldConfig(strategy=spec.strategy, question_policy="cut")


def shuffled(model: Model, seed: int) -> Model:
    """The same model with the values of every weight in a random order: it knows nothing."""
    transformer = copy.deepcopy(model.transformer)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in transformer.parameters():
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].view_as(weight))
    info = replace(model.info, name=f"{model.info.name}, weights shuffled", weights_sha256=None)
    return replace(model, info=info, transformer=transformer)


class CaseWork:
    """The runner's work: rows that share a document are asked of it together.

    `load` gives the reader when the first row needs it, `control` makes the shuffled one of it.
    """

    def __init__(
        self,
        load: Callable[[], Model],
        material: Material,
        method: Method,
        control: Callable[[Model, int], Model] = shuffled,
    ) -> None:
        self.load, self.material, self.method, self.control = load, material, method, control
        self._models: dict[str, Model] = {}

    def __call__(self, blocks: Iterable[Sequence[Row]]) -> Iterator[object]:
        """Answer the rows; what goes wrong with a document becomes its rows' error records."""
        for block in blocks:
            for rows in by_key(block):
                yield Started(tuple(row.id for row in rows))
                specs = [row.payload for row in rows]
                try:
                    yield Finished(tuple(self._records(specs)))
                except UsageError:
                    raise
                except FoldctxError as error:
                    for row in rows:
                        yield failed(row, error, row.key or row.id)

    def _model(self, spec: Spec) -> Model:
        if "reader" not in self._models:
            self._models["reader"] = self.load()
        if spec.reader not in self._models:
            self._models[spec.reader] = self.control(self._models["reader"], self.method.seed)
        return self._models[spec.reader]

    def _records(self, specs: Sequence[Spec]) -> Iterator[dict[str, Any]]:
        started = time.monotonic()
        model, first = self._model(specs[0]), specs[0]
        cases = [self.material.make(spec) for spec in specs]
        template = read_template(model.prompts_source)
        length = max(template.answer_length, *(case.answer_tokens for case in cases))
        prompts = Prompts(replace(template, answer_length=length), model.tokenizer)
        config, calibration = self.method.config(first), calibration_of(model.calibration)
        setup = Setup(model, prompts, self.method.decoder, config, calibration, self.method.seed)
        session = Session(cases[0].document, [case.question for case in cases], setup)
        answers = [event for event in answer_session(session) if isinstance(event, Answer)]
        seconds = round((time.monotonic() - started) / len(specs), 3)
        for number, (spec, case) in enumerate(zip(specs, cases, strict=True)):
            notes = [" ".join(n.text.split()) for n in session.asked[number].memory.notes]
            kept = sum(any(line in note for note in notes) for line in case.lines)
            yield _record(spec, case, answers[number], (kept, len(case.lines)), seconds)


def _record(
    spec: Spec, case: Case, answer: Answer, kept: tuple[int, int], seconds: float
) -> dict[str, Any]:
    quotes = [evidence.page for evidence in answer.evidence]
    return {
        "schema": CASE_SCHEMA,
        "id": spec.id,
        **asdict(spec),
        "style": case.style,
        "question": case.question,
        "golds": list(case.golds),
        "labels": list(case.labels),
        "any_of": case.any_of,
        "page": case.page,
        "answer": answer.text,
        "reason": answer.reason,
        "confidence": answer.confidence,
        "quote_page": quotes[0] if quotes else None,
        "kept": list(kept),
        "usage": {
            "document_tokens": answer.document_tokens,
            "windows": answer.windows,
            "skipped": answer.skipped,
            "forwards": round(answer.forwards, 3),
            "tokens_fed": round(answer.tokens_fed, 3),
            "fed_max": answer.fed_max,
            "position_max": answer.position_max,
            "seconds": seconds,
        },
    }


def as_rows(specs: Iterable[Spec], sources: Sequence[str]) -> list[Row]:
    """The runner's rows; questions of one sample document share its windows."""
    rows = []
    for spec in specs:
        key = ""
        if spec.group == "samples":
            key = f"{spec.reader}/{spec.strategy}/{sources[spec.index]}"
        rows.append(Row(spec.id, spec, key=key))
    return rows
