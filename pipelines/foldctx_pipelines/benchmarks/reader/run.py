"""Running the reader's evaluation: cases into a run folder, and the table of what it holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

import foldctx
from foldctx.api import calibration_of
from foldctx.decoding import Decoder
from foldctx.errors import OutputError, UsageError
from foldctx.folding.config import FoldConfig, Limits
from foldctx.folding.prompts import Prompts
from foldctx.models.checkpoint import Checkpoint
from foldctx.models.load import Model
from foldctx.records import dumps
from foldctx_pipelines.batch import RunOptions, read_folder, records_of, run
from foldctx_pipelines.benchmarks.reader.answering import CaseWork, Method, as_rows
from foldctx_pipelines.benchmarks.reader.cases import FULL, QUICK, Group, Material, plan
from foldctx_pipelines.benchmarks.reader.haystack import Haystack
from foldctx_pipelines.benchmarks.reader.scores import failures, is_right
from foldctx_pipelines.benchmarks.reader.table import Line, markdown, tabulate
from foldctx_pipelines.benchmarks.sample import file_digest
from foldctx_pipelines.jobs import read_rows
from foldctx_pipelines.training.facts import load_banks

KIND = "reader"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is evaluated: texts for haystacks, the samples' questions (None: without), and how much.

    `numbers` is what changes what a model computes (its type, say), for what a run depends on.
    """

    seed: int
    text: tuple[Path, ...]
    questions: Path | None
    groups: tuple[Group, ...]
    quick: bool = False
    numbers: Mapping[str, Any] = field(default_factory=dict)


def run_reader(
    wanted: Evaluation,
    folder: Path,
    checkpoint: Checkpoint,
    load: Callable[[], Model],
    decoder: Decoder,
    options: RunOptions | None = None,
) -> Iterator[object]:
    """Answer every case once into a run folder; what it yields is what the runner yields.

    The model is loaded when the first case needs it. Raises UsageError for texts and questions that
    cannot be used, and for a folder of another run.
    """
    material = _material(wanted, checkpoint)
    specs = plan(QUICK if wanted.quick else FULL, len(material.samples), wanted.groups)
    rows = as_rows(specs, [str(row["source"]) for row in material.samples])
    work = CaseWork(load, material, Method(decoder, wanted.seed))
    fingerprint = _fingerprint(wanted, material, checkpoint, decoder)
    yield from run(rows, folder, work, fingerprint, kind=KIND, options=options, total=len(rows))


def _material(wanted: Evaluation, checkpoint: Checkpoint) -> Material:
    prompts = Prompts.from_file(checkpoint.prompts_source, checkpoint.tokenizer)

    def count(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in prompts.text_ids(texts)]

    samples: tuple[Any, ...] = ()
    if "samples" in wanted.groups and wanted.questions is not None:
        samples = tuple(row for _, row in read_rows(str(wanted.questions), None))
        for row in samples:
            if not {"source", "question", "answers", "page"} <= set(row):
                raise UsageError(
                    f"{wanted.questions}: each row needs source, question, answers and page"
                )
    haystack = Haystack.read(wanted.text, count)
    return Material(wanted.seed, haystack, load_banks(held_out=True), count, samples)


def _fingerprint(
    wanted: Evaluation, material: Material, checkpoint: Checkpoint, decoder: Decoder
) -> dict[str, Any]:
    config, info = FoldConfig(question_policy="cut"), checkpoint.info
    limits = Limits.of(config, info, calibration_of(checkpoint.calibration))
    questions = file_digest(wanted.questions) if material.samples and wanted.questions else None
    return {
        "benchmark": KIND,
        "seed": wanted.seed,
        "quick": wanted.quick,
        **wanted.numbers,
        "groups": list(wanted.groups),
        "text_sha256": material.haystack.sha256,
        "text_tokens": material.haystack.tokens,
        "questions_sha256": questions,
        "model": {
            "name": info.name,
            "revision": info.revision,
            "weights_sha256": info.weights_sha256,
            "tokenizer_sha256": file_digest(checkpoint.folder / "tokenizer.json"),
            "template_sha256": file_digest(checkpoint.prompts_source),
        },
        "config": {**config.describe(), **asdict(limits)},
        "decoder": decoder.describe(),
        "foldctx": foldctx.__version__,
    }


@dataclass(frozen=True, slots=True)
class Result:
    """The table of a run folder as lines and as Markdown, its failures by kind, its settings."""

    lines: tuple[Line, ...]
    failures: dict[str, dict[str, int]]
    settings: dict[str, Any]

    @property
    def table(self) -> str:
        """Markdown."""
        return markdown(self.lines, self.failures, self.settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        lines = [line.to_dict() for line in self.lines]
        return {
            "schema": "foldctx.reader-scores/1",
            "lines": lines,
            "failures": self.failures,
            "settings": self.settings,
        }


def read_result(path: Path) -> Result:
    """The scores of what a run folder holds so far; written beside its records as well.

    `table.md` and `scores.json` hold the table, `cases.jsonl` every case with what was made of it.
    Raises UsageError for a folder of something else, OutputError where these cannot be written.
    """
    folder = read_folder(path)
    if folder.kind != KIND:
        raise UsageError(f"{path}: holds a run of {folder.kind}, not of {KIND}")
    records = [record for shard in folder.every_shard() for record in records_of(shard)]
    result = Result(tuple(tabulate(records)), failures(records), dict(folder.fingerprint))
    try:
        (path / "table.md").write_text(result.table, "utf-8")
        form = orjson.dumps(
            result.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        )
        (path / "scores.json").write_bytes(form)
        lines = (dumps({**record, "right": is_right(record)}) for record in records)
        (path / "cases.jsonl").write_bytes(b"".join(lines))
    except OSError as error:
        raise OutputError(f"{path}: scores cannot be written ({error.strerror})") from error
    return result
