"""Lengths and treatment of end tokens per benchmark, as LLaDA publishes them. No torch here.

Source: EVAL.md of ML-GSAI/LLaDA (https://github.com/ML-GSAI/LLaDA, arXiv 2502.09992), read in 2026.
"Pure diffusion" takes the whole generation as one block; the others go block by block. One token is
committed per forward in all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foldctx.errors import UsageError


@dataclass(frozen=True, slots=True)
class Task:
    """A published setting: what it is for, the length of the generation, and decoder options."""

    summary: str
    gen_length: int
    options: Mapping[str, Any] = field(default_factory=dict)


_CONFIDENCE = {"confidence_eos_eot_inf": True}
_LOGITS = {"logits_eos_inf": True}


def _pure(benchmark: str, length: int, ends: Mapping[str, Any] | None = None) -> Task:
    summary = f"{benchmark}, LLaDA-8B-Instruct, pure diffusion"
    return Task(summary, length, {"block_length": length, **(ends or {})})


def _blocks(
    benchmark: str, model: str, length: int, block: int, ends: Mapping[str, Any] | None = None
) -> Task:
    options = {"block_length": block, **(ends or {})}
    return Task(f"{benchmark}, {model}, blocks of {block}", length, options)


_INSTRUCT, _LLADA_15 = "LLaDA-8B-Instruct", "LLaDA-1.5"

TASKS: Mapping[str, Task] = {
    "mmlu": _pure("MMLU", 3),
    "mmlu-pro": _pure("MMLU-Pro", 256),
    "hellaswag": _pure("HellaSwag", 3),
    "arc-c": _pure("ARC-C", 512),
    "gsm8k": _pure("GSM8K", 512, _CONFIDENCE),
    "math": _pure("Math", 512, _CONFIDENCE),
    "gpqa": _pure("GPQA", 64, _CONFIDENCE),
    "humaneval": _pure("HumanEval", 512, _LOGITS),
    "mbpp": _pure("MBPP", 256, _CONFIDENCE),
    "gsm8k-blocks": _blocks("GSM8K", _INSTRUCT, 256, 8),
    "math-blocks": _blocks("Math", _INSTRUCT, 512, 64),
    "gsm8k-1.5": _blocks("GSM8K", _LLADA_15, 256, 16, _CONFIDENCE),
    "math-1.5": _blocks("Math", _LLADA_15, 1024, 128, _CONFIDENCE),
    "gpqa-1.5": _blocks("GPQA", _LLADA_15, 256, 16),
    "humaneval-1.5": _blocks("HumanEval", _LLADA_15, 512, 32, _CONFIDENCE),
    "mbpp-1.5": _blocks("MBPP", _LLADA_15, 512, 32, _CONFIDENCE),
    "ifeval-1.5": _blocks("IFEval", _LLADA_15, 256, 16, _CONFIDENCE),
}


def task(name: str) -> Task:
    """A published setting by name; UsageError lists what there is."""
    if name not in TASKS:
        raise UsageError(f"task {name!r}: choose from {', '.join(TASKS)}")
    return TASKS[name]
