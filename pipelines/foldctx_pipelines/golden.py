"""Golden vectors: hold the models and the decoder against what the public reference code computed.

`python -m foldctx_pipelines.golden DIR` runs every folder of DIR that it knows, prints a line per
failure and a count, and exits 1 when something failed. A case whose own manifest says that it hangs
on a tie, or that draws random numbers, is left out, named and counted.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from foldctx.errors import FoldctxError, UsageError
from foldctx_pipelines.golden_caches import dllm_cache, sparse_dllm
from foldctx_pipelines.golden_dream import check_dream
from foldctx_pipelines.golden_llada2 import check_llada2
from foldctx_pipelines.golden_recorded import Case, check_arrays
from foldctx_pipelines.golden_samplers import fast_dllm, llada, prophet, streaming

CHECKS: Mapping[str, Callable[[Path], Iterator[Case]]] = {
    "llada_tiny": check_arrays,
    "llada_gen": llada,
    "fast_dllm": fast_dllm,
    "streaming": streaming,
    "prophet": prophet,
    "dllm_cache": dllm_cache,
    "sparse_dllm": sparse_dllm,
    "dream_tiny": check_dream,
    "llada2_moe_tiny": check_llada2,
}


def run(directory: Path) -> int:
    """Check every folder of `directory`; prints failures and a count; 1 when something failed."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such folder; give the one that holds the golden vectors")
    passed = failed = left_out = 0
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        if folder.name not in CHECKS:
            print(f"{folder.name}: not covered")
            continue
        for case in CHECKS[folder.name](folder):
            if case.left_out is not None:
                left_out += 1
                print(f"left out {case.name}: {case.left_out}")
            elif case.problem is None:
                passed += 1
            else:
                failed += 1
                print(f"FAILED {case.name}: {case.problem}")
    if not passed + failed + left_out:
        raise UsageError(f"{directory}: holds none of the folders {', '.join(CHECKS)}")
    print(f"{passed} passed, {failed} failed" + (f", {left_out} left out" if left_out else ""))
    return 1 if failed else 0


def main(arguments: Sequence[str]) -> int:
    """Run the check on the one folder given."""
    if len(arguments) != 1:
        print("usage: python -m foldctx_pipelines.golden DIR", file=sys.stderr)
        return 2
    try:
        return run(Path(arguments[0]))
    except FoldctxError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
