"""What a run will cost, before anything runs: windows, forwards, tokens, memory."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from foldctx.folding.session import Group, Session
from foldctx.folding.strategies import rank_windows

# Forwards beyond the first of a window that is not skipped, and of an answer, as measured with a
# commit threshold; each feeds the canvas alone.
_MORE_READ_FORWARDS = 1.0
_ANSWER_FORWARDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The expected cost of reading one document.

    `passes` is tokens fed over tokens of the document; `passes_low` holds when no note is ever
    carried, `passes_high` when the memory is full in every window and no window is skipped.
    `fed_max` bounds every forward. `peak_memory_bytes` is that of weights and one forward's
    activations; the document's text comes on top. Every strategy ends: each window is read once,
    re-reading and condensing are bounded.
    """

    source: str
    strategy: str
    questions: int
    characters: int
    pages: int
    document_tokens: int
    window: int
    chunk_tokens: int
    memory_tokens: int
    windows: int
    forwards: int
    tokens_fed: int
    passes: float
    passes_low: float
    passes_high: float
    fed_max: int
    peak_memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Cost:
    windows: int
    forwards: float
    expected: float
    low: float
    high: float
    fed_max: int


def plan_session(session: Session) -> Plan:
    """The plan of an opened session; runs no model."""
    costs = [_group_cost(session, group) for group in session.groups]
    answers = _answer_tokens(session)
    tokens = session.document_tokens
    fed = sum(cost.expected for cost in costs) + answers
    low = sum(cost.low for cost in costs) + answers
    high = sum(cost.high for cost in costs) + answers * (1 + session.config.reread_windows)
    forwards = sum(cost.forwards for cost in costs) + len(session.questions) * _ANSWER_FORWARDS
    fed_max = max(cost.fed_max for cost in costs)
    return Plan(
        source=session.document.source,
        strategy=session.config.strategy,
        questions=len(session.questions),
        characters=len(session.document.text),
        pages=len(session.document.pages),
        document_tokens=tokens,
        window=session.window,
        chunk_tokens=session.groups[0].layout.chunk,
        memory_tokens=session.memory_tokens,
        windows=sum(cost.windows for cost in costs),
        forwards=round(forwards),
        tokens_fed=round(fed),
        passes=round(fed / tokens, 3),
        passes_low=round(low / tokens, 3),
        passes_high=round(high / tokens, 3),
        fed_max=fed_max,
        peak_memory_bytes=_peak_memory(session, fed_max),
    )


def _group_cost(session: Session, group: Group) -> _Cost:
    """Tokens of the group's reading windows: one forward each, and the canvas again for hits."""
    marker = session.prompts.unit_overhead()
    sizes = [passage.tokens + marker * len(passage.units) for passage in _read(session, group)]
    layout, strategy = group.layout, session.config.strategy
    carries = strategy != "map"
    base = [layout.frame + size for size in sizes]
    canvas = layout.canvas.length
    never = session.skip_threshold is None or session.skip_threshold >= 1
    hits = len(sizes) * (1.0 if never else session.calibration.hit_share)
    more = hits * _MORE_READ_FORWARDS
    carried = session.calibration.memory_fill * layout.memory if carries else 0.0
    return _Cost(
        windows=len(sizes),
        forwards=len(sizes) + more,
        expected=sum(base) + carried * len(sizes) + more * canvas,
        low=sum(base),
        high=sum(base) + (layout.memory * carries + canvas * canvas) * len(sizes),
        fed_max=max(base) + (layout.memory if carries else 0),
    )


def _read(session: Session, group: Group) -> Sequence[Any]:
    """The passages that the strategy will read."""
    passages = group.passages
    if session.config.strategy == "retrieve":
        texts = [" ".join(passage.texts) for passage in passages]
        asked = [question.text for question in group.questions]
        count = session.config.retrieve_windows
        return [passages[i] for i in rank_windows(texts, asked, count)]
    if session.config.strategy == "truncate" and len(passages) > 1:
        halves = session.passages(max(1, group.layout.chunk // 2))
        return [halves[0], halves[-1]]
    return passages


def _answer_tokens(session: Session) -> float:
    """Tokens of the answering windows: the prompt once, the canvas in every forward."""
    length = session.prompts.answer_length
    frames = [session.prompts.frame("answer", [q.ids]) for q in session.questions]
    notes = min(session.memory_tokens, session.window // 2)
    return sum(frame + notes + length * _ANSWER_FORWARDS for frame in frames)


def _peak_memory(session: Session, fed: int) -> int:
    """Weights, and the widest activations of one forward in float32."""
    info = session.predictor.info
    rows = session.config.rows if session.config.strategy == "map" else 1
    widest = info.width * 12 + info.heads * fed
    return 4 * (info.parameters + rows * fed * widest + fed * info.vocab_size // 8)
