"""The events of a trace: their names, their fields, and what each field counts.

Every line also carries `v` (the version of these forms), `run`, `seq` (from 0, without gaps),
`t` (seconds since the trace began) and `event`. Fields hold spans and ids, never logits. Positions
and characters are half-open ranges; pages count from 1; `source` names the document that an event
belongs to, which is unique within a trace, and `question` is an index into its `questions`.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TypedDict

VERSION = 1
HEADER = ("v", "run", "seq", "t", "event")
KINDS = ("template", "question", "memory", "chunk", "notes", "answer", "mask")

WindowKind = Literal["read", "reread", "answer", "condense", "generate"]
FoldKind = Literal["mask", "span", "chunk"]


class RunStart(TypedDict):
    """`run.start`: what is about to run. `model` has name, revision, weights_sha256 and window."""

    versions: Mapping[str, str | float | None]
    model: Mapping[str, object]
    config: Mapping[str, object]
    seed: int
    strategy: str | None
    preset: str


class DocumentRead(TypedDict):
    """`document`: a source was opened; `pages`, `characters` and `tokens` are counts."""

    source: str
    sha256: str
    pages: int
    characters: int
    tokens: int
    questions: list[str]
    warnings: list[str]


class Range(TypedDict):
    """Positions `start` to `end` of the canvas hold a segment of this `kind` (one of KINDS)."""

    kind: str
    start: int
    end: int


class Window(TypedDict):
    """`window`: the model has read one canvas.

    `index` is unique among the windows of the source, whatever their kind. `start` and `end` are
    the characters of the chunk (None without one) that was read for `questions`; `pages` lists the
    pages it touches. `tokens` counts the layout by kind (`tokens_by_kind` makes it). `p_none` has
    one entry for each of `questions`. `forwards` and `tokens_fed` are this row's own, also when
    other rows shared its passes.
    """

    index: int
    source: str
    questions: list[int]
    kind: WindowKind
    pages: list[int]
    start: int | None
    end: int | None
    tokens: Mapping[str, int]
    layout: list[Range]
    p_none: list[float | None]
    forwards: int
    tokens_fed: int
    fed_max: int
    position_max: int


class Fold(TypedDict):
    """`fold`: something small took the place of something long; `before` and `after` in tokens."""

    source: str
    window: int | None
    kind: FoldKind
    before: int
    after: int
    kept: list[tuple[int, int]]
    dropped: list[tuple[int, int]]
    reason: str


class Skip(TypedDict):
    """`skip`: every p(none) reached the threshold; the window ended after one forward."""

    source: str
    window: int
    p_none: list[float]
    threshold: float


class DroppedNote(TypedDict):
    """The id of a note that left the memory, and why."""

    note: str
    reason: str


class Memory(TypedDict):
    """`memory`: what became of the notes of one question; notes are named by their ids.

    `kept` and `added` together are the memory afterwards. Nothing leaves it without a reason in
    `dropped`. `hash_before` equals `hash_after` exactly when nothing was added or dropped.
    """

    source: str
    window: int | None
    question: int
    kept: list[str]
    added: list[str]
    dropped: list[DroppedNote]
    hash_before: str
    hash_after: str


class Denoise(TypedDict):
    """`denoise`: one step; the three lists have one entry for each committed position.

    `step` counts within the block and `forward` within the window, both from 0: the order in which
    tokens were decoded.
    """

    source: str
    window: int | None
    block: int
    step: int
    forward: int
    positions: list[int]
    tokens: list[int]
    confidence: list[float | None]


class Answer(TypedDict):
    """`answer`: the text, or None and the reason for abstaining."""

    source: str
    question: int
    text: str | None
    reason: str | None
    confidence: float | None


class EvidenceFound(TypedDict):
    """`evidence`: a quote that stands in the document (the fields of `Evidence.to_dict`)."""

    source: str
    question: int
    quote: str
    document: str
    page: int | None
    start: int
    end: int
    match: str
    support: str


class Failure(TypedDict):
    """`error`: the run, a source, or one question failed (None: it concerns all of them)."""

    source: str | None
    question: int | None
    type: str
    message: str


class RunEnd(TypedDict):
    """`run.end`: totals by the program's own counters, for a reader to hold against the events.

    `windows` counts the window events of kind `read`; `forwards`, `tokens_fed`, `fed_max` and
    `position_max` are over window events of every kind; `passes` is tokens_fed over the tokens of
    all documents, not rounded, None without documents; `documents`, `answers`, `errors`, `skipped`
    and `folds` (by kind) count events. `peak_memory` is in bytes. The writer adds `seconds`.
    """

    windows: int
    skipped: int
    forwards: int
    tokens_fed: int
    passes: float | None
    fed_max: int
    position_max: int
    folds: Mapping[FoldKind, int]
    documents: int
    answers: int
    errors: int
    characters: int
    peak_memory: int | None


EVENTS: Mapping[str, type] = {
    "run.start": RunStart,
    "document": DocumentRead,
    "window": Window,
    "fold": Fold,
    "skip": Skip,
    "memory": Memory,
    "denoise": Denoise,
    "answer": Answer,
    "evidence": EvidenceFound,
    "error": Failure,
    "run.end": RunEnd,
}

FIELDS: Mapping[str, frozenset[str]] = {
    name: frozenset(form.__annotations__) for name, form in EVENTS.items()
}


def tokens_by_kind(layout: Iterable[Range]) -> dict[str, int]:
    """Count the positions of a layout by kind, every kind of KINDS present."""
    counts = dict.fromkeys(KINDS, 0)
    for piece in layout:
        counts[piece["kind"]] += piece["end"] - piece["start"]
    return counts
