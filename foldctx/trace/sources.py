"""What a trace says about one document, and whether one of its windows can be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from foldctx.trace.events import tokens_by_kind
from foldctx.trace.spans import disjoint

Event = Mapping[str, Any]


@dataclass(slots=True)
class Source:
    """What the trace has said about one document so far."""

    line: int
    characters: int
    questions: int
    windows: dict[int, Event] = field(default_factory=dict)
    answered: dict[int, int] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    notes: dict[int, tuple[set[str], str]] = field(default_factory=dict)
    spanless: bool = False

    def spans(self, question: int, *kinds: str) -> list[tuple[int, int]]:
        """Give the characters that windows of these kinds read for a question."""
        return [
            (window["start"], window["end"])
            for window in self.windows.values()
            if window["kind"] in kinds
            and window["start"] is not None
            and window["end"] is not None
            and question in window["questions"]
        ]


def window_problems(source: Source, event: Event, limit: int | None) -> Iterator[str]:
    """Yield what is wrong with a window of a source; `limit` is the model's window in tokens."""
    if event["index"] in source.windows:
        yield f"index={event['index']} was already used for this source"
    if limit is not None:
        if event["fed_max"] > limit:
            yield f"fed_max={event['fed_max']} exceeds the model's window {limit}"
        if event["position_max"] >= limit:
            yield f"position_max={event['position_max']} lies outside the model's window {limit}"
    if event["fed_max"] > event["tokens_fed"]:
        yield f"fed_max={event['fed_max']} exceeds tokens_fed={event['tokens_fed']}"
    yield from _layout(event)
    if len(event["p_none"]) != len(event["questions"]):
        yield f"{len(event['p_none'])} values of p_none for {len(event['questions'])} questions"
    for question in event["questions"]:
        yield from asked(source, question)
    yield from _span(source, event)


def asked(source: Source, question: int) -> Iterator[str]:
    """Yield a message when the document was not asked a question of this index."""
    if 0 <= source.questions <= question:
        yield f"question {question}; the document has {source.questions}"


def _layout(event: Event) -> Iterator[str]:
    if not disjoint([(piece["start"], piece["end"]) for piece in event["layout"]]):
        yield "ranges of the layout overlap or run backward"
    for kind, count in tokens_by_kind(event["layout"]).items():
        if event["tokens"][kind] != count:
            yield f"tokens.{kind}={event['tokens'][kind]}, but the layout has {count}"


def _span(source: Source, event: Event) -> Iterator[str]:
    start, end = event["start"], event["end"]
    if start is None or end is None:
        if start != end:
            yield f"start={start} and end={end}: one is missing"
        source.spanless = source.spanless or event["kind"] in ("read", "reread")
    elif not start < end or (0 <= source.characters < end):
        yield f"characters {start}-{end} are no part of 0-{source.characters}"
