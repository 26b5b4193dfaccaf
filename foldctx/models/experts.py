"""A mixture of experts (arXiv 2401.06066) over packed rows, under the usual checkpoint names.

All rows of all requests go through the experts at once: (row, expert) pairs are sorted by expert
and every projection is one grouped matrix product. Nothing loops over tokens.
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from foldctx.models.dims import Experts
from foldctx.models.network import GatedMLP, Stack

_GROUPED = (torch.float32, torch.bfloat16, torch.float16)
_ALIGNMENT = 16  # bytes a row must be a multiple of for the grouped product


def grouped_matmul(x: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Rows (n, a) times their group's weights (g, b, a), giving (n, b).

    Group i holds the rows from `ends[i - 1]` to `ends[i]`.
    """
    sizes = (x.shape[-1] * x.element_size(), weights.shape[1] * x.element_size())
    if x.dtype in _GROUPED and not any(size % _ALIGNMENT for size in sizes):
        return functional.grouped_mm(x, weights.transpose(1, 2), offs=ends.int())
    # float64 and odd widths have no grouped product; only groups that hold rows are visited.
    bounds = [0, *ends.tolist()]
    parts = [
        functional.linear(x[start:end], weights[group])
        for group, (start, end) in enumerate(pairwise(bounds))
        if start < end
    ]
    return torch.cat(parts) if parts else x.new_empty(0, weights.shape[1])


class Router(nn.Module):
    """Chooses each row's experts by sigmoid scores, inside the groups that score best."""

    def __init__(self, width: int, experts: Experts) -> None:
        """Weights at a linear layer's initial values, biases of zero."""
        super().__init__()
        self.experts = experts
        self.weight = nn.Parameter(torch.empty(experts.count, width))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if experts.biased:
            self.expert_bias = nn.Parameter(torch.zeros(experts.count))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Expert ids and weights (n, per_token) of rows (n, width), in at least float32.

        A group's rank is the sum of its two best scores. The bias counts in the choice only.
        """
        plan = self.experts
        kind = torch.promote_types(x.dtype, torch.float32)
        scores = functional.linear(x.to(kind), self.weight.to(kind)).sigmoid()
        ranked = scores + self.expert_bias.to(kind) if plan.biased else scores
        grouped = ranked.view(len(x), plan.groups, -1)  # (n, groups, experts of a group)
        best = grouped.topk(2, dim=-1).values.sum(-1).topk(plan.groups_kept, dim=-1).indices
        closed = torch.ones_like(grouped[..., 0], dtype=torch.bool).scatter(1, best, False)
        choice = grouped.masked_fill(closed[..., None], -torch.inf).flatten(1)
        ids = choice.topk(plan.per_token, dim=-1).indices
        weights = scores.gather(1, ids)
        if plan.normalised and plan.per_token > 1:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        return ids, weights * plan.scale


class ExpertStack(Stack):
    """The experts' MLPs, one parameter per projection; stored one tensor per expert."""

    gate_proj: nn.Parameter
    up_proj: nn.Parameter
    down_proj: nn.Parameter

    def __init__(self, width: int, experts: Experts) -> None:
        """Weights at a linear layer's initial values."""
        super().__init__()
        self.count = experts.count
        for name, rows, columns in (
            ("gate_proj", experts.width, width),
            ("up_proj", experts.width, width),
            ("down_proj", width, experts.width),
        ):
            weight = nn.Parameter(torch.empty(experts.count, rows, columns))
            nn.init.uniform_(weight, -1 / math.sqrt(columns), 1 / math.sqrt(columns))
            self.register_parameter(name, weight)
        self.register_state_dict_post_hook(_split)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_join)  # type: ignore[no-untyped-call]

    def put(self, name: str, tensor: Tensor) -> None:
        """Copy the tensor stored as `<expert>.<projection>.weight` into its place."""
        expert, projection, _ = name.split(".")
        stack: nn.Parameter = getattr(self, projection)
        if stack.is_meta:
            room = torch.empty(stack.shape, dtype=tensor.dtype, device=tensor.device)
            stack = nn.Parameter(room, requires_grad=False)
            setattr(self, projection, stack)
        stack.data[int(expert)].copy_(tensor)

    def forward(self, x: Tensor, ends: Tensor) -> Tensor:
        """Rows (n, width) sorted by expert, expert i up to `ends[i]`, to rows (n, width)."""
        gate = grouped_matmul(x, self.gate_proj, ends)
        inner = functional.silu(gate) * grouped_matmul(x, self.up_proj, ends)
        return grouped_matmul(inner, self.down_proj, ends)


def _split(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Give the stacks out under the stored names, one view per expert."""
    for name, _ in module.named_parameters(recurse=False):
        for expert, weight in enumerate(state.pop(prefix + name)):
            state[f"{prefix}{expert}.{name}.weight"] = weight


def _join(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    """Take tensors under the stored names in."""
    assert isinstance(module, ExpertStack)
    for name, _ in module.named_parameters(recurse=False):
        names = [f"{prefix}{expert}.{name}.weight" for expert in range(module.count)]
        if all(stored in state for stored in names):
            state[prefix + name] = torch.stack([state.pop(stored) for stored in names])


class SparseMLP(nn.Module):
    """A layer's MLP as a mixture: routed experts, and shared ones that every row goes through."""

    def __init__(self, width: int, experts: Experts) -> None:
        """Weights at torch's own initial values."""
        super().__init__()
        self.experts = ExpertStack(width, experts)
        self.gate = Router(width, experts)
        self.shared_experts = (
            GatedMLP(width, experts.width * experts.shared) if experts.shared else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n, width) to rows (n, width); each row's sum is in the order of its experts."""
        ids, weights = self.gate(x)
        taken = ids.shape[1]
        order = ids.flatten().sort(stable=True).indices  # pairs (row, expert) by expert
        ends = torch.bincount(ids.flatten(), minlength=self.experts.count).cumsum(0)
        done = self.experts(x[order // taken], ends)
        pairs = torch.empty_like(done).index_copy(0, order, done).view(len(x), taken, -1)
        mixed: Tensor = (pairs.to(weights.dtype) * weights[..., None]).sum(1).to(x.dtype)
        if self.shared_experts is not None:
            mixed = mixed + self.shared_experts(x)
        return mixed
