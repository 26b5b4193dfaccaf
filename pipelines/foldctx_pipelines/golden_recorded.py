"""What all checks of golden vectors need: a recorded checkpoint, its logits and its hidden states."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors.torch import load_file
from torch import Tensor

from foldctx.decoding import Decoded
from foldctx.errors import UsageError
from foldctx.models.build import place
from foldctx.models.families import family_of
from foldctx.models.forward import Feed, forward
from foldctx.models.info import ModelInfo
from foldctx.models.network import Network
from foldctx.models.shift import aligned
from foldctx_pipelines.first_layers import rows_after

# Same kernels in another order: float32 on the tiny models differs by less than 1e-4.
TOLERANCE = 2e-4


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison; `problem` is None where it holds, `left_out` says why it was not made."""

    name: str
    problem: str | None
    left_out: str | None = None


class Recorded:
    """A checkpoint of the golden vectors as a predictor that counts its calls.

    `fed` has the number of tokens of every feed, one list a call.
    """

    def __init__(self, folder: Path) -> None:
        """Load config, weights and ids of the folder that holds `model.safetensors`."""
        where = folder / "config.json"
        config, ids = read_form(where), read_form(folder / "manifest.json")
        family = family_of(config, str(where))
        self.model = family.network(family.dims(config)).eval().requires_grad_(False)
        for name, tensor in load_file(folder / "model.safetensors").items():
            place(self.model, name.removeprefix(family.weight_prefix), tensor)
        self.info = ModelInfo(
            name=folder.name,
            family=family.name,
            window=config[family.window_field],
            vocab_size=self.model.dims.embeddings,
            mask_id=ids["mask_token_id"],
            eos_id=ids["eos_token_id"],
            eot_id=ids.get("eot_token_id"),
            logit_shift=family.logit_shift,
            block_grid=family.block_length if family.block_causal else None,
        )
        self.fed: list[list[int]] = []

    @property
    def calls(self) -> int:
        """Forwards since the last `forget`."""
        return len(self.fed)

    def forget(self) -> None:
        """Count from zero."""
        self.fed = []

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        """One forward, counted."""
        self.fed.append([len(feed) for feed in feeds])
        return forward(self.model, list(map(aligned, feeds)) if self.info.logit_shift else feeds)


def read_form(path: Path) -> Any:
    """A JSON file of the vectors; UsageError when it is missing."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give the folder that holds the golden vectors")
    return orjson.loads(path.read_bytes())


def case_feeds(
    arrays: Mapping[str, Tensor], case: str, *, padded: bool = True
) -> tuple[list[Feed], list[Tensor]]:
    """One feed per row without its padding, and the columns it has; every row wants logits.

    `padded=False` takes the padding for text.
    """
    mask = arrays.get(f"{case}_attention_mask") if padded else None
    places = arrays.get(f"{case}_position_ids")
    feeds, columns = [], []
    for i, row in enumerate(arrays[f"{case}_input_ids"].long()):
        at = torch.arange(len(row)) if mask is None else mask[i].nonzero().flatten()
        positions = at if places is None else places[i, at].long()
        feeds.append(Feed(row[at], positions, torch.arange(len(at))))
        columns.append(at)
    return feeds, columns


def distance(
    got: Sequence[Tensor],
    expected: Tensor,
    columns: Sequence[Tensor],
    tolerance: float = TOLERANCE,
) -> str | None:
    """What is wrong with rows whose columns in `expected` are given."""
    pairs = [(g, expected[i, at]) for i, (g, at) in enumerate(zip(got, columns, strict=True))]
    worst = max(float((g - e).abs().max()) for g, e in pairs)
    return None if worst <= tolerance else f"differs by {worst:.2e}, more than {tolerance:.0e}"


def hidden(model: Network, feeds: Sequence[Feed], depth: int) -> list[Tensor]:
    """Residual rows after `depth` layers; after the last one they are normalised."""
    rows = rows_after(model, feeds, depth)
    return [model.final_norm(x) for x in rows] if depth == model.dims.layers else rows


Change = Callable[[str, list[Feed]], list[Feed]]


def check_arrays(folder: Path, change: Change = lambda name, feeds: feeds) -> Iterator[Case]:
    """Every `*_logits` array of the folder, as the network gives them, and hidden states.

    `change` adds to the feeds of an array what the case is about. Padding is dropped, not masked.
    """
    model = Recorded(folder).model
    arrays = load_file(folder / "logits.safetensors")
    for name in sorted(arrays):
        case, _, kind = name.partition("_")
        layers = kind.removeprefix("hidden_state_")
        if "logits" not in kind and layers == kind:
            continue
        feeds, columns = case_feeds(arrays, case, padded="ignored" not in kind)
        feeds = change(name, feeds)
        got = forward(model, feeds) if layers == kind else hidden(model, feeds, int(layers))
        yield Case(f"{folder.name}/{name}", distance(got, arrays[name], columns))


def difference(got: Decoded, *compared: tuple[str, Sequence[int], Sequence[int]]) -> str | None:
    """The first value in which a row differs; each comparison is a name, ours and theirs."""
    for label, ours, theirs in compared:
        if list(ours) != list(theirs):
            if len(ours) != len(theirs):
                return f"row {got.id}: {len(theirs)} of {label}, got {len(ours)}"
            at = next(i for i in range(len(theirs)) if ours[i] != theirs[i])
            return f"row {got.id}: {label} {theirs[at]} at offset {at}, got {ours[at]}"
    return None
