"""foldctx eval: run published benchmarks, and score runs as their authors do."""

import typer

from foldctx_cli.evals import babilong, longbench, longwriter, reader, ruler
from foldctx_cli.evals.scoring import score_command

app = typer.Typer(help="Run benchmarks, and score runs as their authors do.")

_HELP = {
    "longbench": (longbench.run, "LongBench v1 and LongBench-E."),
    "ruler": (ruler.run, "RULER's thirteen tasks at any length."),
    "babilong": (babilong.run, "bAbI's facts hidden in a book."),
    "longwriter": (longwriter.run, "How close long texts come to the length asked for."),
}

for _name, (_run, _help) in _HELP.items():
    _sub = typer.Typer(help=_help)
    _sub.command("run")(_run)
    _sub.command("score")(score_command(_name))
    app.add_typer(_sub, name=_name)

app.command("reader")(reader.run)
