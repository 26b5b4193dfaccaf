"""What every run has: its own counters, and the stamps of what it ran on."""

import platform
import sys
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import foldctx
from foldctx.folding.happened import Happened
from foldctx.models.load import Model
from foldctx.records import ModelStamp


@dataclass(slots=True)
class Totals:
    """The run's own counters, which the trace's reader recounts."""

    counts: Counter[str] = field(default_factory=Counter)
    folds: Counter[str] = field(default_factory=Counter)
    fed_max: int = 0
    position_max: int = 0
    document_tokens: int = 0

    def see(self, event: Happened) -> None:
        """Count one event."""
        fields = event.fields
        if event.event == "window":
            self.counts["windows"] += fields["kind"] == "read"
            self.counts["forwards"] += fields["forwards"]
            self.counts["tokens_fed"] += fields["tokens_fed"]
            self.fed_max = max(self.fed_max, fields["fed_max"])
            self.position_max = max(self.position_max, fields["position_max"])
        elif event.event == "document":
            self.counts["documents"] += 1
            self.counts["characters"] += fields["characters"]
            self.document_tokens += fields["tokens"]
        elif event.event == "fold":
            self.folds[fields["kind"]] += 1
        else:
            names = {"skip": "skipped", "answer": "answers", "error": "errors"}
            if event.event in names:
                self.counts[names[event.event]] += 1

    def end(self) -> dict[str, Any]:
        """The fields of `run.end`."""
        names = ("windows", "skipped", "forwards", "tokens_fed", "documents", "answers", "errors")
        fed = self.counts["tokens_fed"]
        return {
            **{name: self.counts[name] for name in names},
            "characters": self.counts["characters"],
            "passes": fed / self.document_tokens if self.document_tokens else None,
            "fed_max": self.fed_max,
            "position_max": self.position_max,
            "folds": {kind: self.folds[kind] for kind in ("mask", "span", "chunk")},
            "peak_memory": peak_memory(),
        }


def peak_memory() -> int | None:
    """The process's largest resident size so far, in bytes; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def versions_of(model: Model) -> dict[str, str | float | None]:
    """What a run ran on."""
    used = ["torch", "safetensors", "tokenizers"]
    used += ["torchao"] if model.quantize is not None else []
    used += ["accelerate"] if model.spread else []
    return {
        "foldctx": foldctx.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in used},
        "device": "+".join(model.spread) or str(model.device),
    }


def model_stamp(model: Model) -> ModelStamp:
    """Which weights answer."""
    info = model.info
    return ModelStamp(
        info.name,
        info.revision,
        info.weights_sha256,
        info.rope_scale,
        dtype=str(model.dtype).removeprefix("torch."),
        quantize=model.quantize,
    )
