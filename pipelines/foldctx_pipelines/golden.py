"""Golden vectors: hold the models and the decoder against what the public reference code computed.

`python -m foldctx_pipelines.golden DIR` runs every folder of DIR that it knows, prints a line per
failure and a count, and exits 1 when something failed.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from foldctx.decoding import Decoded, Request, Segment, decode, preset
from foldctx.errors import FoldctxError, UsageError
from foldctx.models.architecture import Transformer
from foldctx.models.forward import Feed, forward, hidden_states
from foldctx.models.info import ModelInfo
from foldctx.models.llada import WEIGHT_PREFIX, dims_from_config

# Same kernels in another order: float32 on the tiny models differs by less than 1e-4.
TOLERANCE = 2e-4


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison; `problem` is None where it holds."""

    name: str
    problem: str | None


class Recorded:
    """A checkpoint of the golden vectors as a predictor that counts its calls."""

    def __init__(self, folder: Path) -> None:
        """Load config, weights and ids of the folder that holds `model.safetensors`."""
        config = _read(folder / "config.json")
        ids = _read(folder / "manifest.json")
        self.model = Transformer(dims_from_config(config)).eval()
        weights = load_file(folder / "model.safetensors")
        self.model.load_state_dict(
            {name.removeprefix(WEIGHT_PREFIX): tensor for name, tensor in weights.items()}
        )
        self.info = ModelInfo(
            name=folder.name,
            family="llada",
            window=config["max_sequence_length"],
            vocab_size=self.model.dims.embeddings,
            mask_id=ids["mask_token_id"],
            eos_id=ids["eos_token_id"],
            eot_id=ids["eot_token_id"],
        )
        self.calls = 0

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        """One forward, counted."""
        self.calls += 1
        return forward(self.model, feeds)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give the folder that holds the golden vectors")
    return orjson.loads(path.read_bytes())


def _feeds(ids: Tensor, mask: Tensor | None) -> Iterator[tuple[Feed, Tensor]]:
    """One feed per row without its padding, and the columns it has; every row wants logits."""
    for i, row in enumerate(ids.long()):
        columns = torch.arange(len(row)) if mask is None else mask[i].nonzero().flatten()
        yield Feed(row[columns], columns, torch.arange(len(columns))), columns


def _distance(got: Sequence[Tensor], expected: Tensor, columns: Sequence[Tensor]) -> str | None:
    pairs = [(g, expected[i, at]) for i, (g, at) in enumerate(zip(got, columns, strict=True))]
    worst = max(float((g - e).abs().max()) for g, e in pairs)
    return None if worst <= TOLERANCE else f"differs by {worst:.2e}, more than {TOLERANCE:.0e}"


def check_logits(folder: Path) -> Iterator[Case]:
    """Every `*_logits` array of the folder, padded rows without their padding, and hidden states."""
    model = Recorded(folder).model
    arrays = load_file(folder / "logits.safetensors")
    for name in sorted(arrays):
        case, _, kind = name.partition("_")
        if not kind.startswith(("logits", "hidden_state")):
            continue
        mask = arrays.get(f"{case}_attention_mask") if kind == "logits" else None
        feeds, columns = zip(*_feeds(arrays[f"{case}_input_ids"], mask), strict=True)
        if kind.startswith("logits"):
            got = forward(model, feeds)
        else:
            got = _hidden(model, feeds, int(kind.removeprefix("hidden_state_")))
        yield Case(f"{folder.name}/{name}", _distance(got, arrays[name], columns))


@torch.inference_mode()
def _hidden(model: Transformer, feeds: Sequence[Feed], depth: int) -> list[Tensor]:
    """Residual rows after `depth` layers; after the last one they are normalised."""
    if depth == 0:
        return [model.wte(feed.tokens) for feed in feeds]
    cut = Transformer(replace(model.dims, layers=depth))
    cut.wte, cut.blocks = model.wte, nn.ModuleList(list(model.blocks)[:depth])
    if depth == model.dims.layers:
        cut.ln_f = model.ln_f
    else:
        setattr(cut, "ln_f", nn.Identity())  # noqa: B010  # another type than the field's
    rows, _ = hidden_states(cut, feeds, every_row=True)
    return list(torch.split(rows, [len(feed) for feed in feeds]))


def _requests(case: Mapping[str, Any]) -> Iterator[Request]:
    """One request per row of a batch: padding is dropped, positions start behind it."""
    for row, ids in enumerate(case["prompt"]):
        pads = case["attention_mask"][row].index(1) if case["attention_mask"] else 0
        prompt = (Segment("template", tuple(ids[pads:])),)
        yield Request(str(row), prompt, case["gen_length"], first_position=pads)


def _difference(got: Decoded, tokens: list[int], filled_at: list[int]) -> str | None:
    compared = (("token", got.tokens, tokens), ("filled_at_call", got.filled_at, filled_at))
    for label, ours, theirs in compared:
        if ours != theirs:
            at = next(i for i in range(len(theirs)) if ours[i] != theirs[i])
            return f"row {got.id}: {label} {theirs[at]} at offset {at}, got {ours[at]}"
    return None


def check_sampler(folder: Path) -> Iterator[Case]:
    """LLaDA's sampler: tokens, the forward that filled each, and the number of forwards."""
    manifest = _read(folder / "manifest.json")
    predictor = Recorded((folder / manifest["weights"]).resolve().parent)
    options = ("block_length", "steps", "temperature", "cfg_scale", "remasking")
    flags = ("logits_eos_inf", "confidence_eos_eot_inf")
    for case in manifest["cases"]:
        decoder = preset("exact", **{name: case[name] for name in options + flags})
        predictor.calls = 0
        events = decode(predictor, _requests(case), decoder, max_rows=len(case["prompt"]))
        problems = []
        for event in events:
            if isinstance(event, Decoded):
                row = int(event.id)
                tokens, filled = case["generated_ids"][row], case["filled_at_call"][row]
                problems.append(_difference(event, tokens, filled))
        if predictor.calls != case["forward_calls"]:
            problems.append(f"{case['forward_calls']} forwards, got {predictor.calls}")
        told = "; ".join(problem for problem in problems if problem)
        yield Case(f"{folder.name}/{case['id']}", told or None)


CHECKS: Mapping[str, Callable[[Path], Iterator[Case]]] = {
    "llada_tiny": check_logits,
    "llada_gen": check_sampler,
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
