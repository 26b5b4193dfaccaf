"""The library's front door: load a model, decode, answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from foldctx.decoding import Decoded, Decoder, Request, Segment, check_preset, decode_one, preset
from foldctx.documents import Document, read_document
from foldctx.errors import UsageError
from foldctx.folding.answering import Answer, answer_session, check_session
from foldctx.folding.config import Calibration, FoldConfig
from foldctx.folding.prompts import Prompts
from foldctx.folding.session import Session, Setup
from foldctx.models.checkpoint import Checkpoint
from foldctx.models.families import FAMILIES
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo
from foldctx.models.load import Model, load_model


def calibration_of(measured: Mapping[str, Any]) -> Calibration:
    """A model's measured thresholds; a model without a file of them never skips.

    Raises ModelError for a value that cannot have been measured.
    """
    known = {field.name for field in fields(Calibration)}
    return Calibration(**{k: v for k, v in measured.items() if k in known and v is not None})


def open_session(
    model: Model,
    document: Document,
    questions: Sequence[str],
    *,
    config: FoldConfig,
    decoder: Decoder,
    seed: int = 0,
    steps: bool = False,
) -> Session:
    """A session with the model's own prompts and calibration."""
    prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
    measured = calibration_of(model.calibration)
    setup = Setup(model, prompts, decoder, config, measured, seed, steps)
    return Session(document, questions, setup)


@dataclass(frozen=True, slots=True)
class _Unloaded:
    """Stands for a model whose weights stay on disk."""

    info: ModelInfo

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        raise AssertionError("a plan runs no model")


def open_plan(
    checkpoint: Checkpoint,
    document: Document,
    questions: Sequence[str],
    *,
    config: FoldConfig,
    decoder: Decoder,
) -> Session:
    """A session for `plan_session` alone: it needs the checkpoint, but none of its weights.

    Raises UsageError or WindowError for what `answer` would refuse.
    """
    prompts = Prompts.from_file(checkpoint.prompts_source, checkpoint.tokenizer)
    measured = calibration_of(checkpoint.calibration)
    setup = Setup(_Unloaded(checkpoint.info), prompts, decoder, config, measured)
    session = Session(document, questions, setup)
    check_session(session)
    return session


def load(name: str | Path = "embedded", **options: Any) -> Model:
    """Load a model for inference: "embedded", a folder, or a hub name; see `load_model`."""
    return load_model(name, **{"packed": True, **options})


def decode(
    model: Model,
    prompt: str,
    *,
    gen_length: int = 128,
    preset_name: str | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> tuple[str, Decoded]:
    """Continue a plain prompt; the text, and tokens with what they cost.

    Without a preset the one of the model's family is used; `options` override it. Raises UsageError for an unknown preset or option, and
    WindowError for a prompt that does not fit.
    """
    ids = tuple(model.tokenizer.encode_text(prompt))
    if not ids:
        raise UsageError("the prompt is empty; give at least one token of text")
    request = Request("0", (Segment("template", ids),), gen_length, seed=seed)
    decoded = decode_one(model, request, _preset(model, preset_name, options))
    return model.tokenizer.decode(decoded.text), decoded


def _preset(model: Model, name: str | None, options: Mapping[str, Any] | None) -> Decoder:
    chosen, changed = name or FAMILIES[model.info.family].preset, options or {}
    check_preset(chosen, changed)  # before a key that is no word is taken for a parameter
    return preset(chosen, **changed)


def answer(
    model: Model,
    document: Document | str | Path,
    questions: str | Sequence[str],
    *,
    preset_name: str | None = None,
    preset_options: Mapping[str, Any] | None = None,
    seed: int = 0,
    **options: Any,
) -> list[Answer]:
    """Answer questions about a document; one Answer per question, in order.

    `options` are those of FoldConfig. Raises FoldctxError subclasses: DocumentError for a source
    that cannot be read, UsageError for options and questions, WindowError for a window too small.
    """
    known = {field.name for field in fields(FoldConfig)}
    if unknown := sorted(set(options) - known):
        raise UsageError(f"no option {unknown[0]!r}; there are {', '.join(sorted(known))}")
    config, decoder = FoldConfig(**options), _preset(model, preset_name, preset_options)
    source = document if isinstance(document, Document) else read_document(document)
    asked = [questions] if isinstance(questions, str) else list(questions)
    session = open_session(model, source, asked, config=config, decoder=decoder, seed=seed)
    return [event for event in answer_session(session) if isinstance(event, Answer)]
