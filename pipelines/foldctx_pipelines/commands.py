"""How the modules that are run with `python -m` end."""

import sys
from collections.abc import Callable

from foldctx.errors import FoldctxError


def run_command(command: Callable[[], object]) -> None:
    """Run it; a known error is told in a line, and its exit code is the process's."""
    try:
        command()
    except FoldctxError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
