"""What a batch run shows: progress and complaints on standard error, a summary, a status."""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from foldctx_cli.console import Shown, complain, plain
from foldctx_cli.report import FAILED, SOME_FAILED
from foldctx_pipelines.batch.run import Committed, Opened, Summary
from foldctx_pipelines.batch.work import Cost, Warned

if TYPE_CHECKING:
    from foldctx_pipelines.batch.status import RunStatus, ShardStatus
    from foldctx_pipelines.batch.tally import Tally
    from foldctx_pipelines.batch.work import Record

_MOST_COMPLAINTS = 10


def exit_code(summary: Summary) -> int:
    """0, or 3 when some rows stand as failures, or 1 when all do."""
    if not summary.failed:
        return 0
    return SOME_FAILED if summary.everything.done else FAILED


class Watch(Shown):
    """Follows a run: a bar where standard error is a terminal, and the first few failures."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self.quiet, self._total = quiet, total
        self._cost, self._failed = Cost(), 0
        self._began = time.monotonic()
        super().__init__(
            TextColumn("{task.completed}/{task.total} rows"),
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            quiet=quiet,
        )
        if self._bar is not None:
            self._task = self._bar.add_task("", total=total)

    def warn(self, text: str) -> None:
        """Tell what is odd, unless nothing is to be told."""
        if not self.quiet:
            complain("warning", text)

    def follow(self, events: Iterable[object]) -> Summary:
        """Show a run to its end."""
        summary: Summary | None = None
        for event in events:
            if isinstance(event, Opened):
                self._opened(event)
            elif isinstance(event, Committed):
                self._committed(event)
            elif isinstance(event, Summary):
                summary = event
            elif isinstance(event, Cost):
                self._cost += event
            elif isinstance(event, Warned):
                for text in event.texts:
                    self.warn(f"{event.source}: {text}")
            self._show()
        assert summary is not None
        return summary

    def _opened(self, event: Opened) -> None:
        before = event.recorded + event.failed
        if self._bar is not None:
            self._bar.update(self._task, completed=before)
        if (before or event.in_flight) and not self.quiet:
            failed = f", {event.failed} of them failed" if event.failed else ""
            again = (
                f"; {event.in_flight} were being made when the run was stopped, and are made again"
                if event.in_flight
                else ""
            )
            complain("going on", f"{before} rows are recorded{failed}{again}")

    def _committed(self, event: Committed) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, len(event.records))
        for record in event.records:
            if "error" not in record:
                continue
            self._failed += 1
            if self._failed <= _MOST_COMPLAINTS:
                complain("error", _blame(record))
            elif self._failed == _MOST_COMPLAINTS + 1:
                complain("error", "more rows failed; errors.jsonl of the run lists them at its end")

    def _show(self) -> None:
        if self._bar is None:
            return
        seconds = max(1e-9, time.monotonic() - self._began)
        cost = self._cost
        speed = f"{cost.tokens_fed / seconds:,.0f} tokens/s"
        skipped = 100 * cost.skipped / max(1, cost.windows)
        text = f"{cost.windows} windows, {speed}, {skipped:.0f}% skipped"
        if self._failed:
            text += f", {self._failed} failed"
        self._bar.update(self._task, description=text)


def _blame(record: "Record") -> str:
    """What failed and why; most messages begin with the source themselves."""
    source, message = str(record["source"]), str(record["error"]["message"])
    return message if message.startswith(source) else f"{source}: {message}"


def summary_text(summary: Summary) -> Iterator[RenderableType]:
    """The end of a run, for people."""
    made = summary.made.done + summary.made.failed
    told = [
        ("run", f"{summary.folder}, shard {summary.shard}"),
        *_counts(summary.everything),
        ("made now", f"{made:,} rows in {summary.seconds:,.1f} s"),
    ]
    yield _listing(told)


def status_text(status: "RunStatus") -> Iterator[RenderableType]:
    """A run in progress or done, for people."""
    yield plain(f"{status.run.path}: {status.run.kind}, begun {status.run.created}", "bold")
    for shard in status.shards:
        yield _listing([("shard", f"{shard.shard}: {_state(shard)}"), *_counts(shard.tally)])


def _state(shard: "ShardStatus") -> str:
    known = "" if shard.total is None else f", {shard.total:,} rows in all"
    flying = f", {shard.in_flight} being made" if shard.state == "running" else ""
    if shard.state == "stopped" and shard.in_flight:
        flying = f", {shard.in_flight} to be made again"
    left = "" if shard.eta is None else f", about {shard.eta:,.0f} s left"
    return f"{shard.state}{known}{flying}{left}"


def _counts(tally: "Tally") -> Iterator[tuple[str, str]]:
    yield "rows", f"{tally.done:,} done, {tally.failed:,} failed, {tally.abstained:,} abstained"
    usage = tally.usage
    if usage["windows"]:
        rate = f"{100 * (tally.skip_rate or 0):.0f}% skipped"
        yield "windows", f"{usage['windows']:,}, {rate}"
        yield "tokens fed", f"{usage['tokens_fed']:,.0f} in {usage['forwards']:,.0f} forwards"


def _listing(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in rows:
        table.add_row(plain(name), plain(value))
    return table
