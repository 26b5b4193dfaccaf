"""foldctx eval babilong: bAbI's facts hidden in a book."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from foldctx.errors import UsageError
from foldctx_cli.evals.options import (
    BenchmarkReading,
    Lengths,
    RunFolderOptions,
    Tasks,
    execute,
    make_method,
)
from foldctx_cli.model_options import ModelOptions
from foldctx_cli.options import DecodingOptions, with_options


@dataclass(frozen=True, slots=True)
class Making:
    """What samples are made of, and how many."""

    book: Annotated[Path, typer.Option(help="The text that the facts are hidden in.")]
    length: Lengths
    samples: Annotated[int, typer.Option(help="Of each task and length.", min=1)] = 10


@with_options
def run(
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="bAbI's files, such as qa1_*_test.txt.")
    ],
    output: RunFolderOptions,
    reading: BenchmarkReading,
    decoding: DecodingOptions,
    model: ModelOptions,
    making: Making,
    task: Tasks = None,
) -> None:
    """Hide bAbI's facts in a book, by --seed, and answer the questions into a run folder.

    Length 0 is the facts alone.
    """
    from foldctx.documents import read_document
    from foldctx_pipelines.benchmarks import babilong
    from foldctx_pipelines.benchmarks.sample import file_digest

    files = babilong.task_files(source)
    if missing := [name for name in task or () if name not in files]:
        raise UsageError(f"task {missing[0]!r}: {source} has {', '.join(files)}")
    files = {name: path for name, path in files.items() if not task or name in task}
    text = read_document(making.book).text
    checkpoint = model.read(reading.window)
    method = make_method(reading, decoding, checkpoint)
    made = babilong.generate(
        files,
        making.length,
        making.samples,
        text,
        lambda texts: [len(ids) for ids in checkpoint.tokenizer.encode_texts(texts)],
        seed=decoding.seed,
    )

    from foldctx_pipelines.benchmarks.running import Benchmark

    made_of = {path.name: file_digest(path) for path in (making.book, *files.values())}
    how = {"task_data": file_digest(babilong.TASKS_FILE), "made_of": made_of, **model.numbers}
    benchmark = Benchmark("babilong", how)
    execute(benchmark, made, model, checkpoint, method, output)
