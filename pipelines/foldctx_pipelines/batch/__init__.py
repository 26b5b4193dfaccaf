"""Runs over many rows that survive anything: `run` and what it is given and gives back."""

from foldctx_pipelines.batch.fingerprint import Fingerprint, differences
from foldctx_pipelines.batch.folder import RunFolder, read_folder
from foldctx_pipelines.batch.rows import Row, Shard, by_key
from foldctx_pipelines.batch.run import Committed, Opened, RunOptions, Summary, run
from foldctx_pipelines.batch.store import records_of
from foldctx_pipelines.batch.tally import Tally
from foldctx_pipelines.batch.work import Cost, Finished, Started, Warned, Work, each, failed

__all__ = [
    "Committed",
    "Cost",
    "Fingerprint",
    "Finished",
    "Opened",
    "Row",
    "RunFolder",
    "RunOptions",
    "Shard",
    "Started",
    "Summary",
    "Tally",
    "Warned",
    "Work",
    "by_key",
    "differences",
    "each",
    "failed",
    "read_folder",
    "records_of",
    "run",
]
