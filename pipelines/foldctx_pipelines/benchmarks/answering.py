"""Answering samples: windows read and folded, or the prompt cut in the middle and continued."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from foldctx.api import calibration_of
from foldctx.decoding import Decoder, Predictor, Request, Segment, decode_one, preset
from foldctx.decoding.presets import preset_options
from foldctx.errors import FoldctxError, UsageError
from foldctx.folding.answering import Answer, answer_session
from foldctx.folding.config import FoldConfig, Limits
from foldctx.folding.prompts import Prompts
from foldctx.folding.session import Session, Setup
from foldctx.folding.template import read_template
from foldctx.models import family
from foldctx.models.families import FAMILIES
from foldctx.models.forward import Feed
from foldctx.models.info import ModelInfo
from foldctx.models.load import Model
from foldctx.records import error_record
from foldctx_pipelines.benchmarks.sample import Sample
from foldctx_pipelines.prompts import check_chat, make_prompt, prompt_segments

SAMPLE_SCHEMA = "foldctx.sample/1"
TRUNCATE: Literal["truncate"] = "truncate"

Chat = Literal["by task", "always"]


@dataclass(frozen=True, slots=True)
class Method:
    """How samples are answered.

    With the strategy `truncate` the benchmark's whole prompt is cut in the middle and continued,
    as its authors do; the others read windows. `max_length` bounds that prompt (None: by the
    model's window). `block_length` and `steps` are a protocol's: outputs are rounded up to whole
    blocks, and the preset `exact` takes at most so many steps and no more than the output length.
    """

    config: FoldConfig
    preset: str
    overrides: Mapping[str, Any]
    seed: int = 0
    chat: Chat = "by task"
    max_length: int | None = None
    block_length: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length < 2:
            raise UsageError(f"max_length={self.max_length}; it must be at least 2")

    def decoder(self, max_gen: int) -> Decoder:
        """The decoder for an output of `max_gen` tokens; what was set by hand wins."""
        known, options = preset_options(self.preset), dict[str, Any]()
        if self.block_length is not None and "block_length" in known:
            options["block_length"] = self.block_length
        if self.steps is not None and "steps" in known:
            options["steps"] = min(self.steps, max_gen)
        return preset(self.preset, **{**options, **self.overrides})

    def gen_length(self, max_gen: int) -> int:
        """Tokens that are decoded for an output of `max_gen`."""
        if self.block_length is None:
            return max_gen
        block = int(self.overrides.get("block_length", self.block_length))
        return -(-max_gen // block) * block


class Answerer:
    """A model that answers samples by one method; what it says of one depends on no other."""

    def __init__(
        self, model: Model, method: Method, max_length: Callable[[int, int], int] | None = None
    ) -> None:
        """`max_length` gives the most tokens of a prompt for a window and an output length.

        Raises UsageError for options that no sample can be answered with.
        """
        self.model, self.method = model, method
        calibration = calibration_of(model.calibration)
        self.limits = Limits.of(method.config, model.info, calibration)
        self._calibration = calibration
        self._template = read_template(model.prompts_source)
        self._max_length = max_length or (lambda window, gen: max(window - gen, window // 2))
        form = FAMILIES[model.info.family].chat
        self._form = form if check_chat(model.tokenizer, form, None) else None

    def record(self, sample: Sample, predictor: Predictor | None = None) -> dict[str, Any]:
        """The record of one sample: a response, or an error record with the same id and task.

        `predictor` takes the forward passes in the model's place.
        """
        started = time.monotonic()
        through = predictor or self.model
        try:
            reply = (self._continue if self._truncates else self._read)(sample, through)
        except FoldctxError as error:
            # A row's own trouble, a UsageError too: its question or prompt may be too long.
            return failure(sample, error)
        reply["usage"]["seconds"] = round(time.monotonic() - started, 3)
        response = reply.pop("response")
        if sample.stop is not None:
            response = response.lstrip("\n").split(sample.stop)[0]
        return {
            "schema": SAMPLE_SCHEMA,
            "id": sample.id,
            "task": sample.task,
            "doc": dict(sample.doc),
            "target": list(sample.targets),
            "prompt_sha256": sample.prompt_sha256,
            "response": response,
            **reply,
        }

    @property
    def _truncates(self) -> bool:
        return self.method.config.strategy == TRUNCATE

    # -- the benchmark's own way ------------------------------------------------------------

    def _continue(self, sample: Sample, predictor: Predictor) -> dict[str, Any]:
        method, tokenizer = self.method, self.model.tokenizer
        length = method.gen_length(sample.max_gen)
        prefix = tokenizer.encode_text(sample.answer_prefix) if sample.answer_prefix else []
        text, whole, kept = self._cut(sample, length, len(prefix))
        prompt = prompt_segments(make_prompt(text, sample.id), tokenizer, self._chat(sample))
        if prefix:
            prompt = (*prompt, Segment("template", tuple(prefix)))
        info = replace(self.model.info, window=self.limits.window)
        decoder = method.decoder(sample.max_gen)
        request = Request(sample.id, prompt, length, seed=method.seed)
        decoded = decode_one(_Windowed(predictor, info), request, decoder)
        usage = decoded.usage
        return {
            "response": tokenizer.decode(decoded.text),
            "reason": None,
            "cut": {"question": False, "prompt_tokens": whole, "kept_tokens": kept},
            "usage": {
                "document_tokens": whole,
                "windows": 1,
                "forwards": usage.forwards,
                "tokens_fed": usage.tokens_fed,
                "fed_max": usage.fed_max,
                "position_max": usage.position_max,
            },
        }

    def _chat(self, sample: Sample) -> family.Chat | None:
        return self._form if self.method.chat == "always" or sample.chat else None

    def _cut(self, sample: Sample, length: int, prefix: int) -> tuple[str, int, int]:
        """The prompt with its middle cut out, as LongBench does it; tokens before and after."""
        tokenizer = self.model.tokenizer
        ids = tokenizer.encode_text(sample.prompt)
        frame = 0
        if chat := self._chat(sample):
            around = prompt_segments(make_prompt("x", sample.id), tokenizer, chat)
            frame = sum(len(part) for part in around if part.kind == "template")
        window = self.limits.window
        room = max(window - length, window // 2) - frame - prefix
        most = self.method.max_length or min(self._max_length(window, length), room)
        if len(ids) <= most:
            return sample.prompt, len(ids), len(ids)
        half = most // 2
        while True:
            text = tokenizer.decode(ids[:half]) + tokenizer.decode(ids[-half:])
            kept = len(tokenizer.encode_text(text))
            # A cut inside a character leaves halves of it that take more tokens than it did.
            if kept <= max(most, room) or half == 1:
                return text, len(ids), kept
            half -= 1

    # -- windows ----------------------------------------------------------------------------

    def _read(self, sample: Sample, predictor: Predictor) -> dict[str, Any]:
        method = self.method
        length = method.gen_length(sample.max_gen)
        prompts = Prompts(replace(self._template, answer_length=length), self.model.tokenizer)
        decoder = method.decoder(sample.max_gen)
        setup = Setup(predictor, prompts, decoder, method.config, self._calibration, method.seed)
        session = Session(sample.as_document(), [sample.question], setup)
        answer = next(e for e in answer_session(session) if isinstance(e, Answer))
        tokens = len(prompts.text_ids([sample.question])[0])
        return {
            "response": sample.abstained if answer.text is None else answer.text,
            "reason": answer.reason,
            "cut": {
                "question": bool(session.warnings),
                "prompt_tokens": tokens,
                "kept_tokens": len(session.questions[0].ids),
            },
            "usage": {
                "document_tokens": answer.document_tokens,
                "windows": answer.windows,
                "forwards": answer.forwards,
                "tokens_fed": answer.tokens_fed,
                "fed_max": answer.fed_max,
                "position_max": answer.position_max,
            },
        }


def failure(sample: Sample, error: BaseException) -> dict[str, Any]:
    """The error record of a sample, with what scoring needs of it."""
    failed = error_record(error, id=sample.id, source=sample.id, question=sample.question)
    return {**failed, "task": sample.task, "doc": dict(sample.doc)}


@dataclass(frozen=True, slots=True)
class _Windowed:
    """A predictor held to a window that may be lower than its model's."""

    predictor: Predictor
    info: ModelInfo

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        return self.predictor.predict(feeds)
