"""The decoder's members by name, with their options: one line each. Importing this needs no torch.

A line gives the class and the options that its constructor takes, with their defaults; a test holds
that they are the class's own. A new method is a file with its class and a line here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its default, the types it takes, and the constructor's parameter it goes to."""

    default: Any
    kinds: tuple[type, ...]
    parameter: str


@dataclass(frozen=True, slots=True)
class Part:
    """A member of a seam: `module:Class` in this package, and its options by name."""

    home: str
    options: Mapping[str, Option]

    def build(self, values: Mapping[str, Any]) -> Any:
        """The member; `values` may name other options as well."""
        module, _, name = self.home.partition(":")
        member = getattr(import_module(f"foldctx.decoding.{module}"), name)
        return member(**{o.parameter: values[key] for key, o in self.options.items()})


def _part(home: str, rename: Mapping[str, str] | None = None, **defaults: Any) -> Part:
    """`rename` gives the parameter of an option that has another name; None takes a whole number."""
    names = rename or {}
    options = {
        key: Option(value, _kinds(key, value), names.get(key, key))
        for key, value in defaults.items()
    }
    return Part(home, options)


# Options that are none by default and take a fraction otherwise.
_FRACTIONS = ("top_p",)


def _kinds(name: str, default: Any) -> tuple[type, ...]:
    """A whole number will do for a fraction, a bool for neither."""
    if default is None:
        return (float, int, type(None)) if name in _FRACTIONS else (int, type(None))
    return (float, int) if type(default) is float else (type(default),)


FEEDS: Mapping[str, Part] = {
    "whole": _part("feed:WholeCanvas"),
    "elastic": _part("feed:Elastic", near=64, stride=None, terminal=True, multiplicity=False),
    "window": _part("feed:SuffixWindow", suffix=96),
    "gaussian": _part("feed:GaussianDropout", reach=256, decay=4.0, scale=2.0),
    "uniform": _part("feed:UniformDropout", reach=256, count=64),
}

CACHES: Mapping[str, Part] = {
    "none": _part("cache:NoCache"),
    "prefix": _part("cache:PrefixCache", refresh=None),
    "dual": _part("cache:DualCache", refresh=None),
    "feature": _part("features:FeatureCache", prompt_interval=100, response_interval=7, rho=0.25),
    "sparse": _part("sparse:SparseCache", retention=0.5, kernel=3, delay=1),
    "finished": _part("causal:BlockCausalCache"),
}

PROPOSALS: Mapping[str, Part] = {
    "llada": _part(
        "propose:Proposer",
        temperature=0.0,
        cfg_scale=0.0,
        cfg_interval=1,
        remasking="low_confidence",
        logits_eos_inf=False,
        confidence_eos_eot_inf=False,
    ),
    "dream": _part(
        "tempered:Tempered", temperature=0.0, top_p=None, top_k=None, remasking="entropy"
    ),
}

COMMITS: Mapping[str, Part] = {
    "quota": _part("commit:Quota", steps=None, idle=True),
    "threshold": _part("commit:Threshold", {"threshold": "tau"}, threshold=0.9),
    "dynamic": _part("commit:DynamicThreshold", {"threshold": "tau"}, threshold=0.9, alpha=0.3),
    "timesteps": _part(
        "timesteps:Timesteps", steps=None, eps=1e-3, independent=False, alg_temp=0.0
    ),
    "threshold-or-quota": _part(
        "refine:ThresholdOrQuota", {"threshold": "tau"}, threshold=0.95, steps=32
    ),
    "editing": _part(
        "refine:Editing",
        {"threshold": "tau", "editing_threshold": "edit_tau"},
        threshold=0.95,
        editing_threshold=0.9,
        max_post_steps=16,
    ),
    "factor": _part("commit:Factor", {"compat_last": "compat"}, factor=1.0, compat_last=False),
}

STOPS: Mapping[str, Part] = {
    "never": _part("stop:Never"),
    "eos": _part("stop:FirstEos"),
    "eos-block": _part("stop:EosInBlock"),
    "converged": _part(
        "stop:Converged",
        {"answer_length": "length"},
        early=7.5,
        mid=5.0,
        late=2.5,
        answer=None,
        answer_length=5,
    ),
}

SEAMS: Mapping[str, Mapping[str, Part]] = {
    "feed": FEEDS,
    "cache": CACHES,
    "propose": PROPOSALS,
    "commit": COMMITS,
    "stop": STOPS,
}
"""Each seam's members, in the order in which a decoder takes them."""
