"""What a run will cost, before anything runs: windows, forwards, tokens, memory."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from foldctx.folding.answering import answer_length, answer_settings, notes_room
from foldctx.folding.decoding_cost import Cost, decoding_cost
from foldctx.folding.memory import filled
from foldctx.folding.reading import Passage
from foldctx.folding.session import Group, Session
from foldctx.folding.strategies import windows_of

_SAMPLED = 64  # passages whose sentences stand for those of the document


@dataclass(frozen=True, slots=True)
class Plan:
    """The expected cost of reading one document.

    `passes` is tokens fed over tokens of the document. `passes_low` holds when every window costs
    one forward and no note is ever found; `passes_high` when the memory is full in every window,
    every token takes its own forward, and windows are read again in vain. `fed_max` bounds every
    forward. `peak_memory_bytes` is that of weights and one forward's
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


def plan_session(session: Session) -> Plan:
    """The plan of an opened session; runs no model."""
    sizes = _unit_sizes(session)
    reading = [
        _reading(session, group, windows_of(session, group), sizes) for group in session.groups
    ]
    answers = [_answering(session, question.number, sizes) for question in session.questions]
    total = sum([*reading, *answers], start=Cost())
    tokens = max(1, session.document_tokens)
    return Plan(
        source=session.document.source,
        strategy=session.config.strategy,
        questions=len(session.questions),
        characters=len(session.document.text),
        pages=len(session.document.pages),
        document_tokens=session.document_tokens,
        window=session.limits.window,
        chunk_tokens=session.groups[0].layout.chunk,
        memory_tokens=session.limits.memory_tokens,
        windows=sum(len(windows_of(session, group)) for group in session.groups),
        forwards=round(total.forwards),
        tokens_fed=round(total.tokens),
        passes=round(total.tokens / tokens, 3),
        passes_low=math.floor(1000 * total.low / tokens) / 1000,
        passes_high=math.ceil(1000 * total.high / tokens) / 1000,
        fed_max=total.fed_max,
        peak_memory_bytes=_peak_memory(session, total.fed_max),
    )


def _reading(
    session: Session, group: Group, passages: Sequence[Passage], sizes: Sequence[int]
) -> Cost:
    """The group's reading windows, those that are read again, and the condensing of notes."""
    layout, carries = group.layout, session.config.strategy != "map"
    memory = layout.memory if carries else 0
    skips = session.limits.skip_threshold is not None
    measured, count = session.calibration, len(group.questions)
    share = min(1.0, (count - 1) / max(1, session.prompts.max_questions - 1))
    missed = (1 - measured.hit_share) ** count
    hits = 1 - missed if skips else 1.0
    full = _full(session, sizes, memory, count)
    total = Cost()
    costs = []
    for i, passage in enumerate(passages):
        prompt = layout.frame - layout.canvas.length + _chunk_tokens(session, passage)
        carried = prompt + measured.carried(i, count, full)
        costs.append(
            decoding_cost(
                session.reader.settings(layout.canvas.length),
                (prompt, carried, prompt + memory),
                layout.canvas.length,
                forwards=measured.forwards(share)
                if session.pointer
                else measured.answering(1, whole=False),
                masks=layout.canvas.length - len(layout.canvas.pinned),
                hits=hits,
            )
        )
        total += costs[-1]
    again = sorted(cost.high for cost in costs)[-session.config.reread_windows or len(costs) :]
    total += Cost(high=sum(again) * count)
    if not carries:
        high = _condensing(session, group, passages) * count
        total += Cost(high=high, fed_max=layout.frame + layout.chunk if high else 0)
    return total


def _full(session: Session, sizes: Sequence[int], room: int, count: int) -> float:
    """Tokens that the notes of so many questions take together in a room, once there are enough."""
    measured = session.calibration.memory_fill
    if measured is not None:
        return measured * room
    return count * filled(sizes, session.limits.memory_tokens, room // count)


def _unit_sizes(session: Session) -> list[int]:
    """Tokens of units as notes, of passages all over the document."""
    passages = session.groups[0].passages
    step = max(1, len(passages) // _SAMPLED)
    overhead = session.prompts.note_overhead()
    return [len(unit) + overhead for passage in passages[::step] for unit in passage.ids]


def _chunk_tokens(session: Session, passage: Passage) -> int:
    task = "read" if session.pointer else "write"
    return session.prompts.unit_places(passage.ids, task=task)[1]


def _condensing(session: Session, group: Group, passages: Sequence[Passage]) -> float:
    """The most that folding one question's notes as a tree can feed."""
    if not session.pointer:
        return 0.0
    slots = len(group.layout.canvas.slots[0])
    longest = [sorted(map(len, passage.ids))[-slots:] for passage in passages]
    sizes = [size + session.prompts.unit_overhead() for row in longest for size in row]
    if sum(sizes) <= session.limits.memory_tokens or len(sizes) < 2:
        return 0.0
    layout, rounds = group.layout, math.ceil(math.log2(len(sizes)))
    windows = 2 * sum(sizes) // layout.chunk + len(sizes) // session.prompts.max_units + 1
    windows = min(windows, len(sizes) // 2)
    canvas = layout.canvas.length
    settings = session.reader.settings(canvas)
    full = decoding_cost(settings, (0, 0, layout.frame - canvas), canvas, forwards=1).high
    text = decoding_cost(settings, (0, 0, sum(sizes)), canvas, forwards=1).high
    return rounds * (windows * full + text)


def _answering(session: Session, number: int, sizes: Sequence[int]) -> Cost:
    """The answering window of one question; decoded twice when windows are read again."""
    question = session.questions[number]
    length = answer_length(session)
    frame, room = session.prompts.frame("answer", [question.ids]), notes_room(session, question)
    read = sum(len(windows_of(session, group)) for group in session.groups)
    notes = session.calibration.carried(read, 1, _full(session, sizes, room, 1))
    block = min(session.decoder.block_length, length)
    cost = decoding_cost(
        answer_settings(session),
        (frame, frame + notes, frame + room),
        length,
        forwards=session.calibration.answering(
            math.ceil(length / block), whole=session.config.gen_length is not None
        ),
        window=session.limits.window,
    )
    attempts = 2 if session.config.reread_windows else 1
    return Cost(cost.forwards, cost.tokens, 0.0, cost.high * attempts, cost.fed_max)


def _peak_memory(session: Session, fed: int) -> int:
    """Weights, and the widest activations of one forward in float32."""
    info = session.predictor.info
    rows = session.config.rows if session.config.strategy == "map" else 1
    widest = info.width * 12 + info.heads * fed
    return 4 * (info.parameters + rows * fed * widest + fed * info.vocab_size // 8)
