"""The context-folding decoder: prompt tokens to committed tokens.

Names are resolved when first used: the presets' names and options are wanted without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldctx.decoding.bounded import Bounded
    from foldctx.decoding.cache import Cache, DualCache, NoCache, PrefixCache
    from foldctx.decoding.canvas import SpanFold
    from foldctx.decoding.causal import BlockCausalCache
    from foldctx.decoding.commit import Commit, DynamicThreshold, Factor, Quota, Threshold
    from foldctx.decoding.decoder import Decoder
    from foldctx.decoding.events import Decoded, Event, Step, Usage, flops
    from foldctx.decoding.features import FeatureCache
    from foldctx.decoding.feed import (
        Elastic,
        GaussianDropout,
        SuffixWindow,
        UniformDropout,
        WholeCanvas,
    )
    from foldctx.decoding.loop import Predictor, check_request, decode, decode_one
    from foldctx.decoding.presets import (
        PRESET_NAMES,
        PRESETS,
        Preset,
        check_preset,
        preset,
        preset_options,
    )
    from foldctx.decoding.propose import Proposer
    from foldctx.decoding.refine import Editing, ThresholdOrQuota
    from foldctx.decoding.segments import Fold, Request, Segment, fold_segment
    from foldctx.decoding.sparse import SparseCache
    from foldctx.decoding.stop import (
        AnyOf,
        Converged,
        EosInBlock,
        FirstEos,
        Never,
        SkipAt,
        SlotsEnded,
        Stop,
    )
    from foldctx.decoding.tasks import TASKS, Task, task
    from foldctx.decoding.tempered import Tempered
    from foldctx.decoding.timesteps import Timesteps

_HOME = {
    "bounded": ("Bounded",),
    "cache": ("Cache", "DualCache", "NoCache", "PrefixCache"),
    "canvas": ("SpanFold",),
    "causal": ("BlockCausalCache",),
    "commit": ("Commit", "DynamicThreshold", "Factor", "Quota", "Threshold"),
    "decoder": ("Decoder",),
    "sparse": ("SparseCache",),
    "features": ("FeatureCache",),
    "events": ("Decoded", "Event", "Step", "Usage", "flops"),
    "feed": ("Elastic", "GaussianDropout", "SuffixWindow", "UniformDropout", "WholeCanvas"),
    "loop": ("Predictor", "check_request", "decode", "decode_one"),
    "tasks": ("TASKS", "Task", "task"),
    "presets": ("PRESETS", "PRESET_NAMES", "Preset", "check_preset", "preset", "preset_options"),
    "propose": ("Proposer",),
    "refine": ("Editing", "ThresholdOrQuota"),
    "segments": ("Fold", "Request", "Segment", "fold_segment"),
    "stop": (
        "AnyOf",
        "Converged",
        "EosInBlock",
        "FirstEos",
        "Never",
        "SkipAt",
        "SlotsEnded",
        "Stop",
    ),
    "tempered": ("Tempered",),
    "timesteps": ("Timesteps",),
}

__all__ = [
    "PRESETS",
    "PRESET_NAMES",
    "TASKS",
    "AnyOf",
    "BlockCausalCache",
    "Bounded",
    "Cache",
    "Commit",
    "Converged",
    "Decoded",
    "Decoder",
    "DualCache",
    "DynamicThreshold",
    "Editing",
    "Elastic",
    "EosInBlock",
    "Event",
    "Factor",
    "FeatureCache",
    "FirstEos",
    "Fold",
    "GaussianDropout",
    "Never",
    "NoCache",
    "Predictor",
    "PrefixCache",
    "Preset",
    "Proposer",
    "Quota",
    "Request",
    "Segment",
    "SkipAt",
    "SlotsEnded",
    "SpanFold",
    "SparseCache",
    "Step",
    "Stop",
    "SuffixWindow",
    "Task",
    "Tempered",
    "Threshold",
    "ThresholdOrQuota",
    "Timesteps",
    "UniformDropout",
    "Usage",
    "WholeCanvas",
    "check_preset",
    "check_request",
    "decode",
    "decode_one",
    "flops",
    "fold_segment",
    "preset",
    "preset_options",
    "task",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"foldctx.decoding.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
