"""foldctx bench: speed, cost and faithfulness, presets and strategies side by side in one run."""

import typer

from foldctx_cli import bench_decode, bench_fidelity, bench_precision, bench_read

app = typer.Typer(help="Measure speed, cost and faithfulness, side by side in one run.")
app.command("decode")(bench_decode.decode)
app.command("read")(bench_read.read)
app.command("fidelity")(bench_fidelity.fidelity)
app.command("precision")(bench_precision.precision)
