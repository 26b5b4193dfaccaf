"""How a document is read: one frozen configuration, checked when it is made."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from foldctx.errors import UsageError

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
        for name in ("skip_threshold", "abstain_threshold"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise UsageError(f"{name}={value} is not a probability")

    def describe(self) -> dict[str, Any]:
        """Plain values for records; `rows` is left out, since it never decides an answer."""
        form = asdict(self)
        del form["rows"]
        return form
