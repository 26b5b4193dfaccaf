"""foldctx bench fidelity: presets against exact on cases with answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from foldctx_cli.bench_options import (
    Block,
    CaseLength,
    CaseRows,
    Cases,
    CaseSeed,
    ComparedCases,
    ReportOptions,
    gathered,
    option,
    shown,
    write_report,
)
from foldctx_cli.model_options import ModelOptions
from foldctx_cli.options import DECODING, OUTPUT, OutputOptions, with_options
from foldctx_pipelines.bench.named import parse_name, split_names


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, on how many cases."""

    presets: Annotated[
        str | None,
        option(DECODING, help="Joined by commas; default: 20 compositions of feed, cache, commit."),
    ] = None
    cases: Cases = 600
    length: CaseLength = 320
    compared: ComparedCases = 64
    block: Block = 8
    rows: CaseRows = 8
    seed: CaseSeed = 0
    run: Annotated[
        Path | None,
        option(OUTPUT, help="Keep the rows in this folder; what is in it is not run again."),
    ] = None


@with_options
def fidelity(
    compare: Comparison, model: ModelOptions, output: OutputOptions, report: ReportOptions
) -> None:
    """Compare presets with exact on cases with answers, and name the cheapest that is as good."""
    names = split_names(compare.presets) if compare.presets is not None else None
    for name in names or ():
        parse_name(name)
    report.check()

    from foldctx_cli.console import Bar, Sink, check_target, plain
    from foldctx_pipelines.bench.fidelity import COMPOSITIONS, compare_presets
    from foldctx_pipelines.bench.named import build_decoders
    from foldctx_pipelines.bench.tables import FIDELITY

    check_target(output.output, "--output", [])
    sink = Sink(output)
    decoders = build_decoders(names or COMPOSITIONS, block_length=compare.block)
    loaded = model.load()
    with sink, Bar(quiet=output.quiet) as bar:
        bar.begin("cases", len(decoders) * compare.cases)
        events = compare_presets(
            loaded,
            decoders,
            cases=compare.cases,
            length=compare.length,
            compared=compare.compared,
            rows=compare.rows,
            seed=compare.seed,
            folder=compare.run,
        )
        records = gathered(events, bar)
        chart = ("preset", "flops", f"{loaded.info.name}, {compare.cases} cases", "FLOPs a case")
        write_report(report, records, FIDELITY, chart)
        best = next((r["preset"] for r in records if r["cheapest"]), None)
        told = f"cheapest within one point of exact: {best or 'none that these cases could show'}"
        sink.put_all(records, lambda: [*shown(records, FIDELITY), plain(told)])
