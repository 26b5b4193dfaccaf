"""Errors a user can act on: each message names the value and the way out."""


class FoldctxError(Exception):
    """Base of every error this library raises on purpose.

    `exit_code` is what the command line ends with when the error reaches it.
    """

    exit_code = 1


class UsageError(FoldctxError):
    """An option, name or value that cannot be used; nothing was started."""

    exit_code = 2


class DocumentError(FoldctxError):
    """A source that cannot be read: missing, empty, encrypted, damaged or not text."""


class ModelError(FoldctxError):
    """A model that cannot be loaded: missing files, wrong architecture, unusable ids."""


class WindowError(FoldctxError):
    """A forward pass that would feed more than the window, or a layout that cannot fit in it."""


class OutputError(FoldctxError):
    """A result that cannot be written."""


class TraceError(FoldctxError):
    """A trace or record file that is damaged or does not add up."""


def first_line_of(error: Exception) -> str:
    """What another library's error says, for a message of ours: its text may be pages long."""
    return (str(error).strip() or "no reason given").splitlines()[0]
