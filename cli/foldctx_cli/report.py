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

    rows: int = 0
    failed: int = 0
    unsupported: int = 0
    told: set[str] = field(default_factory=set)

    def exit_code(self, *, require_evidence: bool = False) -> int:
        """0, or what stands in the way: failed rows first, then missing evidence."""
        if self.failed:
            return FAILED if self.failed == self.rows else SOME_FAILED
        return NO_EVIDENCE if require_evidence and self.unsupported else 0

    def report(self, events: Iterable[Any], sink: Sink, bar: Bar, *, quiet: bool) -> None:
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
            elif event.event == "document" and not quiet:
                with bar.hidden():
                    for text in event.fields["warnings"]:
                        complain("warning", f"{event.fields['source']}: {text}")

    def _count(self, record: Mapping[str, Any]) -> None:
        self.rows += 1
        if "error" in record:
            self.failed += 1
            self.complain_once(record["error"]["message"])
        elif "answer" in record:
            held = any(quote["support"] != "none" for quote in record["evidence"])
            self.unsupported += record["answer"] is None or not held

    def complain_once(self, message: str) -> None:
        """An error of many rows is told once."""
        if message not in self.told:
            self.told.add(message)
            complain("error", message)


def people_text(record: Mapping[str, Any]) -> Iterator[RenderableType]:
    """An answer and its quotes, or a continued prompt; a failure is told on standard error."""
    if "text" in record:
        yield plain(record["text"])
    elif "error" not in record:
        yield plain(f"{record['source']}: {record['question']}", "bold")
        if record["answer"] is None:
            yield plain(f"no answer: {record['reason']}", "yellow")
        else:
            yield plain(record["answer"], "green")
        for found in record["evidence"]:
            page = "" if found["page"] is None else f"  page {found['page']}"
            quote = " ".join(found["quote"].split())
            yield Padding(plain(f'"{quote}"') + plain(page, "dim"), (0, 0, 0, 2))
        yield ""
