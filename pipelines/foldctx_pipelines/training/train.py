"""The training loop: seeded batches by step number, checkpoints that resume to the same weights."""

import json
import math
import multiprocessing
import os
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from foldctx.errors import UsageError
from foldctx.models.architecture import Transformer
from foldctx.models.forward import Feed, hidden_states
from foldctx_pipelines.training.curriculum import Plan
from foldctx_pipelines.training.sources import World
from foldctx_pipelines.training.stories import story_answer, story_read
from foldctx_pipelines.training.tasks import add_cloze, answer_window, read_window, write_window
from foldctx_pipelines.training.windows import UNANSWERING, Window

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""Ids (rows, length), trained indices, targets and weights (rows, targets), and the rows (over the
whole batch) and classes (marks,) that the probe labels."""

PROBE_CLASSES = 9
EMBEDDING_RATE = 0.3


def stack(windows: Sequence[Window], targets: int) -> Batch:
    """Tensors of fixed shape; unused target places have weight 0."""
    ids = torch.tensor([window.ids for window in windows])
    marks = [(i * ids.shape[1] + at, c) for i, w in enumerate(windows) for at, c in w.marks]
    places, classes = torch.tensor(marks, dtype=torch.long).reshape(-1, 2).unbind(1)
    rows = torch.zeros(len(windows), targets, dtype=torch.long)
    wanted, weights = torch.zeros_like(rows), torch.zeros(len(windows), targets)
    for i, window in enumerate(windows):
        for j, (at, token, weight) in enumerate(window.targets[:targets]):
            rows[i, j], wanted[i, j], weights[i, j] = at, token, weight
    return ids, rows, wanted, weights, places, classes


def make_batches(world: World, plan: Plan, step: int) -> tuple[Batch, Batch]:
    """The reading and the answering batch of a step, from the seed and the step alone."""
    rng = random.Random(f"{plan.seed}/{step}")
    stage = plan.stage(step)
    length, rows = stage.length, stage.rows
    if rng.random() < stage.long_share:
        length, rows = stage.long, max(1, stage.rows * stage.length // stage.long)
    asked, answer_rows = stage.answer_length, stage.answer_rows
    if rng.random() < stage.answer_long_share:
        asked, answer_rows = stage.answer_long, max(1, answer_rows * asked // stage.answer_long)
    reads = []
    for _ in range(rows):
        if rng.random() < stage.story_share:
            reads.append(story_read(rng, world, length, min(3, stage.questions)))
            continue
        if rng.random() < 0.06:
            reads.append(write_window(rng, world, length))
            continue
        count = 1 if rng.random() < 0.2 else rng.randrange(1, stage.questions + 1)
        window = read_window(rng, world, length, count)
        reads.append(add_cloze(rng, world, window, plan.targets) if rng.random() < 0.35 else window)
    answers = [
        story_answer(rng, world, asked)
        if rng.random() < stage.story_answer_share
        else answer_window(rng, world, asked)
        for _ in range(answer_rows)
    ]
    return stack(reads, plan.targets), stack(answers, plan.targets)


class Probes(nn.Module):
    """Linear labels of the rows that enter the last layer but one; thrown away after training.

    A slot has one target in a window, a unit's marker has one each: what a unit is good for, and
    where in a note the answer stands, is learnt from many more labels than there are answers.
    """

    def __init__(self, width: int) -> None:
        """One probe for reading windows, one for answering ones."""
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, PROBE_CLASSES) for _ in range(2))

    def loss(self, kind: int, rows: Tensor, classes: Tensor) -> Tensor:
        """Cross-entropy of rows (marks, width); the common class weighs a fifth."""
        if not classes.numel():
            return rows.new_zeros(())
        wide = functional.rms_norm(rows.float(), rows.shape[-1:])
        common = UNANSWERING if kind == 0 else 0
        weights = torch.ones(PROBE_CLASSES, device=rows.device)
        weights[common] = 0.2
        return functional.cross_entropy(self.heads[kind](wide), classes, weight=weights)


def batch_losses(
    model: Transformer, probes: Probes, kind: int, batch: Batch
) -> tuple[Tensor, Tensor]:
    """Weighted cross-entropy of the trained positions, and the probe's loss."""
    ids, rows, wanted, weights, places, classes = batch
    positions = torch.arange(ids.shape[1], device=ids.device)
    feeds = [Feed(i, positions, r) for i, r in zip(ids.unbind(0), rows.unbind(0), strict=True)]
    middle: list[Tensor] = []
    norm = model.blocks[-2].attn_norm  # its input is the residual stream that is probed
    assert isinstance(norm, nn.Module)
    handle = norm.register_forward_pre_hook(lambda _, args: middle.append(args[0]))
    hidden, _ = hidden_states(model, feeds)
    handle.remove()
    used = weights.flatten() > 0  # the head is wide: places that only fill the shape skip it
    losses = functional.cross_entropy(
        model.head(hidden[used]).float(), wanted.flatten()[used], reduction="none"
    )
    probed = probes.loss(kind, middle[0][places], classes)
    return (losses * weights.flatten()[used]).sum() / weights.sum(), probed


