"""How a document is read: options, what was measured of the model, and what follows from both."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from foldctx.errors import ModelError, UsageError
from foldctx.models.info import ModelInfo
from foldctx.numeric import check_numbers

Strategy = Literal["fold", "map", "retrieve", "truncate"]
NoteKind = Literal["pointer", "written"]
QuestionPolicy = Literal["error", "cut"]

STRATEGIES: Mapping[str, str] = {
    "fold": "reads every window in order and carries the memory along",
    "map": "reads every window on its own, many at once, then folds the notes as a tree",
    "retrieve": "reads the windows that BM25 ranks first (arXiv 2407.03618 for the library)",
    "truncate": "reads the head and the tail, as LongBench cuts the middle (arXiv 2308.14508)",
}


@dataclass(frozen=True, slots=True)
class FoldConfig:
    """Reading options; None takes the model's own calibrated value, or the stated default.

    `window` lowers the model's window. `memory_tokens` bounds the notes of one question.
    `skip_threshold` is the p(none) from which a window costs one forward only (None: the model's;
    1.0 or more never skips). `abstain_threshold` is the confidence below which no answer is given.
    `gen_length` decodes that many tokens for the answer, all of them; None takes the template's
    length and stops at the end of the text. `retrieve_windows` counts windows per question.
    Raises UsageError for values that make no sense.
    """

    strategy: Strategy = "fold"
    note_kind: NoteKind = "pointer"
    window: int | None = None
    memory_tokens: int | None = None
    skip_threshold: float | None = None
    abstain_threshold: float | None = None
    gen_length: int | None = None
    retrieve_windows: int = 4
    reread_windows: int = 2
    question_policy: QuestionPolicy = "error"
    max_quotes: int = 3
    rows: int = 4

    def __post_init__(self) -> None:
        check_numbers(self)
        for name, kinds in (
            ("strategy", Strategy),
            ("note_kind", NoteKind),
            ("question_policy", QuestionPolicy),
        ):
            if getattr(self, name) not in get_args(kinds):
                options = ", ".join(get_args(kinds))
                raise UsageError(f"{name}={getattr(self, name)!r}: choose from {options}")
        for name in ("window", "memory_tokens", "gen_length", "retrieve_windows", "rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name}={value}; it must be at least 1")
        for name in ("reread_windows", "max_quotes"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name}={getattr(self, name)}; it must not be negative")
        if self.skip_threshold is not None and not self.skip_threshold > 0:
            raise UsageError(
                f"skip_threshold={self.skip_threshold}; it must be above 0, and from 1 on no window "
                "is skipped"
            )
        if self.abstain_threshold is not None and not 0 <= self.abstain_threshold <= 1:
            raise UsageError(
                f"abstain_threshold={self.abstain_threshold} is not a probability from 0 to 1"
            )

    def describe(self) -> dict[str, Any]:
        """Plain values for records; `rows` is left out, since it never decides an answer."""
        form = asdict(self)
        del form["rows"]
        return form


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured of a model: thresholds, and what reading with it costs on average.

    `skip_threshold` None never skips. `none_bias` are the nats by which none must be likelier than a
    pointer, `end_bias` and `refusal_bias` those by which the end of an answer, and none, must be
    likelier than a copy. `reread_score` is the least score (1 - p(none) of its window) of a note
    that was found when a window was read again. The others serve the plan only:
    `hit_share` is the share of windows that one question alone keeps from being skipped,
    `note_tokens` the tokens of notes that a window adds to the memory of one (None: it is full from
    the first window on), `memory_fill` the share of the room for notes that they take in the end
    (None: what the document's own sentences make of it), and `read_forwards` the forwards of a
    window that is not skipped. This is of one question; `read_forwards_shared` is of as many as
    share a window at most (None: the same), and between them the plan goes in a straight line.
    `answer_forwards` are those of an answer that stops at its end (None: five a block).
    Raises ModelError for values that cannot have been measured.
    """

    skip_threshold: float | None = None
    abstain_threshold: float = 0.0
    none_bias: float = 0.0
    end_bias: float = 0.0
    refusal_bias: float = 0.0
    reread_score: float = 0.0
    memory_tokens: int = 256
    memory_fill: float | None = None
    hit_share: float = 0.1
    note_tokens: float | None = None
    read_forwards: float = 2.0
    read_forwards_shared: float | None = None
    answer_forwards: float | None = None

    def __post_init__(self) -> None:
        shares = ("skip_threshold", "abstain_threshold", "memory_fill")
        for name in (*shares, "hit_share", "reread_score"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
                raise ModelError(f"calibration: {name}={value!r}; it must be from 0 to 1")
        for name in ("none_bias", "end_bias", "refusal_bias"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and value >= 0):
                raise ModelError(f"calibration: {name}={value!r}; at least 0 nats")
        if self.memory_tokens < 1:
            raise ModelError(f"calibration: memory_tokens={self.memory_tokens}; at least 1")
        if self.note_tokens is not None and not (
            isinstance(self.note_tokens, int | float) and self.note_tokens >= 0
        ):
            raise ModelError(f"calibration: note_tokens={self.note_tokens!r}; at least 0")
        for name in ("read_forwards", "read_forwards_shared", "answer_forwards"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value >= 1):
                raise ModelError(f"calibration: {name}={value!r}; at least 1")

    def answering(self, blocks: int, *, whole: bool) -> float:
        """Expected forwards of an answer of so many blocks, all of them decoded where it is `whole`."""
        if whole or self.answer_forwards is None:
            return 5.0 * blocks
        return self.answer_forwards

    def forwards(self, share: float) -> float:
        """Expected forwards of a window at a `share` of the way from one question to the most."""
        if self.read_forwards_shared is None:
            return self.read_forwards
        return self.read_forwards + share * (self.read_forwards_shared - self.read_forwards)

    def carried(self, windows: int, questions: int, full: float) -> float:
        """Tokens of notes expected after so many windows in a memory that stops at `full`."""
        if self.note_tokens is None:
            return full
        return min(full, windows * questions * self.note_tokens)


@dataclass(frozen=True, slots=True)
class Limits:
    """The values in force: what was asked for, else what was measured of the model.

    `skip_threshold` None never skips. The biases and `reread_score` are the model's
    own (see `Calibration`).
    """

    window: int
    memory_tokens: int
    skip_threshold: float | None
    abstain_threshold: float
    none_bias: float = 0.0
    end_bias: float = 0.0
    refusal_bias: float = 0.0
    reread_score: float = 0.0

    @classmethod
    def of(cls, config: FoldConfig, info: ModelInfo, calibration: Calibration) -> Self:
        """Raises UsageError when a larger window is asked for than the model has."""
        skip, abstain = config.skip_threshold, config.abstain_threshold
        skip = calibration.skip_threshold if skip is None else skip
        return cls(
            window=effective_window(info, config),
            memory_tokens=config.memory_tokens or calibration.memory_tokens,
            skip_threshold=skip if skip is not None and 0 < skip < 1 else None,
            abstain_threshold=calibration.abstain_threshold if abstain is None else abstain,
            none_bias=calibration.none_bias,
            end_bias=calibration.end_bias,
            refusal_bias=calibration.refusal_bias,
            reread_score=calibration.reread_score,
        )


def effective_window(info: ModelInfo, config: FoldConfig) -> int:
    """The window that is used. Raises UsageError when more is asked for than the model has."""
    if config.window is None:
        return info.window
    if config.window > info.window:
        raise UsageError(
            f"window={config.window} exceeds what {info.name} was trained for, {info.window} tokens"
        )
    return config.window
