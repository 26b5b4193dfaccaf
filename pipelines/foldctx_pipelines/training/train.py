"""The training loop: seeded batches by step number, checkpoints that resume to the same weights."""

import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from foldctx.errors import UsageError
from foldctx.models.architecture import Transformer
from foldctx.models.forward import Feed, hidden_states
from foldctx_pipelines.training.sources import World
from foldctx_pipelines.training.tasks import (
    Window,
    add_cloze,
    answer_window,
    read_window,
    write_window,
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the curriculum: `steps` batches of windows of `length` tokens."""

    steps: int
    length: int
    rows: int
    questions: int
    answer_length: int = 112
    answer_rows: int = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides the weights besides the data."""

    stages: tuple[Stage, ...]
    rate: float = 1e-3
    warmup: int = 60
    decay: int = 400
    weight_decay: float = 0.01
    seed: int = 0
    targets: int = 32

    @property
    def steps(self) -> int:
        """All steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage(self, step: int) -> Stage:
        """The stage that a step belongs to."""
        end = 0
        for stage in self.stages:
            end += stage.steps
            if step < end:
                return stage
        raise UsageError(f"step {step} lies beyond the plan of {self.steps} steps")

    def rate_at(self, step: int) -> float:
        """Linear warm-up, constant, then linear decay over the last `decay` steps."""
        up = min(1.0, (step + 1) / self.warmup)
        down = min(1.0, (self.steps - step) / max(1, self.decay))
        return self.rate * min(up, max(down, 0.02))


Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Ids (rows, length), trained indices, targets and weights (rows, targets)."""


def stack(windows: Sequence[Window], targets: int) -> Batch:
    """Tensors of fixed shape; unused target places have weight 0."""
    ids = torch.tensor([window.ids for window in windows])
    rows = torch.zeros(len(windows), targets, dtype=torch.long)
    wanted, weights = torch.zeros_like(rows), torch.zeros(len(windows), targets)
    for i, window in enumerate(windows):
        for j, (at, token, weight) in enumerate(window.targets[:targets]):
            rows[i, j], wanted[i, j], weights[i, j] = at, token, weight
    return ids, rows, wanted, weights


def make_batches(world: World, plan: Plan, step: int) -> tuple[Batch, Batch]:
    """The reading and the answering batch of a step, from the seed and the step alone."""
    rng = random.Random(f"{plan.seed}/{step}")
    stage = plan.stage(step)
    reads = []
    for _ in range(stage.rows):
        if rng.random() < 0.1:
            reads.append(write_window(rng, world, stage.length))
            continue
        count = 1 if rng.random() < 0.3 else rng.randrange(1, stage.questions + 1)
        window = read_window(rng, world, stage.length, count)
        reads.append(add_cloze(rng, world, window, plan.targets) if rng.random() < 0.35 else window)
    answers = [answer_window(rng, world, stage.answer_length) for _ in range(stage.answer_rows)]
    return stack(reads, plan.targets), stack(answers, plan.targets)


def batch_loss(
    model: Transformer, ids: Tensor, rows: Tensor, wanted: Tensor, weights: Tensor
) -> Tensor:
    """Weighted cross-entropy of the trained positions."""
    positions = torch.arange(ids.shape[1], device=ids.device)
    feeds = [Feed(i, positions, r) for i, r in zip(ids.unbind(0), rows.unbind(0), strict=True)]
    hidden, _ = hidden_states(model, feeds)
    losses = functional.cross_entropy(model.head(hidden), wanted.flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


class Trainer:
    """Model, optimiser and step, kept in a run folder."""

    def __init__(
        self, model: Transformer, world: World, plan: Plan, run: Path, *, compiled: bool = True
    ) -> None:
        self.model, self.world, self.plan, self.run = model, world, plan, run
        self.device = next(model.parameters()).device
        matrices = [p for p in model.parameters() if p.ndim == 2]
        vectors = [p for p in model.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": plan.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.98), eps=1e-8)
        self.step = 0
        loss: Callable[..., Tensor] = batch_loss
        self._loss = torch.compile(loss, dynamic=False) if compiled else loss

    def train(self, until: int | None = None) -> Iterator[dict[str, Any]]:
        """Run steps; yields one row of figures a step."""
        end = self.plan.steps if until is None else min(until, self.plan.steps)
        while self.step < end:
            started = time.perf_counter()
            read, answer = make_batches(self.world, self.plan, self.step)
            made = time.perf_counter() - started
            for group in self.optimiser.param_groups:
                group["lr"] = self.plan.rate_at(self.step)
            parts = []
            for batch in (read, answer):
                loss = self._loss(self.model, *(t.to(self.device) for t in batch))
                torch.autograd.backward(loss)
                parts.append(float(loss.detach()))
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            self.step += 1
            yield {
                "step": self.step,
                "read": parts[0],
                "answer": parts[1],
                "norm": float(norm),
                "seconds": time.perf_counter() - started,
                "making": made,
            }
            if not math.isfinite(parts[0] + parts[1]):
                raise UsageError(f"the loss is {parts} at step {self.step}; lower --rate")

    def save(self) -> None:
        """Write the state; a kill at any moment leaves the older or the newer one whole."""
        state: dict[str, Tensor] = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for i, slot in self.optimiser.state_dict()["state"].items():
            state.update({f"optimiser.{i}.{k}": torch.as_tensor(v) for k, v in slot.items()})
        self.run.mkdir(parents=True, exist_ok=True)
        target = self.run / "state.safetensors"
        meta = {"step": str(self.step), "plan": json.dumps(asdict(self.plan))}
        save_file({k: v.contiguous() for k, v in state.items()}, f"{target}.tmp", metadata=meta)
        os.replace(f"{target}.tmp", target)

    def resume(self) -> bool:
        """Continue from the run folder's state, if there is one."""
        target = self.run / "state.safetensors"
        if not target.exists():
            return False
        with safe_open(target, "pt") as handle:
            self.step = int(handle.metadata()["step"])
        state = load_file(target)
        self.model.load_state_dict({k[6:]: v for k, v in state.items() if k.startswith("model.")})
        form = self.optimiser.state_dict()
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith("optimiser."):
                _, i, name = key.split(".", 2)
                slots.setdefault(int(i), {})[name] = value
        form["state"] = slots
        self.optimiser.load_state_dict(form)
        return True
