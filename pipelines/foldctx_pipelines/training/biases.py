"""How much likelier an end, or none, must be than a copy: a small reader says both too soon."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from foldctx.decoding import Request, Segment, decode_one, preset
from foldctx.decoding.presets import DEFAULT_PRESET
from foldctx.folding.answering import mean_confidence
from foldctx.folding.config import Calibration
from foldctx.folding.reading import for_answer
from foldctx.models.load import Model
from foldctx_pipelines.scoring import contains_gold
from foldctx_pipelines.training.sources import World
from foldctx_pipelines.training.windows import Window

_STEPS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)  # nats


@dataclass(frozen=True, slots=True)
class Row:
    """One answering window decoded: whether the notes hold an answer, and what became of it."""

    confidence: float
    known: bool
    given: bool
    right: bool


def choose_biases(model: Model, world: World, windows: Sequence[Window]) -> Calibration:
    """The biases that answer best: of ends first, where there is an answer, then of refusals."""
    best = Calibration()
    known = [window for window in windows if _target(window, world) is not None]
    best = _best(model, world, known, [replace(best, end_bias=step) for step in _STEPS])
    return _best(model, world, windows, [replace(best, refusal_bias=step) for step in _STEPS])


def _best(
    model: Model, world: World, windows: Sequence[Window], tried: Sequence[Calibration]
) -> Calibration:
    worth = [_worth([answered(model, world, w, one) for w in windows]) for one in tried]
    return tried[worth.index(max(worth))]


def abstain_threshold(rows: Sequence[Row]) -> float:
    """The confidence, in fiftieths, below which it is best to give no answer."""
    worth = [_worth(rows, step / 50) for step in range(50)]
    return worth.index(max(worth)) / 50


def _worth(rows: Sequence[Row], threshold: float = 0.0) -> int:
    """How many come out right: an answer that is there, or none where there is none."""
    return sum(
        row.right if row.given and row.confidence >= threshold else not row.known for row in rows
    )


def _target(window: Window, world: World) -> list[int] | None:
    """The answer's ids, or None where the window says that there is none."""
    wanted = list(window.ids)
    for at, token, _ in window.targets:
        wanted[at] = token
    target = wanted[_answer_at(window, world) :]
    target = target[: target.index(world.eos_id)]
    return None if world.prompts.says_none(target) else target


def _answer_at(window: Window, world: World) -> int:
    return window.ids.index(world.tokenizer.token_id("<|answer|>")) + 1


def answered(model: Model, world: World, window: Window, measured: Calibration) -> Row:
    """Decode the answer of a window from its prompt, with the default preset."""
    start, target = _answer_at(window, world), _target(window, world)
    memory = window.ids.index(world.tokenizer.token_id("<|memory|>")) + 1
    prompt = (
        Segment("template", tuple(window.ids[:memory])),
        Segment("memory", tuple(window.ids[memory : start - 1])),
        Segment("template", tuple(window.ids[start - 1 : start])),
    )
    length = world.prompts.answer_length
    decoded = decode_one(
        model,
        Request("0", prompt, length),
        for_answer(preset(DEFAULT_PRESET), world.prompts, measured, length),
    )
    given = bool(decoded.text) and not world.prompts.says_none(decoded.text)
    said = world.prompts.decode(decoded.text)
    gold = "" if target is None else world.prompts.decode(target)
    right = given and target is not None and contains_gold(said, [gold])
    return Row(mean_confidence(decoded), target is not None, given, right)
