"""Checks what the events of a trace say about each other: windows, folds, notes, answers."""

from collections.abc import Iterator, Sequence
from typing import Any

from foldctx.trace.reader import Problem
from foldctx.trace.sources import Event, Source, asked, window_problems
from foldctx.trace.spans import covers, disjoint, gaps

# Strategies that promise to read every character.
READ_WHOLE = ("fold", "map")
# The strategy that carries one memory from window to window.
IN_ORDER = "fold"


class Contents:
    """Follows the well-formed events of a trace and says where they contradict each other."""

    def __init__(self) -> None:
        """Begin without a model, a strategy or documents."""
        self._window: int | None = None
        self._strategy: str | None = None
        self._sources: dict[str, Source] = {}
        self._references: list[tuple[int, Event]] = []

    def problems(self, number: int, event: Event) -> Iterator[Problem]:
        """Yield what one event says that earlier ones, or its own fields, contradict."""
        name = event["event"]
        if name == "run.start":
            self._window = event["model"]["window"]
            self._strategy = event["strategy"]
            return
        if name == "document":
            yield from self._document(number, event)
            return
        if name in ("run.end", "error"):
            self._fail(event)
            return
        if event["source"] not in self._sources:
            if self._strategy is not None:
                yield Problem(
                    number, f"{name}: source {event['source']!r} has no document event above"
                )
            self._sources[event["source"]] = Source(number, -1, -1)
        source = self._sources[event["source"]]
        if event.get("window") is not None:
            self._references.append((number, event))
        for message in _CHECKS[name](self, source, event):
            yield Problem(number, f"{name}: {message}")
        if name == "answer":
            source.answered.setdefault(event["question"], number)

    def final(self, number: int) -> Iterator[Problem]:
        """Yield what is missing from a run that came to its end in line `number`."""
        for line, event in self._references:
            window = self._sources[event["source"]].windows.get(event["window"])
            if window is None:
                yield Problem(
                    line,
                    f"{event['event']}: window {event['window']} of {event['source']!r} "
                    "has no window event",
                )
            elif event["event"] == "skip":
                yield from _skipped(line, event, window)
        for name, source in self._sources.items():
            for question in range(source.questions):
                if question in source.failed:
                    continue
                if question not in source.answered:
                    yield Problem(number, f"{name}: question {question} has no answer and no error")
                if self._strategy in READ_WHOLE:
                    missing = gaps(source.spans(question, "read"), source.characters)
                    if missing:
                        yield Problem(
                            source.line,
                            f"{name}: not read for question {question} under "
                            f"{self._strategy}: characters {_list(missing)}",
                        )

    def read_whole(self) -> tuple[str, ...]:
        """Name the documents whose whole text was read for every question."""
        return tuple(
            name
            for name, source in self._sources.items()
            if source.questions > 0
            and not any(
                gaps(source.spans(question, "read"), source.characters)
                for question in range(source.questions)
            )
        )

    def _document(self, number: int, event: Event) -> Iterator[Problem]:
        name = event["source"]
        if name in self._sources:
            line = self._sources[name].line
            yield Problem(number, f"document: source {name!r} was already opened in line {line}")
            return
        self._sources[name] = Source(number, event["characters"], len(event["questions"]))

    def _fail(self, event: Event) -> None:
        if event["event"] != "error":
            return
        named = event["source"]
        for name, source in self._sources.items():
            if named in (None, name):
                every = range(source.questions)
                source.failed.update(every if event["question"] is None else [event["question"]])

    def _read(self, source: Source, event: Event) -> Iterator[str]:
        yield from window_problems(source, event, self._window)
        source.windows.setdefault(event["index"], event)

    def _fold(self, source: Source, event: Event) -> Iterator[str]:
        if event["after"] > event["before"]:
            yield f"after={event['after']} is more than before={event['before']}"
        if not disjoint([*event["kept"], *event["dropped"]]):
            yield f"ranges overlap or run backward: kept {event['kept']}, dropped {event['dropped']}"

    def _memory(self, source: Source, event: Event) -> Iterator[str]:
        yield from asked(source, event["question"])
        kept, added = set(event["kept"]), set(event["added"])
        dropped = {note["note"] for note in event["dropped"]}
        if kept & added or kept & dropped:
            yield f"notes in two lists: {_list(sorted(kept & (added | dropped)))}"
        changed = event["hash_before"] != event["hash_after"]
        if changed != bool(added or dropped):
            yield (
                f"hash {event['hash_before']} -> {event['hash_after']} with {len(added)} notes "
                f"added and {len(dropped)} dropped"
            )
        before, hashed = source.notes.get(event["question"], (set(), event["hash_before"]))
        if self._strategy == IN_ORDER:
            if event["hash_before"] != hashed:
                yield f"hash_before={event['hash_before']}; the memory above ended with {hashed}"
            if before - kept - dropped:
                yield f"notes lost without a reason: {_list(sorted(before - kept - dropped))}"
            if (kept | dropped) - before:
                yield f"notes that were not there: {_list(sorted((kept | dropped) - before))}"
        source.notes[event["question"]] = (kept | added, event["hash_after"])

    def _denoise(self, source: Source, event: Event) -> Iterator[str]:
        lengths = {len(event[name]) for name in ("positions", "tokens", "confidence")}
        if len(lengths) > 1:
            yield f"positions, tokens and confidence have different lengths: {sorted(lengths)}"

    def _answer(self, source: Source, event: Event) -> Iterator[str]:
        yield from asked(source, event["question"])
        if event["question"] in source.answered:
            line = source.answered[event["question"]]
            yield f"question {event['question']} was already answered in line {line}"
        if event["text"] is None and not event["reason"]:
            yield "no text and no reason"

    def _evidence(self, source: Source, event: Event) -> Iterator[str]:
        yield from asked(source, event["question"])
        start, end = event["start"], event["end"]
        document = self._sources.get(event["document"])
        if document is None:
            yield f"document {event['document']!r} has no document event above"
        elif not start < end <= document.characters:
            yield f"characters {start}-{end} are no part of 0-{document.characters}"
        elif not document.spanless and not covers(
            document.spans(event["question"], "read", "reread"), start, end
        ):
            yield f"characters {start}-{end} were not read for question {event['question']}"

    def _skip(self, source: Source, event: Event) -> Iterator[str]:
        low = [p for p in event["p_none"] if p < event["threshold"]]
        if low or not event["p_none"]:
            yield f"p_none={event['p_none']} does not reach the threshold {event['threshold']}"


_CHECKS = {
    "window": Contents._read,
    "fold": Contents._fold,
    "skip": Contents._skip,
    "memory": Contents._memory,
    "denoise": Contents._denoise,
    "answer": Contents._answer,
    "evidence": Contents._evidence,
}


def _skipped(line: int, skip: Event, window: Event) -> Iterator[Problem]:
    if window["kind"] not in ("read", "reread"):
        yield Problem(line, f"skip: window {window['index']} is of kind {window['kind']}")
    if window["p_none"] != skip["p_none"]:
        yield Problem(line, f"skip: p_none={skip['p_none']}; its window has {window['p_none']}")
    if window["forwards"] != 1:
        yield Problem(line, f"skip: its window took {window['forwards']} forwards, not 1")


def _list(items: Sequence[Any]) -> str:
    shown = ", ".join(
        f"{item[0]}-{item[1]}" if isinstance(item, tuple) else str(item) for item in items[:5]
    )
    return shown if len(items) <= 5 else f"{shown} and {len(items) - 5} more"
