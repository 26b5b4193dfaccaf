"""Plain decoding of prompts, to records and a trace; no document, no folding of chunks."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from foldctx.decoding import (
    Decoded,
    Decoder,
    Fold,
    Request,
    Step,
    check_request,
    decode,
)
from foldctx.errors import FoldctxError, UsageError
from foldctx.folding.session import Happened
from foldctx.models.families import FAMILIES
from foldctx.models.load import Model
from foldctx.records import GENERATE_SCHEMA, canonical_hash, error_record
from foldctx.trace import TraceWriter, tokens_by_kind
from foldctx.trace.events import Range
from foldctx_pipelines.prompts import Prompt, prompt_segments
from foldctx_pipelines.runs import Totals, model_stamp, peak_memory, versions_of


@dataclass(frozen=True, slots=True)
class Generating:
    """How prompts are continued: `rows` at once, each by `gen_length` tokens."""

    decoder: Decoder
    gen_length: int
    seed: int = 0
    chat: bool = False
    rows: int = 4
    steps: bool = False

    def __post_init__(self) -> None:
        if self.gen_length < 1 or self.rows < 1:
            raise UsageError(
                f"gen_length={self.gen_length}, rows={self.rows}: both must be at least 1"
            )

    def describe(self) -> dict[str, Any]:
        """What decides the tokens, for records."""
        form = "chat" if self.chat else "raw"
        return {
            "gen_length": self.gen_length,
            "prompt_form": form,
            "decoder": self.decoder.describe(),
        }


def generate_prompts(
    prompts: Sequence[Prompt], model: Model, how: Generating, trace: TraceWriter
) -> Iterator[dict[str, Any] | Happened]:
    """Continue every prompt: its record, in the order of the prompts, and events as they happen.

    A prompt that does not fit becomes an error record. Raises UsageError for options that no prompt
    can be continued with.
    """
    run = _Run(prompts, model, how)
    trace.emit("run.start", **run.start())
    totals = Totals()
    for event in run.events():
        if isinstance(event, Happened):
            trace.emit(event.event, **event.fields)
            totals.see(event)
        yield event
    trace.emit("run.end", **totals.end())


class _Run:
    """The prompts under way, by their number, and the records that wait for their turn."""

    def __init__(self, prompts: Sequence[Prompt], model: Model, how: Generating) -> None:
        self.prompts, self.model, self.how = prompts, model, how
        self.began = time.monotonic()
        self.stamp = {
            "preset": how.decoder.name,
            "config": how.describe(),
            "seed": how.seed,
            "model": asdict(model_stamp(model)),
            "versions": versions_of(model),
        }
        self.requests: dict[int, Request] = {}
        self.failed: dict[int, FoldctxError] = {}
        for number, prompt in enumerate(prompts):
            try:
                self.requests[number] = self._request(number, prompt)
            except UsageError:
                raise  # an option is wrong: nothing about this prompt
            except FoldctxError as error:
                self.failed[number] = error

    def _request(self, number: int, prompt: Prompt) -> Request:
        chat = FAMILIES[self.model.info.family].chat if self.how.chat else None
        segments = prompt_segments(prompt, self.model.tokenizer, chat)
        request = Request(str(number), segments, self.how.gen_length, seed=self.how.seed)
        check_request(request, self.how.decoder, self.model.info)
        return request

    def start(self) -> dict[str, Any]:
        """The fields of `run.start`."""
        stamp = asdict(model_stamp(self.model))
        model = {**stamp, "window": self.model.info.window}
        return {**self.stamp, "model": model, "strategy": None}

    def events(self) -> Iterator[dict[str, Any] | Happened]:
        """Decode, and let every record out as soon as those before it are."""
        done: dict[int, dict[str, Any]] = {}
        for number, error in self.failed.items():
            prompt = self.prompts[number]
            told = {"type": type(error).__name__, "message": str(error)}
            yield Happened("error", {"source": prompt.id, "question": None, **told})
            done[number] = error_record(error, id=prompt.id, source=prompt.source)
        following = 0
        for event in self._decode():
            if isinstance(event, Decoded):
                done[int(event.id)] = self.record(event)
            yield self.told(event)
            while following in done:
                yield done.pop(following)
                following += 1
        while following in done:
            yield done.pop(following)
            following += 1

    def _decode(self) -> Iterator[Decoded | Fold | Step]:
        level = "steps" if self.how.steps else "result"
        yield from decode(
            self.model,
            self.requests.values(),
            self.how.decoder,
            max_rows=self.how.rows,
            level=level,  # type: ignore[arg-type]
        )

    def told(self, event: Decoded | Fold | Step) -> Happened:
        """The event under the names of the trace."""
        number = int(event.id)
        where: dict[str, Any] = {"source": self.prompts[number].id, "window": 0}
        if isinstance(event, Fold):
            fields = asdict(event)
            del fields["id"], fields["shift"]
            return Happened("fold", {**where, **fields})
        if isinstance(event, Step):
            fields = {"block": event.block, "step": event.step, "forward": event.forward}
            fields |= {"positions": list(event.positions), "tokens": list(event.tokens)}
            fields["confidence"] = list(event.confidences)
            return Happened("denoise", {**where, **fields})
        return Happened("window", self._window(where["source"], self.requests[number], event))

    def _window(self, source: str, request: Request, decoded: Decoded) -> dict[str, Any]:
        layout: list[Range] = []
        at = 0
        sizes = [(segment.kind, len(segment)) for segment in request.prompt]
        for kind, size in [*sizes, ("mask", request.gen_length)]:
            layout.append({"kind": kind, "start": at, "end": at + size})
            at += size
        usage = decoded.usage
        return {
            "index": 0,
            "source": source,
            "questions": [],
            "kind": "generate",
            "pages": [],
            "start": None,
            "end": None,
            "tokens": tokens_by_kind(layout),
            "layout": layout,
            "p_none": [],
            "forwards": usage.forwards,
            "tokens_fed": usage.tokens_fed,
            "fed_max": usage.fed_max,
            "position_max": usage.position_max,
        }

    def record(self, decoded: Decoded) -> dict[str, Any]:
        """The record of a finished prompt, with every token id."""
        number = int(decoded.id)
        prompt = self.prompts[number]
        record: dict[str, Any] = {
            "schema": GENERATE_SCHEMA,
            "id": prompt.id,
            "prompt_sha256": hashlib.sha256(prompt.text.encode("utf-8", "replace")).hexdigest(),
            "text": self.model.tokenizer.decode(decoded.text),
            "tokens": decoded.tokens,
            "filled_at": decoded.filled_at,
            "text_length": decoded.text_length,
            "finished": decoded.finished,
            "usage": {
                "prompt_tokens": self.requests[number].prompt_length,
                **asdict(decoded.usage),
                "seconds": round(time.monotonic() - self.began, 3),
                "peak_memory": peak_memory(),
            },
            **self.stamp,
        }
        record["canonical_sha256"] = canonical_hash(record)
        return record
