"""Golden vectors: hold the models and the decoder against what the public reference code computed.

`python -m foldctx_pipelines.golden DIR` runs every folder of DIR that it knows, prints a line per
failure and a count, and exits 1 when something failed.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from foldctx.decoding import Decoded, Request, Segment, decode, preset
from foldctx.errors import FoldctxError, UsageError
from foldctx_pipelines.golden_llada2 import check_llada2
from foldctx_pipelines.golden_recorded import (
    Case,
    Recorded,
    check_arrays,
    difference,
    read_form,
)


def _requests(case: Mapping[str, Any]) -> Iterator[Request]:
    """One request per row of a batch: padding is dropped, positions start behind it."""
    for row, ids in enumerate(case["prompt"]):
        pads = case["attention_mask"][row].index(1) if case["attention_mask"] else 0
        prompt = (Segment("template", tuple(ids[pads:])),)
        yield Request(str(row), prompt, case["gen_length"], first_position=pads)


def check_sampler(folder: Path) -> Iterator[Case]:
    """LLaDA's sampler: tokens, the forward that filled each, and the number of forwards."""
    manifest = read_form(folder / "manifest.json")
    predictor = Recorded((folder / manifest["weights"]).resolve().parent)
    options = ("block_length", "steps", "temperature", "cfg_scale", "remasking")
    flags = ("logits_eos_inf", "confidence_eos_eot_inf")
    for case in manifest["cases"]:
        decoder = preset("exact", **{name: case[name] for name in options + flags})
        predictor.forget()
        events = decode(predictor, _requests(case), decoder, max_rows=len(case["prompt"]))
        problems = []
        for event in events:
            if isinstance(event, Decoded):
                row = int(event.id)
                tokens, filled = case["generated_ids"][row], case["filled_at_call"][row]
                compared = (
                    ("token", event.tokens, tokens),
                    ("filled_at_call", event.filled_at, filled),
                )
                problems.append(difference(event, *compared))
        if predictor.calls != case["forward_calls"]:
            problems.append(f"{case['forward_calls']} forwards, got {predictor.calls}")
        told = "; ".join(problem for problem in problems if problem)
        yield Case(f"{folder.name}/{case['id']}", told or None)


CHECKS: Mapping[str, Callable[[Path], Iterator[Case]]] = {
    "llada_tiny": check_arrays,
    "llada_gen": check_sampler,
    "dream_tiny": check_arrays,
    "llada2_moe_tiny": check_llada2,
}


def run(directory: Path) -> int:
    """Check every folder of `directory`; prints failures and a count; 1 when something failed."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such folder; give the one that holds the golden vectors")
    passed = failed = 0
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        if folder.name not in CHECKS:
            print(f"{folder.name}: not covered")
            continue
        for case in CHECKS[folder.name](folder):
            if case.problem is None:
                passed += 1
            else:
                failed += 1
                print(f"FAILED {case.name}: {case.problem}")
    if not passed + failed:
        raise UsageError(f"{directory}: holds none of the folders {', '.join(CHECKS)}")
    print(f"{passed} passed, {failed} failed")
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
