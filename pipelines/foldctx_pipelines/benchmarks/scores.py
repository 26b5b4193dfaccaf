"""A run's scores: read from its folder, written beside it; no model is loaded."""

from pathlib import Path

import orjson

from foldctx.errors import OutputError, UsageError
from foldctx.records import dumps
from foldctx_pipelines.batch import read_folder, records_of
from foldctx_pipelines.benchmarks.registry import scoring
from foldctx_pipelines.benchmarks.report import Report, markdown, sample_lines, score_records


def score_run(path: Path, benchmark: str) -> Report:
    """The scores of what a run folder holds so far.

    Raises UsageError for a folder that holds no run of the benchmark, or no record yet.
    """
    scoring(benchmark)
    folder = read_folder(path)
    if folder.kind != benchmark:
        raise UsageError(f"{path}: holds a run of {folder.kind}, not of {benchmark}")
    records = [record for shard in folder.every_shard() for record in records_of(shard)]
    if not records:
        raise UsageError(f"{path}: holds no record yet; run the benchmark first")
    return score_records(benchmark, records, folder.fingerprint)


def write_scores(report: Report, folder: Path) -> None:
    """Write scores.json, table.md and samples-TASK.jsonl, replacing those of before.

    Raises OutputError for a folder that cannot be written.
    """
    samples: dict[str, list[bytes]] = {}
    for task, line in sample_lines(report):
        samples.setdefault(task, []).append(dumps(line))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        form = orjson.dumps(
            report.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        )
        (folder / "scores.json").write_bytes(form)
        (folder / "table.md").write_text(markdown(report), "utf-8")
        for task, lines in samples.items():
            (folder / f"samples-{task}.jsonl").write_bytes(b"".join(lines))
    except OSError as error:
        raise OutputError(f"{folder}: scores cannot be written ({error.strerror})") from error
