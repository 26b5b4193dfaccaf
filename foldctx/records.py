"""The records on standard output: one JSON line for an answer, a failure or a chunk.

Plain values in, plain dictionaries out, in the order of the published form.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from foldctx.errors import TraceError
from foldctx.evidence import Evidence
from foldctx.schemas import Validator

ANSWER_SCHEMA = "foldctx.answer/1"
ERROR_SCHEMA = "foldctx.error/1"
CHUNK_SCHEMA = "foldctx.chunk/1"
GENERATE_SCHEMA = "foldctx.generate/1"
VERIFY_SCHEMA = "foldctx.verify/1"
DECODE_SCHEMA = "foldctx.bench.decode/1"
READ_SCHEMA = "foldctx.bench.read/1"
FIDELITY_SCHEMA = "foldctx.bench.fidelity/1"
PRECISION_SCHEMA = "foldctx.bench.precision/1"

# What may differ between two runs that gave the same result.
_UNEQUAL_USAGE = ("seconds", "peak_memory")
_EQUAL_VERSIONS = ("foldctx",)
_CONFIDENCE_DIGITS = 3


@dataclass(frozen=True, slots=True)
class ModelStamp:
    """Which weights answered. `weights_sha256` is 64 hexadecimal digits, or None if not hashed.

    `rope_scale` is what the rotary base was multiplied by to raise the window: 1 as trained.
    `dtype` is the type computed in, `quantize` the form that the layers' weights were brought to.
    """

    name: str
    revision: str | None = None
    weights_sha256: str | None = None
    rope_scale: int = 1
    dtype: str | None = None
    quantize: str | None = None


@dataclass(frozen=True, slots=True)
class RunStamp:
    """What all records of a run share.

    `config` is the effective configuration: everything that decides the answer. Where and how it
    ran (device, threads, rows at once, libraries) belongs into `versions`, of which the canonical
    hash counts only `foldctx`.
    """

    strategy: str
    preset: str
    model: ModelStamp
    config: Mapping[str, object]
    seed: int
    versions: Mapping[str, str | float | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, or None with the reason for abstaining.

    `confidence` is None where nothing was measured. `generated` are all decoded token ids, where a
    length was asked for. Raises ValueError for an abstention without a reason and for a confidence
    outside 0..1.
    """

    answer: str | None
    reason: str | None = None
    confidence: float | None = None
    evidence: tuple[Evidence, ...] = ()
    generated: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse a silent abstention and a confidence that is no probability."""
        if self.answer is None and not self.reason:
            raise ValueError("an outcome without an answer needs a reason")
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence={self.confidence} lies outside 0..1")


@dataclass(frozen=True, slots=True)
class UsageStamp:
    """What a record cost.

    `windows` are the document's windows that were read, the `skipped` ones among them. `forwards`
    and `tokens_fed` count this request's rows only; they may be fractions where questions shared a
    window and its cost was divided. `peak_memory` is in bytes. Raises ValueError for a negative
    or infinite value and for more skipped windows than windows.
    """

    document_tokens: int
    windows: int
    skipped: int
    forwards: float
    tokens_fed: float
    fed_max: int
    position_max: int
    seconds: float
    peak_memory: int | None = None

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        for name, value in asdict(self).items():
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"usage.{name}={value} must be a finite number of at least 0")
        if self.skipped > self.windows:
            raise ValueError(f"usage.skipped={self.skipped} exceeds usage.windows={self.windows}")

    @property
    def passes(self) -> float | None:
        """Tokens fed over tokens of the document; None for a document without tokens."""
        return self.tokens_fed / self.document_tokens if self.document_tokens else None

    def to_dict(self) -> dict[str, object]:
        """Give the fields in the order of the record."""
        values: dict[str, object] = {}
        for name, value in asdict(self).items():
            values[name] = value
            if name == "tokens_fed":
                values["passes"] = self.passes
        return values


def record_id(source_sha256: str, question: str) -> str:
    """Name a question asked of a source: 24 hexadecimal digits, the same in every run.

    For a source that could not be read, give its name in place of its hash.
    """
    text = f"{source_sha256}\0{question}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:24]


def answer_record(
    run: RunStamp, outcome: Outcome, usage: UsageStamp, *, id: str, source: str, question: str
) -> dict[str, Any]:
    """Build the record of an answer or an abstention, with its canonical hash."""
    record: dict[str, Any] = {
        "schema": ANSWER_SCHEMA,
        "id": id,
        "source": source,
        "question": question,
        "answer": outcome.answer,
        "reason": outcome.reason,
        "confidence": outcome.confidence,
        "evidence": [found.to_dict() for found in outcome.evidence],
        "strategy": run.strategy,
        "preset": run.preset,
        "model": asdict(run.model),
        "config": dict(run.config),
        "seed": run.seed,
        "usage": usage.to_dict(),
        "versions": dict(run.versions),
    }
    if outcome.generated is not None:
        tokens = list(outcome.generated)
        record["generated"] = {"length": len(tokens), "tokens": tokens}
    record["canonical_sha256"] = canonical_hash(record)
    return record


def error_record(
    error: BaseException, *, id: str, source: str, question: str | None = None
) -> dict[str, Any]:
    """Build the record of a failure; `question` is None when it concerns the whole source."""
    name = type(error).__name__
    return {
        "schema": ERROR_SCHEMA,
        "id": id,
        "source": source,
        "question": question,
        "error": {"type": name, "message": str(error) or name},
    }


def chunk_record(
    source: str,
    index: int,
    span: tuple[int, int],
    text: str,
    *,
    pages: Sequence[tuple[int, int, int]],
    tokens: int,
) -> dict[str, Any]:
    """Build the record of a chunk; `pages` are (page, start, end) in characters of the document."""
    return {
        "schema": CHUNK_SCHEMA,
        "source": source,
        "index": index,
        "start": span[0],
        "end": span[1],
        "pages": [{"page": page, "start": start, "end": end} for page, start, end in pages],
        "tokens": tokens,
        "text": text,
    }


def canonical_hash(record: Mapping[str, Any]) -> str:
    """Hash what two equal runs have in common: 64 hexadecimal digits.

    Left out are `usage.seconds`, `usage.peak_memory`, every version but `versions.foldctx`, and
    `canonical_sha256` itself; `confidence` is rounded to 1e-3. The rest is hashed by SHA-256 as
    JSON with sorted keys, no white space, UTF-8.
    """
    kept = {key: value for key, value in record.items() if key != "canonical_sha256"}
    if isinstance(kept.get("confidence"), int | float):
        kept["confidence"] = round(float(kept["confidence"]), _CONFIDENCE_DIGITS)
    if "usage" in kept:
        kept["usage"] = {k: v for k, v in kept["usage"].items() if k not in _UNEQUAL_USAGE}
    if "versions" in kept:
        kept["versions"] = {k: v for k, v in kept["versions"].items() if k in _EQUAL_VERSIONS}
    return hashlib.sha256(_encode(kept, orjson.OPT_SORT_KEYS)).hexdigest()


def dumps(record: Mapping[str, Any]) -> bytes:
    """Write a record as one line of UTF-8 JSON, the line end included.

    Characters that UTF-8 has no form for (halves of surrogate pairs, as in undecodable file names)
    become U+FFFD. Raises TypeError for values that JSON has no form for.
    """
    return _encode(record, orjson.OPT_APPEND_NEWLINE)


def validate(record: Mapping[str, Any]) -> None:
    """Check the form of any record, and the canonical hash of those that carry one.

    Raises TraceError that lists everything that is wrong.
    """
    definitions = {
        ANSWER_SCHEMA: ("answer", "answer"),
        ERROR_SCHEMA: ("answer", "error"),
        CHUNK_SCHEMA: ("chunk", "chunk"),
        GENERATE_SCHEMA: ("generate", "generate"),
        VERIFY_SCHEMA: ("verify", "verify"),
        DECODE_SCHEMA: ("bench", "decode"),
        READ_SCHEMA: ("bench", "read"),
        FIDELITY_SCHEMA: ("bench", "fidelity"),
        PRECISION_SCHEMA: ("bench", "precision"),
    }
    name = record.get("schema")
    if name not in definitions:
        raise TraceError(f"schema={name!r} is none of {', '.join(definitions)}")
    file, definition = definitions[name]
    problems = list(Validator(file).problems(record, definition))
    if not problems and "canonical_sha256" in record:
        expected = canonical_hash(record)
        if record["canonical_sha256"] != expected:
            problems.append(
                f"canonical_sha256 is {record['canonical_sha256']}, but the record gives {expected}"
            )
    if problems:
        raise TraceError(f"record {record.get('id', '')}: " + "; ".join(problems))


def _encode(value: object, option: int) -> bytes:
    try:
        return orjson.dumps(value, option=option)
    except TypeError as error:
        if "surrogates" not in str(error):
            raise
        return orjson.dumps(_without_surrogates(value), option=option)


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value
