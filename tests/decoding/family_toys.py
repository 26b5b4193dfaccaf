"""Tiny random Dream and LLaDA2 networks as predictors, in float64."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from foldctx.models.families import family_of
from foldctx.models.forward import Feed, forward
from foldctx.models.info import ModelInfo
from foldctx.models.shift import aligned
from tests.decoding.toys import EOS, EOT, MASK, VOCAB
from tests.models.checkpoints import DREAM, LLADA2


class FamilyModel:
    """Weights large enough for clear choices; keeps the positions of every feed."""

    def __init__(self, base: Mapping[str, Any], window: int = 64, seed: int = 0) -> None:
        config = {**base, "vocab_size": VOCAB, "num_hidden_layers": 2}
        config |= {"num_experts": 8, "num_experts_per_tok": 2}  # float64 experts run one by one
        family = family_of(config, "the test")
        self.model = family.network(family.dims(config)).double().eval().requires_grad_(False)
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.model.named_parameters():
            noise = torch.randn(weight.shape, dtype=torch.float64, generator=generator)
            scale = 0.2 if weight.ndim == 1 else 1.6 / weight.shape[-1] ** 0.5
            weight.copy_(scale * noise + (1.0 if "norm" in name else 0.0))
        self.info = ModelInfo(
            "toy",
            family.name,
            window,
            VOCAB,
            MASK,
            EOS,
            EOT,
            logit_shift=family.logit_shift,
            block_grid=family.block_length if family.block_causal else None,
        )
        self.positions: list[list[list[int]]] = []

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        self.positions.append([feed.positions.tolist() for feed in feeds])
        return forward(self.model, list(map(aligned, feeds)) if self.info.logit_shift else feeds)


def llada2(window: int = 64, seed: int = 0) -> FamilyModel:
    return FamilyModel(LLADA2, window, seed)


def dream(window: int = 64, seed: int = 0) -> FamilyModel:
    return FamilyModel(DREAM, window, seed)
