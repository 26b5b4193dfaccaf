"""What a run of records shows: lines, text for people, complaints, and the exit code."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.padding import Padding

from foldctx.trace import TraceWriter
from foldctx_cli.console import Bar, Sink, complain, plain

if TYPE_CHECKING:
    from foldctx.errors import DocumentError
    from foldctx_pipelines.jobs import Job

FAILED, SOME_FAILED, NO_EVIDENCE = 1, 3, 4


def new_run(trace: Path | None) -> TraceWriter:
    """The trace of a new run; None writes nowhere."""
    return TraceWriter(trace, uuid.uuid4().hex[:12])


def failed_jobs(
    jobs: "Sequence[Job]", errors: "Mapping[str, DocumentError]"
) -> Iterator[dict[str, Any]]:
    """The records of a run in which no source can be read."""
    from foldctx_pipelines.jobs import failures

    for job in jobs:
        yield from failures(job, errors[job.source])


@dataclass(slots=True)
class Tally:
    """Counts the rows of a run while it shows them."""

    quiet: bool
    rows: int = 0
    failed: int = 0
    unsupported: int = 0
    told: set[str] = field(default_factory=set)

    def exit_code(self, *, require_evidence: bool = False) -> int:
        """0, or what stands in the way: failed rows first, then missing evidence."""
        if self.failed:
            return FAILED if self.failed == self.rows else SOME_FAILED
        return NO_EVIDENCE if require_evidence and self.unsupported else 0

    def report(self, events: Iterable[Any], sink: Sink, bar: Bar) -> None:
        """Show a run's events: records go to the sink, the rest moves the bar or warns.

        Records may come bare or in a `Record`; other events are those of `answer_jobs`.
        """
        for event in events:
            record = event if isinstance(event, Mapping) else getattr(event, "value", None)
            if record is not None:
                self._count(record)
                with bar.hidden():
                    sink.put(record, lambda shown=record: people_text(shown))  # type: ignore[misc]
            elif hasattr(event, "windows"):
                bar.begin(event.source, event.windows)
            elif event.event == "window":
                bar.advance()
            elif event.event == "document":
                with bar.hidden():
                    self.warn(event.fields["source"], event.fields["warnings"])

    def warn(self, source: str, warnings: Iterable[str]) -> None:
        """Tell what is odd about a source, unless nothing is to be told."""
        for text in () if self.quiet else warnings:
            complain("warning", f"{source}: {text}")

    def _count(self, record: Mapping[str, Any]) -> None:
        self.rows += 1
        if "error" in record:
            self.failed += 1
            message = record["error"]["message"]
            if message not in self.told:  # a bad source fails with each of its questions
                self.told.add(message)
                complain("error", message)
        elif "answer" in record:
            held = any(quote["support"] != "none" for quote in record["evidence"])
            self.unsupported += record["answer"] is None or not held


def people_text(record: Mapping[str, Any]) -> Iterator[RenderableType]:
    """An answer and its quotes, a continued prompt or a chunk; a failure is told on standard error."""
    if "index" in record:
        place = f"{record['source']} {record['index']}: characters {record['start']}"
        yield plain(f"{place}-{record['end']}, {record['tokens']} tokens", "dim")
    if "text" in record:
        yield plain(record["text"])
    elif "question" in record and "answer" in record:
        yield plain(f"{record['source']}: {record['question']}", "bold")
        if record["answer"] is None:
            yield plain(f"no answer: {record['reason']}", "yellow")
        else:
            yield plain(record["answer"], "green")
        for found in record["evidence"]:
            page = "" if found["page"] is None else f"  page {found['page']}"
            quote = " ".join(found["quote"].split())
            line = plain(f'"{quote}"') + plain(page, "dim")
            yield Padding(line, (0, 0, 0, 2), expand=False)
        yield ""
