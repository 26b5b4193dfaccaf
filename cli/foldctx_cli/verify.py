"""foldctx models verify: does this checkpoint behave as it should."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from foldctx_cli.model_options import ModelOptions, Revision, RopeScaleTo, WhereOptions
from foldctx_cli.options import DecodingOptions, OutputOptions, with_options

_STYLES = {"passed": "green", "failed": "red", "information": "dim"}


@with_options
def verify_model(
    name: Annotated[str, typer.Argument(help="embedded, a folder, or owner/name.")],
    decoding: DecodingOptions,
    output: OutputOptions,
    where: WhereOptions,
    revision: Revision = None,
    rope_scale_to: RopeScaleTo = None,
) -> None:
    """Check a model's ids, prompts, tokenizer, decoding and reading; exit with 1 if a check fails.

    Runs the preset beside the exact sampler, and hides facts inside the window and past it.
    """
    overrides = decoding.overrides()

    from foldctx_cli.console import Bar, Sink, check_target

    check_target(output.output, "--output", [])
    began = time.monotonic()
    model = ModelOptions(
        **asdict(where), model=name, revision=revision, rope_scale_to=rope_scale_to
    )
    loaded = model.load()

    from foldctx_pipelines.verify import COUNT, verify, verify_record

    decoder = decoding.decoder(loaded.info, overrides)
    checks = []
    with Sink(output) as sink:
        with Bar(quiet=output.quiet) as bar:
            bar.begin("checks", COUNT)
            for check in verify(loaded, decoder, decoding.seed):
                checks.append(check)
                bar.advance()
        record = verify_record(loaded, decoder, checks, seed=decoding.seed, began=began)
        sink.put(record, lambda: _table(record))
    raise typer.Exit(0 if record["ok"] else 1)


def _table(record: Mapping[str, Any]) -> Iterator[Any]:
    from rich.table import Table

    from foldctx_cli.console import plain

    table = Table(box=None, pad_edge=False, show_header=False)
    for check in record["checks"]:
        style = _STYLES[check["status"]]
        found = plain(check["found"])
        if check["demand"]:
            found += plain(f"\n{check['demand']}", "dim")
        table.add_row(plain(check["status"], style), plain(check["name"], "bold"), found)
    model = record["model"]
    yield plain(
        f"{model['name']}, window {model['window']} tokens, preset {record['decoder']['preset']}"
    )
    yield table
    failed = [check["name"] for check in record["checks"] if check["status"] == "failed"]
    told = f"failed: {', '.join(failed)}" if failed else "nothing failed"
    yield plain(f"{told}; {record['seconds']:.0f} seconds", "red" if failed else "green")
