"""Shows a trace to people: documents, windows, folds, memory, answers, totals."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from foldctx.trace.reader import Forms, parse

Event = Mapping[str, Any]

MOST_WINDOWS = 200
_BAR = 8
# A document may hold escape sequences; on a terminal they would act instead of being read.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(slots=True)
class _Story:
    """The events of one source, by what they are about."""

    document: Event | None = None
    windows: list[Event] = field(default_factory=list)
    skipped: set[int] = field(default_factory=set)
    folds: dict[int | None, list[Event]] = field(default_factory=dict)
    memory: list[Event] = field(default_factory=list)
    answers: list[Event] = field(default_factory=list)
    evidence: list[Event] = field(default_factory=list)
    errors: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """File one event that names this source."""
        name = event["event"]
        if name == "document":
            self.document = event
        elif name == "skip":
            self.skipped.add(event["window"])
        elif name == "fold":
            self.folds.setdefault(event["window"], []).append(event)
        elif name != "denoise":
            shelf = {"window": self.windows, "memory": self.memory, "answer": self.answers}
            shelf |= {"evidence": self.evidence, "error": self.errors}
            shelf[name].append(event)


@dataclass(slots=True)
class _Run:
    """A whole trace: the events of each source, those of none, and how many lines were no events."""

    stories: dict[str, _Story] = field(default_factory=dict)
    own: dict[str, list[Event]] = field(default_factory=dict)
    damaged: int = 0


def show(lines: Iterable[bytes | str], console: Console, windows: int = MOST_WINDOWS) -> None:
    """Print a trace, at most `windows` windows of each document; damaged lines are only counted."""
    run = _collect(lines)
    for event in run.own.get("run.start", []):
        _start(event, console)
    for source, story in run.stories.items():
        _story(source, story, console, windows)
    for event in run.own.get("error", []):
        console.print(_error(event))
    for event in run.own.get("run.end", []):
        _end(event, console)
    if "run.end" not in run.own:
        text = "No run.end: the run was interrupted, or is still running."
        console.print(_text(text, "yellow"))
    if run.damaged:
        text = f"{run.damaged} damaged line(s) left out; `foldctx trace check` says what is wrong."
        console.print(_text(text, "yellow"))


def _collect(lines: Iterable[bytes | str]) -> _Run:
    forms = Forms()
    run = _Run()
    for line in parse(lines):
        if line.event is None or any(forms.problems(line)):
            run.damaged += 1
        elif line.event.get("source") is None:
            run.own.setdefault(line.name, []).append(line.event)
        else:
            run.stories.setdefault(line.event["source"], _Story()).add(line.event)
    return run


def _start(event: Event, console: Console) -> None:
    model = event["model"]
    console.print(Rule(_text(f"run {event['run']}", "bold"), align="left"))
    revision = f" @ {model['revision']}" if model["revision"] else ""
    console.print(_text(f"model {model['name']}{revision}, window {model['window']} tokens"))
    strategy = event["strategy"] or "none (plain generation)"
    console.print(_text(f"strategy {strategy}, preset {event['preset']}, seed {event['seed']}"))
    versions = ", ".join(f"{name} {version}" for name, version in event["versions"].items())
    console.print(_text(versions, "dim"))


def _story(source: str, story: _Story, console: Console, windows: int) -> None:
    console.print()
    console.print(Rule(_text(source, "bold"), align="left"))
    questions: Sequence[str] = []
    if story.document is not None:
        questions = story.document["questions"]
        _document(story.document, console)
    if story.windows:
        console.print(_timeline(story, windows))
        if len(story.windows) > windows:
            console.print(_text(f"... and {len(story.windows) - windows} more windows", "dim"))
    if None in story.folds:
        console.print(_text("folds between windows: ", "dim") + _folds(story.folds[None]))
    for event in story.memory:
        if event["added"] or event["dropped"]:
            console.print(_memory(event))
    for event in story.answers:
        _answer(event, story, questions, console)
    for event in story.errors:
        console.print(_error(event))


def _document(event: Event, console: Console) -> None:
    size = f"{event['characters']} characters, {event['tokens']} tokens"
    console.print(_text(f"{event['pages']} pages, {size}, sha256 {event['sha256'][:12]}"))
    for warning in event["warnings"]:
        console.print(_text(f"warning: {warning}", "yellow"))
    for index, question in enumerate(event["questions"]):
        console.print(_text(f"question {index}: {question}"))


def _timeline(story: _Story, windows: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("window", "kind", "pages", "characters", "forwards", "fed"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    table.add_column("p(none)", no_wrap=True)
    table.add_column("folded")
    for event in story.windows[:windows]:
        span = "" if event["start"] is None else f"{event['start']}-{event['end']}"
        style = "dim" if event["index"] in story.skipped else ""
        table.add_row(
            str(event["index"]),
            event["kind"] + (", skipped" if style else ""),
            _pages(event["pages"]),
            span,
            str(event["forwards"]),
            str(event["tokens_fed"]),
            Text("\n").join([_bar(value) for value in event["p_none"]]),
            _folds(story.folds.get(event["index"], [])),
            style=style,
        )
    return table


def _pages(pages: Sequence[int]) -> str:
    return "" if not pages else str(pages[0]) if len(pages) == 1 else f"{pages[0]}-{pages[-1]}"


def _bar(value: float | None) -> Text:
    if value is None:
        return Text("-" * _BAR, "dim")
    full = round(value * _BAR)
    bar = Text("\u2588" * full, "red" if value >= 0.5 else "green")
    return bar + Text("\u2591" * (_BAR - full), "dim") + Text(f" {value:.2f}")


def _folds(events: Iterable[Event]) -> Text:
    """Sum up folds of one kind and reason: a long generation has one for every block."""
    sums: dict[tuple[str, str], tuple[int, int, int]] = {}
    for event in events:
        count, before, after = sums.get((event["kind"], event["reason"]), (0, 0, 0))
        sums[event["kind"], event["reason"]] = (
            count + 1,
            before + event["before"],
            after + event["after"],
        )
    return Text("\n").join(
        _text(f"{count if count > 1 else ''} {kind} {before}->{after} ({reason})".strip())
        for (kind, reason), (count, before, after) in sums.items()
    )


def _memory(event: Event) -> Text:
    where = "" if event["window"] is None else f" after window {event['window']}"
    text = _text(f"memory of question {event['question']}{where}: ", "dim")
    text += _text(f"{len(event['kept'])} kept")
    if event["added"]:
        text += _text(f", added {', '.join(event['added'])}", "green")
    for note in event["dropped"]:
        text += _text(f", dropped {note['note']} ({note['reason']})", "red")
    return text


def _answer(event: Event, story: _Story, questions: Sequence[str], console: Console) -> None:
    index = event["question"]
    console.print()
    if index < len(questions):
        console.print(_text(f"Q: {questions[index]}", "bold"))
    if event["text"] is None:
        console.print(_text(f"A: no answer: {event['reason']}", "yellow"))
    else:
        sure = "" if event["confidence"] is None else f"  (confidence {event['confidence']:.2f})"
        console.print(_text(f"A: {event['text']}", "green") + _text(sure, "dim"))
    for found in story.evidence:
        if found["question"] == index:
            page = "" if found["page"] is None else f"page {found['page']}, "
            place = f"{page}characters {found['start']}-{found['end']}, {found['match']}"
            console.print(
                Padding(_text(f'"{found["quote"]}"') + _text(f"  {place}", "dim"), (0, 3))
            )


def _error(event: Event) -> Text:
    where = "" if event["question"] is None else f" (question {event['question']})"
    return _text(f"{event['type']}{where}: {event['message']}", "red")


def _end(event: Event, console: Console) -> None:
    console.print()
    console.print(Rule(_text("totals", "bold"), align="left"))
    folds = ", ".join(f"{count} {kind}" for kind, count in event["folds"].items() if count)
    passes = "" if event["passes"] is None else f" ({event['passes']:.2f} passes)"
    memory = ""
    if event["peak_memory"] is not None:
        memory = f", peak memory {event['peak_memory'] / 2**20:.0f} MiB"
    read = f"{event['documents']} documents, {event['characters']} characters"
    given = f"{event['answers']} answers, {event['errors']} errors"
    looked = f"{event['windows']} windows read, {event['skipped']} of them skipped"
    fed = f"{event['forwards']} forwards, {event['tokens_fed']} tokens fed{passes}"
    most = f"at most {event['fed_max']} in one forward, highest position {event['position_max']}"
    console.print(_text(f"{read}; {given}"))
    console.print(_text(f"{looked}; folds: {folds or 'none'}"))
    console.print(_text(f"{fed}; {most}"))
    console.print(_text(f"{event['seconds']:.1f} seconds{memory}"))


def _text(text: str, style: str = "") -> Text:
    return Text(_CONTROL.sub("\u00b7", text), style)
