"""LLaDA2's mixture of experts against a slow readable twin, and how its checkpoints load."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from foldctx.errors import ModelError
from foldctx.models import load_model
from foldctx.models.experts import SparseMLP, grouped_matmul
from foldctx.models.forward import Feed, forward
from tests.models.checkpoints import LLADA2, random_network, stored_tensors, write_checkpoint


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


class Twin:
    """The network token by token, from the stored tensors and the config alone."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self.config = config
        self.weights = {name: tensor.double() for name, tensor in tensors.items()}

    def norm(self, x: Tensor, name: str) -> Tensor:
        mean = (x * x).mean()
        return self.weights[name] * x / (mean + self.config["rms_norm_eps"]).sqrt()

    def mlp(self, x: Tensor, name: str) -> Tensor:
        gate = self.weights[f"{name}.gate_proj.weight"] @ x
        up = self.weights[f"{name}.up_proj.weight"] @ x
        inner = torch.tensor([silu(float(g)) * float(u) for g, u in zip(gate, up, strict=True)])
        return self.weights[f"{name}.down_proj.weight"] @ inner.double()

    def chosen(self, x: Tensor, name: str) -> dict[int, float]:
        """Experts and their weights: the best of the best groups, by biased scores."""
        config = self.config
        scores = [1 / (1 + math.exp(-float(v))) for v in self.weights[f"{name}.gate.weight"] @ x]
        bias = self.weights.get(f"{name}.gate.expert_bias", torch.zeros(len(scores)))
        ranked = [score + float(b) for score, b in zip(scores, bias, strict=True)]
        size = config["num_experts"] // config["n_group"]
        groups = [range(g * size, (g + 1) * size) for g in range(config["n_group"])]
        best = sorted(groups, key=lambda g: -sum(sorted((ranked[e] for e in g), reverse=True)[:2]))
        open_ones = [e for g in best[: config["topk_group"]] for e in g]
        top = sorted(open_ones, key=lambda e: -ranked[e])[: config["num_experts_per_tok"]]
        total = sum(scores[e] for e in top) if config["norm_topk_prob"] and len(top) > 1 else 1.0
        return {e: scores[e] / total * config["routed_scaling_factor"] for e in top}

    def feed_forward(self, x: Tensor, layer: int) -> Tensor:
        name = f"model.layers.{layer}.mlp"
        if layer < self.config["first_k_dense_replace"]:
            return self.mlp(x, name)
        out = torch.zeros_like(x)
        for expert, weight in self.chosen(x, name).items():
            out += weight * self.mlp(x, f"{name}.experts.{expert}")
        if self.config["num_shared_experts"]:
            out += self.mlp(x, f"{name}.shared_experts")
        return out

    def turn(self, x: Tensor, position: int) -> Tensor:
        """The first part of a head, by pairs half of that part apart."""
        out = x.clone()
        width = int(self.config["head_dim"] * self.config["partial_rotary_factor"])
        for i in range(width // 2):
            angle = position / self.config["rope_theta"] ** (2 * i / width)
            a, b = float(x[i]), float(x[i + width // 2])
            out[i] = a * math.cos(angle) - b * math.sin(angle)
            out[i + width // 2] = b * math.cos(angle) + a * math.sin(angle)
        return out

    def logits(self, tokens: list[int], positions: list[int], blocks: list[int]) -> Tensor:
        c = self.config
        heads, kv_heads, width = (c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"])
        rows = [self.weights["model.word_embeddings.weight"][t] for t in tokens]
        for layer in range(c["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            q, k, v = [], [], []
            for x, position in zip(rows, positions, strict=True):
                h = self.norm(x, f"{name}.input_layernorm.weight")
                joint = self.weights[f"{name}.attention.query_key_value.weight"] @ h
                parts = list(joint.view(-1, width))
                inner = f"{name}.attention"
                q.append(
                    [
                        self.turn(self.norm(p, f"{inner}.query_layernorm.weight"), position)
                        for p in parts[:heads]
                    ]
                )
                k.append(
                    [
                        self.turn(self.norm(p, f"{inner}.key_layernorm.weight"), position)
                        for p in parts[heads : heads + kv_heads]
                    ]
                )
                v.append(parts[heads + kv_heads :])
            for i, x in enumerate(rows):
                seen = [j for j in range(len(rows)) if blocks[j] <= blocks[i]]
                mixed = []
                for head in range(heads):
                    kv = head * kv_heads // heads
                    scores = [float(q[i][head] @ k[j][kv]) / math.sqrt(width) for j in seen]
                    weights = torch.tensor(scores).double().softmax(0)
                    mixed.append(sum(w * v[j][kv] for w, j in zip(weights, seen, strict=True)))
                rows[i] = x + self.weights[f"{name}.attention.dense.weight"] @ torch.cat(mixed)  # type: ignore[arg-type]
            rows = [
                x
                + self.feed_forward(self.norm(x, f"{name}.post_attention_layernorm.weight"), layer)
                for x in rows
            ]
        head_name = "model.word_embeddings" if c["tie_word_embeddings"] else "lm_head"
        head = self.weights[f"{head_name}.weight"]
        return torch.stack([head @ self.norm(x, "model.norm.weight") for x in rows])


VARIANTS: dict[str, dict[str, Any]] = {
    "as published": {},
    "one group": {"n_group": 1, "topk_group": 1},
    "one expert": {"num_experts_per_tok": 1},
    "no shared, tied": {"num_shared_experts": 0, "tie_word_embeddings": True},
    "two shared, dense first two": {"num_shared_experts": 2, "first_k_dense_replace": 2},
    "no bias, not normalised": {"moe_router_enable_expert_bias": False, "norm_topk_prob": False},
    "whole head turns": {"partial_rotary_factor": 1.0, "rotary_dim": 8},
    "odd widths": {"moe_intermediate_size": 10, "hidden_size": 30, "head_dim": 10, "rotary_dim": 4,
                   "partial_rotary_factor": 0.4},
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_equal_to_the_twin(tmp_path: Path, name: str) -> None:
    """Loaded from shards, with blocks and with every position visible."""
    config = {**LLADA2, **VARIANTS[name]}
    written = write_checkpoint(
        tmp_path, base=LLADA2, mask_token_id=0, eos_token_id=1, shards=2, **VARIANTS[name]
    )
    twin = Twin(config, stored_tensors(written))
    model = load_model(tmp_path, device="cpu")
    tokens = [5, 9, 0, 44, 7, 7, 200, 0, 1]
    positions = [0, 1, 2, 3, 4, 5, 6, 7, 30]
    for blocks in ([0, 0, 0, 0, 1, 1, 1, 1, 1], [0] * 9):
        feed = Feed(
            torch.tensor(tokens),
            torch.tensor(positions),
            torch.arange(9),
            blocks=torch.tensor(blocks) if any(blocks) else None,
        )
        (ours,) = model.predict([feed])
        assert (ours - twin.logits(tokens, positions, blocks)).abs().max() < 1e-4


def test_rows_of_many_requests_share_the_experts() -> None:
    """Company changes no row beyond rounding: one product serves all rows, sorted by expert."""
    model = random_network(LLADA2)
    feeds = [Feed(torch.arange(n) * 3 % 290, torch.arange(n), torch.arange(n)) for n in (4, 9, 4)]
    together = forward(model, feeds)
    for feed, rows in zip(feeds, together, strict=True):
        (alone,) = forward(model, [feed])
        assert (alone - rows).abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_grouped_product(dtype: torch.dtype) -> None:
    """Groups without rows among them, and one product per group as the slow twin."""
    generator = torch.Generator().manual_seed(1)
    counts = [3, 0, 5, 1, 0, 0, 7]
    x = torch.randn(sum(counts), 16, generator=generator).to(dtype)
    weights = torch.randn(len(counts), 24, 16, generator=generator).to(dtype)
    parts = torch.split(x, counts)
    expected = torch.cat([part @ w.T for part, w in zip(parts, weights, strict=True)])
    got = grouped_matmul(x, weights, torch.tensor(counts).cumsum(0))
    tolerance = 0.1 if dtype == torch.bfloat16 else 1e-5
    assert (got - expected).abs().max() < tolerance


def test_no_rows() -> None:
    """A forward whose last layer wants few rows may leave most experts without any."""
    experts = random_network(LLADA2).layers[1].mlp
    assert isinstance(experts, SparseMLP)
    assert experts(torch.randn(1, 32)).shape == (1, 32)


def test_the_choice_bias_is_kept_wide(tmp_path: Path) -> None:
    """In 16 bits it would round, and rounding changes which experts are chosen."""
    written = write_checkpoint(tmp_path, base=LLADA2, mask_token_id=0, eos_token_id=1)
    loaded = load_model(tmp_path, device="cpu", dtype="bfloat16").transformer
    name = "model.layers.1.mlp.gate.expert_bias"
    assert torch.equal(loaded.state_dict()[name], written.state_dict()[name])
    assert (
        loaded.state_dict()["model.layers.1.mlp.experts.3.up_proj.weight"].dtype == torch.bfloat16
    )


def test_stored_names_are_the_public_ones() -> None:
    names = set(random_network(LLADA2).state_dict())
    layer = "model.layers.1"
    assert {
        "model.word_embeddings.weight",
        "model.norm.weight",
        "lm_head.weight",
        f"{layer}.attention.query_key_value.weight",
        f"{layer}.attention.query_layernorm.weight",
        f"{layer}.attention.dense.weight",
        f"{layer}.mlp.experts.15.down_proj.weight",
        f"{layer}.mlp.gate.weight",
        f"{layer}.mlp.gate.expert_bias",
        f"{layer}.mlp.shared_experts.gate_proj.weight",
        "model.layers.0.mlp.gate_proj.weight",
    } <= names
    assert not any(name.endswith("experts.gate_proj") for name in names)


def test_a_state_dict_goes_back_in() -> None:
    one, other = random_network(LLADA2, 0), random_network(LLADA2, 1)
    other.load_state_dict(one.state_dict())
    feed = Feed(torch.arange(6), torch.arange(6), torch.arange(6))
    assert torch.equal(forward(one, [feed])[0], forward(other, [feed])[0])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "softmax router": ({"score_function": "softmax"}, r"score_function='softmax' is not LLaDA2's"),
    "yarn": ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, r"rope_scaling=.*LLaDA2's"),
    "no norms": ({"use_qk_norm": False}, r"use_qk_norm=False"),
    "rotary widths differ": ({"rotary_dim": 8}, r"rotary_dim=8 contradicts.*which is 4"),
    "groups": ({"n_group": 3}, r"16 do not form 3 equal groups"),
    "too many groups": ({"topk_group": 5}, r"4 equal groups of which 5 are kept"),
    "too many experts": ({"num_experts_per_tok": 9}, r"9 per token do not fit into 2 groups of 4"),
    "no experts": ({"num_experts": None}, r"a size is not a number"),
    "fewer experts": ({"num_experts": 12, "n_group": 3}, r"\d+ tensors unexpected: .*experts"),
    "wider experts": ({"moe_intermediate_size": 20}, r"of another shape: .*experts\.\d+\.\w+_proj"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(tmp_path: Path, name: str) -> None:
    fields, message = REFUSED[name]
    write_checkpoint(tmp_path, base=LLADA2, mask_token_id=0, eos_token_id=1)
    form = {**LLADA2, "mask_token_id": 0, "eos_token_id": 1, **fields}
    (tmp_path / "config.json").write_text(json.dumps(form))
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path, device="cpu")


def test_info(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, base=LLADA2, mask_token_id=0, eos_token_id=1)
    info = load_model(tmp_path, device="cpu").info
    assert (info.family, info.block_grid, info.logit_shift, info.window) == (
        "llada2",
        32,
        False,
        128,
    )