_made: tuple[World, Plan] | None = None  # in a worker process: what it makes batches of


def _start_worker(world: World, plan: Plan) -> None:
    global _made
    _made = world, plan
    torch.set_num_threads(1)


def _work(step: int) -> list[list[Any]]:
    assert _made is not None
    return [[tensor.numpy() for tensor in batch] for batch in make_batches(*_made, step)]


def batches_from(
    world: World, plan: Plan, start: int, end: int, workers: int
) -> Iterator[tuple[Batch, Batch]]:
    """The batches of the steps [start, end), made ahead by worker processes where there are some."""
    if workers == 0:
        for step in range(start, end):
            yield make_batches(world, plan, step)
        return
    context = multiprocessing.get_context("fork")  # the world is large, and read only
    with ProcessPoolExecutor(workers, context, _start_worker, (world, plan)) as pool:
        waiting: list[Future[list[list[Any]]]] = []
        for step in range(start, end):
            while len(waiting) < 3 * workers and step + len(waiting) < end:
                waiting.append(pool.submit(_work, step + len(waiting)))
            read, answer = (
                tuple(torch.from_numpy(array) for array in batch)
                for batch in waiting.pop(0).result()
            )
            yield cast(Batch, read), cast(Batch, answer)


class Trainer:
    """Model, optimiser and step, kept in a run folder."""

    def __init__(
        self,
        model: Transformer,
        world: World,
        plan: Plan,
        run: Path,
        *,
        precision: torch.dtype = torch.float32,
        workers: int = 0,
    ) -> None:
        self.model, self.world, self.plan, self.run = model, world, plan, run
        self.device = next(model.parameters()).device
        self.probes = Probes(model.dims.width).to(self.device)
        self.precision, self.workers = precision, workers
        self.optimiser = torch.optim.AdamW(self._groups(), lr=plan.rate, betas=(0.9, 0.98))
        self.step = 0

    def _groups(self) -> list[dict[str, Any]]:
        """Matrices decay; the embedding, which knows what words mean, learns more slowly."""
        embedding = self.model.wte.weight
        trained = [*self.model.parameters(), *self.probes.parameters()]
        matrices = [p for p in trained if p.ndim == 2 and p is not embedding]
        vectors = [p for p in trained if p.ndim < 2]
        decay = self.plan.weight_decay
        return [
            {"params": matrices, "weight_decay": decay, "share": 1.0},
            {"params": [embedding], "weight_decay": 0.0, "share": EMBEDDING_RATE},
            {"params": vectors, "weight_decay": 0.0, "share": 1.0},
        ]

    def train(self, until: int | None = None) -> Iterator[dict[str, Any]]:
        """Run steps; yields one row of figures a step."""
        end = self.plan.steps if until is None else min(until, self.plan.steps)
        batches = batches_from(self.world, self.plan, self.step, end, self.workers)
        while self.step < end:
            started = time.perf_counter()
            pair = next(batches)
            made = time.perf_counter() - started
            for group in self.optimiser.param_groups:
                group["lr"] = group["share"] * self.plan.rate_at(self.step)
            parts, probed = [], []
            for kind, batch in enumerate(pair):
                on_device = tuple(tensor.to(self.device) for tensor in batch)
                with torch.autocast(
                    self.device.type, self.precision, enabled=self.precision != torch.float32
                ):
                    loss, aside = batch_losses(
                        self.model, self.probes, kind, cast(Batch, on_device)
                    )
                torch.autograd.backward(loss + self.plan.probe_weight * aside)
                parts.append(float(loss.detach()))
                probed.append(float(aside.detach()))
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            self.step += 1
            yield {
                "step": self.step,
                "reading": parts[0],
                "answering": parts[1],
                "units": probed[0],
                "spans": probed[1],
                "norm": float(norm),
                "seconds": time.perf_counter() - started,
                "making": made,
            }
            if not math.isfinite(parts[0] + parts[1]):
                raise UsageError(f"the loss is {parts} at step {self.step}; lower --rate")

    def save(self) -> None:
        """Write the state; a kill at any moment leaves the older or the newer one whole."""
        state: dict[str, Tensor] = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        state.update({f"probes.{k}": v for k, v in self.probes.state_dict().items()})
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
        self.probes.load_state_dict({k[7:]: v for k, v in state.items() if k.startswith("probes.")})
        form = self.optimiser.state_dict()
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith("optimiser."):
                _, i, name = key.split(".", 2)
                slots.setdefault(int(i), {})[name] = value
        form["state"] = slots
        self.optimiser.load_state_dict(form)
        return True
