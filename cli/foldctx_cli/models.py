"""foldctx models: which models can be read, and what is known of one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foldctx_cli import verify
from foldctx_cli.model_options import Revision, RopeScaleTo
from foldctx_cli.options import OutputOptions, with_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from foldctx.models.family import Family

app = typer.Typer(help="Which models can be read, what is known of one, and whether it works.")


@app.command("list")
@with_options
def list_models(output: OutputOptions) -> None:
    """List the models that have names, with their family and window, and the presets."""
    from foldctx.decoding.presets import PRESET_NAMES
    from foldctx.models import FAMILIES
    from foldctx.models.checkpoint import EMBEDDED
    from foldctx_cli.console import Sink

    models = [{"model": EMBEDDED, "family": "llada", "window": _embedded_window()}]
    for family in FAMILIES.values():
        models += [
            {"model": checkpoint, "family": family.name, "window": family.window}
            for checkpoint in family.checkpoints
        ]
    presets = [{"preset": name, "summary": text} for name, text in PRESET_NAMES.items()]
    with Sink(output) as sink:
        sink.put_all(models, lambda: _table(models))
        sink.put_all(presets, lambda: ["", *_table(presets)])


@app.command("show")
@with_options
def show_model(
    name: Annotated[str, typer.Argument(help="A family, embedded, a folder, or owner/name.")],
    output: OutputOptions,
    revision: Revision = None,
    rope_scale_to: RopeScaleTo = None,
) -> None:
    """Show a family, or a checkpoint: sizes, window, token ids, prompts and presets.

    A checkpoint that a family names is shown as published, without a download.
    """
    from foldctx.decoding.presets import PRESET_NAMES, preset_options
    from foldctx.models import FAMILIES
    from foldctx_cli.console import Sink

    published = {c: family for family in FAMILIES.values() for c in family.checkpoints}
    family = FAMILIES.get(name) or (published.get(name) if revision is None else None)
    if family is None or rope_scale_to is not None:
        record = _checkpoint(name, revision, rope_scale_to)
    else:
        record = {"model": name, **_family(family)}
    record["presets"] = {preset: preset_options(preset) for preset in PRESET_NAMES}
    with Sink(output) as sink:
        sink.put(record, lambda: _lines(record))


app.command("verify")(verify.verify_model)


def _family(family: "Family") -> dict[str, Any]:
    return {
        "family": family.name,
        "summary": family.summary,
        "checkpoints": list(family.checkpoints),
        "architectures": list(family.architectures),
        "window": family.window,
        "vocab_size": family.vocabulary,
        **family.ids,
        "logit_shift": family.logit_shift,
        "block_grid": family.block_length if family.block_causal else None,
        "rope_scales": family.rope_scales,
        "template": family.template,
        "preset": family.preset,
        "links": list(family.links),
    }


def _checkpoint(name: str, revision: str | None, rope_scale_to: int | None) -> dict[str, Any]:
    from foldctx.models import read_checkpoint

    checkpoint = read_checkpoint(name, revision=revision, rope_scale_to=rope_scale_to)
    facts = asdict(checkpoint.info)
    return {
        "model": facts.pop("name"),
        **facts,
        "folder": str(checkpoint.folder),
        "template": str(checkpoint.prompts_source),
        "preset": checkpoint.family.preset,
        "calibration": dict(checkpoint.calibration),
    }


def _embedded_window() -> int | None:
    """The window of the embedded reader; None where this installation lacks it."""
    from foldctx.models.checkpoint import EMBEDDED_FOLDER
    from foldctx.models.weights import read_json

    config = EMBEDDED_FOLDER / "config.json"
    return read_json(config).get("max_sequence_length") if config.is_file() else None


def _table(rows: Sequence[Mapping[str, Any]]) -> "Iterator[RenderableType]":
    from rich.table import Table

    from foldctx_cli.console import plain

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in rows[0]:
        table.add_column(name, justify="right" if name == "window" else "left")
    for row in rows:
        missing = "not installed"
        table.add_row(*(plain(missing if value is None else str(value)) for value in row.values()))
    yield table


def _lines(record: Mapping[str, Any]) -> "Iterator[RenderableType]":
    from foldctx_cli.console import plain

    for name, value in record.items():
        items = value.items() if isinstance(value, Mapping) else ()
        listed = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield plain(f"{name}: ", "dim") + plain("" if items else listed)
        for key, item in items:
            told = item if not isinstance(item, Mapping) else _options(item)
            yield plain(f"  {key}: ", "dim") + plain(str(told))


def _options(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
