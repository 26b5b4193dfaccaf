"""The trace of a run: written as it happens, checked and shown afterwards.

`foldctx.trace.view.show` is not imported here, so that writing a trace does not load rich.
"""

from foldctx.trace.audit import CheckReport, Problem, check
from foldctx.trace.events import tokens_by_kind
from foldctx.trace.writer import TraceWriter

__all__ = ["CheckReport", "Problem", "TraceWriter", "check", "tokens_by_kind"]
