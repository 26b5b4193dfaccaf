"""`python -m foldctx_pipelines.harness`: the harness's own command, which knows --model foldctx."""

import sys

from foldctx.errors import FoldctxError


def main() -> int:
    """Run lm_eval with this program's arguments; errors of foldctx become one line."""
    try:
        from lm_eval.__main__ import cli_evaluate

        import foldctx_pipelines.harness.model  # noqa: F401  (its name is registered)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "lm_eval":
            raise
        print("error: lm_eval is missing; pip install 'foldctx[lm-eval]'", file=sys.stderr)
        return 1
    try:
        cli_evaluate()
    except FoldctxError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
