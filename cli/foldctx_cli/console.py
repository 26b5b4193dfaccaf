"""What the commands print: data on standard output, words for people on standard error."""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, BinaryIO, Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from foldctx.errors import OutputError, UsageError
from foldctx.records import dumps
from foldctx_cli.options import OutputOptions

# A document may hold escape sequences; on a terminal they would act instead of being read.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STDOUT = "standard output"


def plain(text: str, style: str = "") -> Text:
    """Text of a document or a model, harmless on a terminal."""
    return Text(_CONTROL.sub("\ufffd", text), style)


def complain(kind: str, message: str) -> None:
    """One line on standard error: `error: ...`, `warning: ...`; silent when that is closed."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"{kind}: {_CONTROL.sub(' ', message)}", file=sys.stderr, flush=True)


def is_terminal(stream: IO[Any] | None) -> bool:
    """Whether a standard stream is open and a terminal."""
    return stream is not None and stream.isatty()


def standard_input() -> BinaryIO | None:
    """The bytes of standard input; None when it is closed."""
    return None if sys.stdin is None else sys.stdin.buffer


def check_target(path: Path | None, option: str, inputs: Iterable[str]) -> None:
    """Refuse a file that cannot be written, before any work, without touching it.

    Raises OutputError for a path that cannot be a file, and UsageError for one of the `inputs`.
    """
    if path is None:
        return
    if any(name != "-" and _same(path, Path(name)) for name in inputs):
        raise UsageError(f"{option} {path}: is an input of this run; choose another file")
    if path.is_dir():
        raise OutputError(f"{option} {path}: is a folder; give a file in it")
    if not path.exists() and not path.parent.is_dir():
        raise OutputError(f"{option} {path}: there is no folder {path.parent}; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputError(f"{option} {path}: permission denied; choose another file")


def _same(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except (OSError, ValueError):
        return False


class Sink:
    """Takes results one by one: JSON Lines into a file or standard output, or text for people.

    Whole lines only, also when the run is interrupted. On standard output the form is text on a
    terminal and JSON Lines elsewhere, unless the options say; with a file, text only if asked for.
    """

    def __init__(self, options: OutputOptions) -> None:
        """Raises OutputError when standard output is needed and closed."""
        path = None if options.output == Path("-") else options.output
        terminal = is_terminal(sys.stdout) and path is None
        self.as_text = options.text or (terminal and not options.json)
        self._path, self._file = path, -1
        if sys.stdout is None and (path is None or self.as_text):
            raise OutputError(f"{_STDOUT} is closed; give --output FILE")
        self._console = Console(highlight=False, soft_wrap=not is_terminal(sys.stdout))

    def __enter__(self) -> Self:
        """Open the file. Raises OutputError when that is not possible."""
        if self._path is not None:
            with _blamed(str(self._path)):
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
                self._file = os.open(self._path, flags, 0o666)
        elif not self.as_text:
            self._file = sys.stdout.fileno()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._path is not None:
            os.close(self._file)

    def put(self, record: Mapping[str, Any], show: Callable[[], Iterable[RenderableType]]) -> None:
        """Write one result; `show` makes its text for people and is called only for them."""
        self.put_all([record], show)

    def put_all(
        self, records: Iterable[Mapping[str, Any]], show: Callable[[], Iterable[RenderableType]]
    ) -> None:
        """Write results, a line each, that have one text together."""
        if self._file >= 0:
            for record in records:
                with _blamed(str(self._path or _STDOUT)), _uninterrupted():
                    _write(self._file, dumps(record))
        if self.as_text:
            with _blamed(_STDOUT):
                for part in show():
                    self._console.print(part)
                sys.stdout.flush()


def _write(file: int, line: bytes) -> None:
    """Write all of it, past Python's own buffers, so that nothing is left to fail at exit."""
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(file, rest) :]


@contextmanager
def _blamed(name: str) -> Iterator[None]:
    """Turn a failure to write into an OutputError; a reader that went away is not one."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or errno.EIO)
        raise OutputError(f"cannot write {name}: {reason}") from error


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back the first Ctrl-C until the line is out; a second one, on a stuck pipe, acts."""
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if held:
            raise KeyboardInterrupt
        held.append(number)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, or a caller's own
        yield
        return
    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


class Shown:
    """Something that moves on standard error, only where it is a terminal and `quiet` is not asked."""

    def __init__(self, *columns: ProgressColumn, quiet: bool) -> None:
        self._bar: Progress | None = None
        if is_terminal(sys.stderr) and not quiet:
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)

    def __enter__(self) -> Self:
        """Show it."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take it away."""
        if self._bar is not None:
            self._bar.stop()


class Bar(Shown):
    """How far something is, counted in its own units."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            quiet=quiet,
        )

    def begin(self, what: str, total: int) -> None:
        """Count anew, up to `total`."""
        if self._bar is not None:
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._bar.add_task(plain(what).plain, total=total)

    def advance(self) -> None:
        """One more is done."""
        if self._bar is not None and self._bar.task_ids:
            self._bar.advance(self._bar.task_ids[-1])

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Out of the way while something else is printed on the terminal."""
        if self._bar is None:
            yield
            return
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()
