"""foldctx bench precision: smaller forms of the weights against float32."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from foldctx_cli.bench_options import (
    CaseLength,
    CaseRows,
    Cases,
    CaseSeed,
    ComparedCases,
    gathered,
    option,
    shown,
)
from foldctx_cli.model_options import MODEL, CheckpointOptions
from foldctx_cli.options import OUTPUT, READING, OutputOptions, with_options

if TYPE_CHECKING:
    from foldctx_pipelines.bench.precision import Asked


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, on how much."""

    forms: Annotated[
        str,
        option(MODEL, help="Joined by commas: a type, int8 (foldctx\\[quantize]), or type+int8."),
    ] = "float32,bfloat16,int8,bfloat16+int8"
    device: Annotated[str, option(MODEL, help="auto, cpu, cuda or cuda:N.")] = "auto"
    cases: Cases = 600
    compared: ComparedCases = 64
    length: CaseLength = 320
    rows: CaseRows = 8
    seed: CaseSeed = 0
    questions: Annotated[
        Path | None,
        option(READING, help="JSONL of source, question and answers, to be answered by each form."),
    ] = None
    markdown: Annotated[Path | None, option(OUTPUT, help="Write the table as Markdown here.")] = (
        None
    )


@with_options
def precision(compare: Comparison, model: CheckpointOptions, output: OutputOptions) -> None:
    """Compare 16-bit and 8-bit forms of the weights with float32: distributions, tokens, answers."""
    from foldctx_cli.console import Bar, Sink, check_target

    forms = [form.strip() for form in compare.forms.split(",") if form.strip()]
    check_target(output.output, "--output", [str(compare.questions or "-")])
    check_target(compare.markdown, "--markdown", [str(compare.questions or "-")])

    from foldctx.models.load import load_checkpoint
    from foldctx_pipelines.bench.precision import compare_forms, steps
    from foldctx_pipelines.bench.tables import PRECISION, markdown

    asked = [] if compare.questions is None else _asked(str(compare.questions))
    total = steps(forms, asked, compare.cases, compare.compared)
    sink, checkpoint = Sink(output), model.read()
    with sink, Bar(quiet=output.quiet) as bar:
        bar.begin("cases and questions", total)
        events = compare_forms(
            lambda form: load_checkpoint(
                checkpoint, packed=True, placement=replace(form, device=compare.device)
            ),
            forms,
            asked,
            cases=compare.cases,
            compared=compare.compared,
            length=compare.length,
            rows=compare.rows,
            seed=compare.seed,
        )
        records = gathered(events, bar)
        if compare.markdown is not None:
            compare.markdown.write_text(markdown(PRECISION, records), "utf-8")
        sink.put_all(records, lambda: shown(records, PRECISION))


def _asked(path: str) -> "list[Asked]":
    from foldctx.documents import read_document
    from foldctx_pipelines.bench.precision import Asked
    from foldctx_pipelines.jobs import read_questions, read_rows

    golds = {
        str(row.get("question")): tuple(map(str, row.get("answers") or ()))
        for _, row in read_rows(path, None)
    }
    return [
        Asked(read_document(job.source), {text: golds[text] for text in job.questions})
        for job in read_questions(path, None)
    ]
