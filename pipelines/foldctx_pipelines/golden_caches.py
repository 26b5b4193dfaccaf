"""Golden vectors of caches that choose: dLLM-Cache's features and Sparse-dLLM's kept keys."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from foldctx.decoding import (
    Decoder,
    FeatureCache,
    Never,
    Proposer,
    Quota,
    SparseCache,
    WholeCanvas,
)
from foldctx.decoding.features import Features
from foldctx.decoding.sparse import EvictedKeys
from foldctx.models.forward import Feed
from foldctx_pipelines.golden_recorded import Case, distance, read_form
from foldctx_pipelines.golden_samplers import Watched, compare, told

PASSES = ("no_cfg", "cfg")


class Chosen(Watched):
    """Keeps what the caches of one request chose: `selected` rows, `kept` keys, and logits."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Load the checkpoint that a manifest in `folder` names."""
        super().__init__(folder, manifest)
        self.wanted, self.prompt = 0, 0

    def forget(self) -> None:
        """Count from zero."""
        super().forget()
        self.selected: dict[tuple[int, int, str], list[int]] = {}
        self.kept: list[tuple[int, int, list[int]]] = []
        self.logits: list[Tensor] = []
        self._steps = dict.fromkeys(PASSES, 0)

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        """One forward; of the first `wanted` calls the logits of the whole response are kept."""
        asked = feeds
        if len(self.logits) < self.wanted:
            response = torch.arange(self.prompt, len(feeds[0]))
            asked = [replace(feeds[0], logit_rows=response), *feeds[1:]]
        recording = [isinstance(f.cache, EvictedKeys) and not f.cache.rows for f in feeds]
        logits = super().predict(asked)
        if asked is not feeds:
            self.logits.append(logits[0])
            logits[0] = logits[0][feeds[0].logit_rows - self.prompt]
        for feed, name, first in zip(feeds, PASSES, recording, strict=False):
            self._steps[name] += 1
            if isinstance(feed.cache, Features):
                for layer, rows in feed.cache.selected.items():
                    self.selected[self._steps[name], layer, name] = sorted(rows.tolist())
            if isinstance(feed.cache, EvictedKeys) and first:
                block = feed.cache.block
                for layer, rows in feed.cache.rows.items():
                    outside = [
                        r if r < block.start else r - (block.stop - block.start)
                        for r in rows.tolist()
                    ]
                    self.kept.append((block.start, layer, outside))
        return logits


def dllm_cache(folder: Path) -> Iterator[Case]:
    """dLLM-Cache: tokens, the rows selected in every step and layer, and the first logits."""
    manifest = read_form(folder / "manifest.json")
    arrays = load_file(folder / "logits.safetensors")
    tolerance = manifest["tolerance"]["logits_absolute"]
    predictor = Chosen(folder, manifest)
    for case in manifest["cases"]:
        names = sorted((name for name in arrays if name.startswith(case["id"])), key=_number)
        predictor.wanted, predictor.prompt = len(names), len(case["prompt"][0])
        propose = Proposer(
            cfg_scale=case["cfg_scale"],
            cfg_interval=case["cfg_interval_steps"] if case["cfg_scale"] else 1,
        )
        by = Decoder(
            WholeCanvas(),
            FeatureCache(case["Kp"], case["Kr"], case["rho"]),
            propose,
            Quota(case["steps"]),
            Never(),
            case["block_length"],
        )
        problems = compare(predictor, case, by)[1]
        expected = {
            (one["step"], one["layer"], one["pass_name"]): sorted(one["indices"])
            for one in case["selected"]
        }
        if predictor.selected != expected:
            wrong = [k for k in expected if predictor.selected.get(k) != expected[k]]
            problems.append(f"other rows selected at (step, layer, pass) {wrong or 'elsewhere'}")
        for got, name in zip(predictor.logits, names, strict=True):
            columns = [torch.arange(len(got))]
            problems.append(distance([got], arrays[name][None], columns, tolerance))
        yield told(folder, case, problems)


def _number(name: str) -> int:
    return int(name.rpartition("call")[2])


def sparse_dllm(folder: Path) -> Iterator[Case]:
    """Sparse-dLLM: tokens, the tokens fed in each forward, and the keys kept in each layer."""
    manifest = read_form(folder / "manifest.json")
    predictor = Chosen(folder, manifest)
    for case in manifest["cases"]:
        if ties := case["selections_with_a_tie_at_the_cut"]:
            name = f"{folder.name}/{case['id']}"
            yield Case(name, None, left_out=f"{ties} selections hang on a tie at the cut")
            continue
        kernel = case["kernel_size"] if case["kernel_size"] is not None else 1
        by = Decoder(
            WholeCanvas(),
            SparseCache(case["keep_ratio"], kernel),
            Proposer(),
            Quota(case["steps"]),
            Never(),
            case["block_length"],
        )
        problems = compare(predictor, case, by)[1]
        fed = [lengths[0] for lengths in predictor.fed]
        if fed != case["fed_lengths"]:
            problems.append(f"{case['fed_lengths']} tokens fed, got {fed}")
        kept = [(one["block_start"], one["layer"], one["kept"]) for one in case["kept"]]
        if predictor.kept != kept:
            wrong = [
                one[:2] for one, ours in zip(kept, predictor.kept, strict=False) if one != ours
            ]
            problems.append(f"other keys kept at (block, layer) {wrong}")
        yield told(folder, case, problems)
