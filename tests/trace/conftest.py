"""A small but complete run: two documents, three questions, a skip, folds, an abstention."""

import io
import itertools
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from foldctx.trace import TraceWriter, tokens_by_kind

Event = tuple[str, dict[str, Any]]


def layout(chunk: int, mask: int = 8) -> list[dict[str, Any]]:
    sizes = (("template", 4), ("question", 6), ("chunk", chunk), ("mask", mask))
    ends = list(itertools.accumulate(size for _, size in sizes))
    return [
        {"kind": kind, "start": end - size, "end": end}
        for (kind, size), end in zip(sizes, ends, strict=True)
    ]


def window(source: str, index: int, span: tuple[int, int] | None, **fields: Any) -> Event:
    pieces = layout(40 if span else 0)
    start, end = span if span else (None, None)
    event: dict[str, Any] = {
        "index": index,
        "source": source,
        "questions": [0],
        "kind": "read",
        "pages": [1] if span else [],
        "start": start,
        "end": end,
        "tokens": tokens_by_kind(pieces),
        "layout": pieces,
        "p_none": [0.25],
        "forwards": 2,
        "tokens_fed": 66,
        "fed_max": 58,
        "position_max": 57,
    }
    return "window", event | fields


def memory(window: int, kept: list[str], added: list[str], *dropped: str) -> Event:
    fields = {
        "source": "report.pdf",
        "window": window,
        "question": 0,
        "kept": kept,
        "added": added,
        "dropped": [{"note": note, "reason": "the memory is full"} for note in dropped],
        "hash_before": "+".join(sorted([*kept, *dropped])),
        "hash_after": "+".join(sorted([*kept, *added])),
    }
    return "memory", fields


def fold(kind: str, window: int | None, before: int, after: int) -> Event:
    fields = {
        "source": "report.pdf",
        "window": window,
        "kind": kind,
        "before": before,
        "after": after,
        "kept": [[0, after]],
        "dropped": [[after, before]],
        "reason": "outside the near window",
    }
    return "fold", fields


def document(source: str, questions: list[str]) -> Event:
    fields = {
        "source": source,
        "sha256": "ab" * 32,
        "pages": 2,
        "characters": 300,
        "tokens": 100,
        "questions": questions,
        "warnings": ["page 2 holds no text"],
    }
    return "document", fields


def answer(source: str, question: int, text: str | None, reason: str | None = None) -> Event:
    sure = 0.75 if text else None
    return "answer", {
        "source": source,
        "question": question,
        "text": text,
        "reason": reason,
        "confidence": sure,
    }


def run_events() -> list[Event]:
    both = {"questions": [0, 1], "p_none": [0.25, 0.5]}
    start = {
        "versions": {"foldctx": "0.1.0"},
        "model": {"name": "toy", "revision": None, "weights_sha256": None, "window": 64},
        "config": {"threshold": 0.9},
        "seed": 0,
        "strategy": "fold",
        "preset": "elastic",
    }
    skipped = {"questions": [0, 1], "p_none": [0.95, 1.0], "forwards": 1, "tokens_fed": 58}
    found = {
        "source": "report.pdf",
        "question": 0,
        "quote": "The rent is 900 euros.",
        "document": "report.pdf",
        "page": 1,
        "start": 20,
        "end": 42,
        "match": "exact",
        "support": "contains",
    }
    skip = {"source": "report.pdf", "window": 1, "p_none": [0.95, 1.0], "threshold": 0.9}
    step = {
        "source": "report.pdf",
        "window": 0,
        "block": 0,
        "step": 0,
        "forward": 0,
        "positions": [50, 51],
        "tokens": [7, 9],
        "confidence": [0.5, None],
    }
    end = {
        "windows": 4,
        "skipped": 1,
        "forwards": 9,
        "tokens_fed": 322,
        "passes": 1.61,
        "fed_max": 58,
        "position_max": 57,
        "folds": {"mask": 1, "span": 1, "chunk": 1},
        "documents": 2,
        "answers": 2,
        "errors": 1,
        "characters": 600,
        "peak_memory": 2**30,
    }
    failed = {"source": "b.txt", "question": None, "type": "WindowError", "message": "too long"}
    return [
        ("run.start", start),
        document("report.pdf", ["What is the rent?", "Who lives there?"]),
        ("denoise", step),
        fold("mask", 0, 8, 2),
        window("report.pdf", 0, (0, 110), **both),
        fold("chunk", 0, 40, 5),
        memory(0, [], ["s1", "s2"]),
        window("report.pdf", 1, (100, 210), **skipped),
        ("skip", skip),
        window("report.pdf", 2, (205, 300), **both),
        memory(2, ["s1"], ["s9"], "s2"),
        fold("span", None, 30, 10),
        window("report.pdf", 3, None, kind="answer"),
        answer("report.pdf", 0, "900 euros"),
        ("evidence", found),
        answer("report.pdf", 1, None, "no note helps"),
        document("b.txt", ["What is the rent?"]),
        window("b.txt", 0, (0, 50)),
        ("error", failed),
        ("run.end", end),
    ]


def write(events: list[Event]) -> list[bytes]:
    stream = io.BytesIO()
    ticks = itertools.count()
    with TraceWriter(stream, "run-1", clock=lambda: next(ticks) * 0.5) as trace:
        for name, fields in events:
            trace.emit(name, **fields)
    return stream.getvalue().splitlines(keepends=True)


@pytest.fixture
def events() -> list[Event]:
    return run_events()


@pytest.fixture
def written() -> Callable[[list[Event]], list[bytes]]:
    return write


@pytest.fixture
def lines() -> list[bytes]:
    return write(run_events())


@pytest.fixture(scope="session")
def whole_run() -> list[dict[str, Any]]:
    """The events as a reader sees them; shared by the examples of a property, so never change."""
    return [orjson.loads(line) for line in write(run_events())]
