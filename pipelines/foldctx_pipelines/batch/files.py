"""Files that survive a crash: synced, replaced whole, locked by the kernel."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from foldctx.errors import OutputError, UsageError

_PATIENCE = 0.5  # someone who only looks holds a lock for an instant


@contextmanager
def blamed(path: Path) -> Iterator[None]:
    """Turn a failure to write into an OutputError that says how to go on."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or errno.EIO)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "free some space" if full else "put it right"
        raise OutputError(
            f"cannot write {path}: {reason}; {remedy} and run the same command again: "
            "what is recorded stays, and the rest goes on from there"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(file: int, data: bytes) -> None:
    """Write all of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


@contextmanager
def replacing(path: Path) -> Iterator[int]:
    """A file descriptor whose file takes the place of `path` at the end, whole or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    with blamed(path):
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            yield file
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(temporary, path)
        sync_folder(path.parent)


def replace_lightly(path: Path, data: bytes) -> None:
    """Replace a file of no importance whole, without waiting for the disk."""
    temporary = path.with_name(f"{path.name}.tmp")
    with blamed(path):
        temporary.write_bytes(data)
        os.replace(temporary, path)


class Lock:
    """A kernel lock on a file, released by death; the file says who holds it, and stays."""

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, -1

    def take(self) -> bool:
        """Take it; False when another process has it."""
        fcntl = _fcntl()
        with blamed(self.path):
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    os.close(file)
                    return False
                time.sleep(0.05)
        os.ftruncate(file, 0)
        os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        self._file = file
        return True

    def holder(self) -> str:
        """Who took it last."""
        try:
            return self.path.read_text("utf-8") or "another process"
        except OSError:
            return "another process"

    def held(self) -> bool:
        """Whether a living process has it."""
        fcntl = _fcntl()
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def release(self) -> None:
        """Give it back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """Already taken."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.release()


def _fcntl() -> Any:
    try:
        import fcntl
    except ImportError:
        raise UsageError("runs need kernel file locks (fcntl), which this system lacks") from None
    return fcntl
