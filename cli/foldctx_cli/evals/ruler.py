"""foldctx eval ruler: RULER's thirteen tasks, generated at any length."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

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

    length: Lengths
    text: Annotated[Path | None, typer.Option(help="The text that needles are hidden in.")] = None
    squad: Annotated[Path | None, typer.Option(help="Questions in SQuAD's form.")] = None
    hotpotqa: Annotated[Path | None, typer.Option(help="Questions in HotpotQA's form.")] = None
    samples: Annotated[int, typer.Option(help="Of each task and length.", min=1)] = 10


@with_options
def run(
    output: RunFolderOptions,
    making: Making,
    reading: BenchmarkReading,
    decoding: DecodingOptions,
    model: ModelOptions,
    task: Tasks = None,
) -> None:
    """Make RULER's samples from --seed and answer them into a run folder.

    Without --task these are the tasks that can be made of what is given.
    """
    from foldctx_cli.console import complain
    from foldctx_pipelines.benchmarks import ruler
    from foldctx_pipelines.benchmarks.sample import file_digest

    material = ruler.Material.read(making.text, making.squad, making.hotpotqa)
    names = task or ruler.available(material)
    if missing := [name for name in ruler.tasks() if not task and name not in names]:
        complain(
            "warning", f"left out for want of --text, --squad or --hotpotqa: {', '.join(missing)}"
        )
    checkpoint = model.read(reading.window)
    method = make_method(reading, decoding, checkpoint)
    samples = ruler.generate(
        names,
        making.length,
        making.samples,
        material,
        lambda text: len(checkpoint.tokenizer.encode_text(text)),
        seed=decoding.seed,
    )

    from foldctx_pipelines.benchmarks.running import Benchmark

    files = {"text": making.text, "squad": making.squad, "hotpotqa": making.hotpotqa}
    made_of = {name: file_digest(path) if path else None for name, path in files.items()}
    how = {"task_data": file_digest(ruler.TASKS_FILE), "made_of": made_of, **model.numbers}
    benchmark = Benchmark("ruler", how)
    execute(benchmark, samples, model, checkpoint, method, output)
