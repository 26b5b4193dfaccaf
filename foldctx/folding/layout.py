"""How a window's tokens are shared out: template, questions, memory, chunk, canvas."""

from collections.abc import Sequence
from dataclasses import dataclass

from foldctx.decoding import Segment
from foldctx.errors import UsageError, WindowError
from foldctx.folding.config import FoldConfig
from foldctx.folding.prompts import Canvas, Piece, Prompts

# The smallest chunk worth a forward pass; below it a window holds mostly its own frame.
_SMALLEST_CHUNK = 32


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its ids; `number` is its index among those asked of the document."""

    number: int
    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The budgets, in tokens, of the windows that read for one group of questions.

    `frame` is template, questions and canvas; `memory` what all notes may take in a reading
    window; `chunk` what is left for the document. They add up to `window`.
    """

    window: int
    frame: int
    memory: int
    chunk: int
    canvas: Canvas


def segments(pieces: Sequence[Piece]) -> tuple[Segment, ...]:
    """The decoder's segments of a prompt's pieces; empty ones are left out."""
    return tuple(Segment(kind, ids) for kind, ids in pieces if ids)  # type: ignore[arg-type]


def encode_questions(
    texts: Sequence[str], prompts: Prompts, window: int, config: FoldConfig
) -> tuple[list[Question], list[str]]:
    """Questions in tokens, each within a quarter of the window, and what was done to long ones.

    Raises UsageError without a question, for an empty one, and for a long one unless the policy is
    to cut it.
    """
    if not texts:
        raise UsageError("no question; give at least one with -q")
    budget = window // 4
    questions, warnings = [], []
    for number, (text, ids) in enumerate(zip(texts, prompts.text_ids(texts), strict=True)):
        if not text.strip():
            raise UsageError(f"question {number + 1} is empty; give a question with -q")
        if len(ids) > budget:
            said = (
                f"question {number + 1} has {len(ids)} tokens; a quarter of the window is {budget}"
            )
            if config.question_policy == "error":
                raise UsageError(
                    f"{said}; shorten it, or cut its middle with --question-policy cut"
                )
            half = budget // 2
            ids = (*ids[: budget - half], *ids[len(ids) - half :])
            warnings.append(f"{said}; its middle was cut")
        questions.append(Question(number, text, ids))
    return questions, warnings


def group_questions(
    questions: Sequence[Question], prompts: Prompts, window: int, pointer: bool
) -> list[list[Question]]:
    """Questions that share windows: as many as the template takes in three eighths of the window.

    Written notes are decoded one question at a time, so each such group holds one.
    """
    groups: list[list[Question]] = []
    cost = 0
    for question in questions:
        size = len(question.ids) + prompts.canvas(1).length + 1
        full = groups and len(groups[-1]) >= (prompts.max_questions if pointer else 1)
        if not groups or full or cost + size > 3 * window // 8:
            groups.append([])
            cost = 0
        groups[-1].append(question)
        cost += size
    return groups


def make_layout(
    group: Sequence[Question], prompts: Prompts, window: int, memory: int, pointer: bool
) -> Layout:
    """Share a window out; the memory gives way before the chunk gets too small.

    Raises WindowError when the questions leave no room for a chunk.
    """
    canvas = prompts.canvas(len(group)) if pointer else Canvas(prompts.written_length, {}, ())
    task = "read" if pointer else "write"
    frame = prompts.frame(task, [question.ids for question in group]) + canvas.length
    shared = min(memory * min(len(group), 2), (window - frame) // 4)
    chunk = window - frame - shared
    if shared < 1 or chunk < _SMALLEST_CHUNK:
        raise WindowError(
            f"a window of {window} tokens leaves {max(chunk, 0)} for the document after "
            f"{frame} for template, question and canvas; it needs at least {_SMALLEST_CHUNK}: "
            "shorten the question or raise --window"
        )
    return Layout(window, frame, shared, chunk, canvas)
