"""What cannot work is refused before anything runs, with the values and the way out."""

import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
import torch

from foldctx.decoding import (
    PRESET_NAMES,
    PRESETS,
    AnyOf,
    Bounded,
    Converged,
    DualCache,
    DynamicThreshold,
    Elastic,
    Factor,
    FeatureCache,
    GaussianDropout,
    Never,
    PrefixCache,
    Proposer,
    Quota,
    Request,
    Segment,
    SkipAt,
    SpanFold,
    SparseCache,
    SuffixWindow,
    Threshold,
    UniformDropout,
    check_request,
    decode,
    decode_one,
    fold_segment,
    preset,
    preset_options,
)
from foldctx.decoding.parts import SEAMS, Part
from foldctx.decoding.segments import fold_span, merge_ranges, without
from foldctx.errors import FoldctxError, UsageError
from tests.decoding.toys import MASK, VOCAB, RandomModel, Scripted, info, request


@pytest.mark.parametrize(
    "options, message",
    [
        ({"gen_length": 0}, "gen_length=0"),
        ({"first_position": -1}, "first_position=-1"),
        ({"pinned": {8: 1}}, "pinned offset 8 is outside gen_length=8"),
        ({"watch": {-1: (1,)}}, "watch offset -1"),
        ({"pinned": {0: 1}, "watch": {0: (1,)}}, "offset 0 is pinned"),
        ({"gen_length": 1, "pinned": {0: 1}}, "nothing is left to decode"),
    ],
)
def test_a_request_refuses_nonsense(options: dict[str, Any], message: str) -> None:
    arguments = {"gen_length": 8, **options}
    with pytest.raises(UsageError, match=f"request 'a': .*{message}"):
        Request("a", (), arguments.pop("gen_length"), **arguments)


@pytest.mark.parametrize(
    "asked, message",
    [
        (Request("a", (Segment("chunk", (1, MASK)),), 8), "holds the mask token 40"),
        (Request("a", (), 8, pinned={1: MASK}), "holds the mask token 40"),
        (Request("a", (Segment("chunk", (1, VOCAB)),), 8), "token ids 1 to 48"),
        (Request("a", (), 32, watch={0: (99,)}), "token ids 99 to 99"),
        (Request("a", (), 32, watch={8: (1,)}), "offset 8 is not a mask of the first block"),
        (Request("a", (), 33), "steps=8 is not a multiple of the 5 blocks of gen_length=33"),
    ],
)
def test_a_request_that_does_not_suit_the_model(asked: Request, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_request(asked, preset("exact", block_length=8, steps=8), info(64))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 100_000}, "steps=100000 forwards for gen_length=16; give at most 128"),
        ({"commit": "timesteps", "steps": 136}, "steps=136 forwards .* give at most 128"),
        ({"compat_least": 129}, "compat_least=129 forwards .* give at most 128"),
    ],
)
def test_forwards_that_could_commit_nothing(options: dict[str, Any], message: str) -> None:
    """A slip of the hand would run for days."""
    by = preset("exact", block_length=8, **options)
    with pytest.raises(UsageError, match=f"request 'a': {message}"):
        check_request(request("a", 4, 16), by, info(64))


def test_any_number_of_steps_where_none_is_idle() -> None:
    for options in ({"steps": 16}, {"steps": 100_000, "idle": False}):
        got = decode_one(RandomModel(), request("a", 4, 16), preset("exact", **options))
        assert got.usage.forwards == 16


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: Segment("prose", ()), "segment kind 'prose'"),  # type: ignore[arg-type]
        (lambda: Elastic(near=-1), "near=-1"),
        (lambda: Elastic(stride=0), "stride=0"),
        (lambda: Proposer(temperature=-1), "temperature=-1"),
        (lambda: Proposer(temperature=float("nan")), "temperature=nan"),
        (lambda: Proposer(cfg_scale=-0.5), "cfg_scale=-0.5"),
        (lambda: Proposer(remasking="best"), "choose from low_confidence"),  # type: ignore[arg-type]
        (lambda: Quota(0), "steps=0"),
        (lambda: Threshold(0), "threshold=0"),
        (lambda: Threshold(1.5), "threshold=1.5"),
        (lambda: SkipAt((), 1, 0.5), "at least one offset"),
        (lambda: SkipAt((0,), 1, 0.0), "threshold=0.0"),
        (lambda: SpanFold("first"), "need at least 1 token"),
        (lambda: SpanFold("nothing", 3), "'nothing' takes 0"),
        (lambda: SpanFold("all"), "choose from nothing, first, attended"),  # type: ignore[arg-type]
        (lambda: preset("elastic", block_length=0), "block_length=0"),
        (lambda: preset("fast"), "preset 'fast': choose from exact, parallel, elastic"),
        (lambda: preset("exact", threshold=0.9), "no option 'threshold'; it takes block_length"),
        (lambda: preset("exact", steps=2.0), "steps=2.0 is not of type int or NoneType"),
        (lambda: preset("elastic", near=True), "near=True is not of type int"),
        (lambda: preset("exact", threshold=0.9), "threshold belongs to commit=threshold"),
        (lambda: preset("exact", stop="soon"), "choose from never, eos, eos-block, converged"),
        (lambda: preset("exact", cache="lru"), "cache='lru': choose from none, prefix, dual"),
        (lambda: preset("sparse", commit="threshold"), "made for a fixed number of steps"),
        (lambda: preset("prophet", cache="dual"), "feeds the block alone"),
        (lambda: preset("prophet", cache="prefix", answer=4), "comes to lie behind the block"),
        (lambda: preset("exact", cfg_interval=4), "cfg_interval=4 without guidance"),
        (lambda: SuffixWindow(-1), "suffix=-1"),
        (lambda: GaussianDropout(-1), "reach=-1"),
        (lambda: GaussianDropout(8, 4.0, 0.0), "scale=0.0"),
        (lambda: UniformDropout(8, 9), "count=9 of reach=8"),
        (lambda: DynamicThreshold(0.9, 1.5), "alpha=1.5"),
        (lambda: Factor(0.0), "factor=0.0"),
        (lambda: Bounded(Quota(), 0), "least=0"),
        (lambda: PrefixCache(0), "refresh=0"),
        (lambda: DualCache(-1), "refresh=-1"),
        (lambda: SparseCache(0.0), "retention=0.0"),
        (lambda: SparseCache(0.5, 2), "kernel=2; it must be odd"),
        (lambda: SparseCache(delay=-1), "delay=-1"),
        (lambda: FeatureCache(prompt_interval=0), "prompt_interval=0"),
        (lambda: FeatureCache(rho=1.1), "rho=1.1"),
        (lambda: Converged(answer=-1), "answer=-1"),
        (lambda: Converged(length=0), "length=0"),
        (lambda: decode(RandomModel(), [], preset("exact"), max_rows=0), "max_rows=0"),
        (lambda: decode(RandomModel(), [], preset("exact"), level="all"), "level='all'"),  # type: ignore[arg-type]
    ],
)
def test_members_refuse_nonsense_with_the_value(build: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build()


def test_a_threshold_needs_a_probability() -> None:
    by = preset("parallel")
    replace(by, propose=Proposer(remasking="margin"))
    for kind in ("entropy", "random"):
        with pytest.raises(UsageError, match="rank by low_confidence or margin"):
            replace(by, propose=Proposer(remasking=kind))  # type: ignore[arg-type]


def test_logits_that_are_not_finite_are_an_error() -> None:
    class Broken(Scripted):
        def predict(self, feeds: Any) -> list[torch.Tensor]:
            return [logits * float("nan") for logits in super().predict(feeds)]

    with pytest.raises(FoldctxError, match="request 'a', forward 0: .* not finite"):
        decode_one(Broken(lambda p, c: (1, 0.5)), request("a", 4, 8), preset("elastic"))


def member_of(part: Part) -> Any:
    module, _, name = part.home.partition(":")
    return getattr(import_module(f"foldctx.decoding.{module}"), name)


def test_names_and_options_are_known_without_torch() -> None:
    program = (
        "import sys\n"
        "from foldctx.decoding import PRESET_NAMES, Segment, check_preset, preset_options\n"
        "check_preset('elastic', {'near': 3})\n"
        "assert preset_options('exact')['block_length'] == 32\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert list(PRESET_NAMES) == list(PRESETS)
    for parts in SEAMS.values():
        for part in parts.values():
            assert part.build({k: o.default for k, o in part.options.items()}) == member_of(part)()
    for name in PRESETS:
        assert preset(name).name == name
        assert preset(name, **preset_options(name)) == preset(name)
        assert "https://arxiv.org/abs/" in PRESET_NAMES[name]


def test_a_description_holds_every_parameter() -> None:
    by = replace(preset("elastic", near=7), stop=AnyOf((Never(), SkipAt((0,), 5, 0.5))))
    described = by.describe()
    assert described["preset"] == "elastic"
    masks = {"near": 7, "stride": None, "terminal": True, "multiplicity": False}
    assert described["feed"] == {"kind": "Elastic", **masks}
    assert described["commit"] == {"kind": "Threshold", "tau": 0.9}
    skip = {"kind": "SkipAt", "offsets": [0], "token_id": 5, "threshold": 0.5}
    assert described["stop"] == {"kind": "AnyOf", "stops": [{"kind": "Never"}, skip]}
    assert described["span"] == {"kind": "SpanFold", "kept": "nothing", "tokens": 0}


def test_a_chunk_folds_into_its_notes() -> None:
    chunk = Segment("chunk", tuple(range(20)))
    notes, fold = fold_segment(
        chunk, [3, 4, 9], "two sentences help", id="q", kept=[(9, 10), (3, 5)]
    )
    assert notes == Segment("notes", (3, 4, 9))
    assert (fold.kind, fold.before, fold.after) == ("chunk", 20, 3)
    assert fold.kept == ((3, 5), (9, 10)) and fold.dropped == ((0, 3), (5, 9), (10, 20))
    with pytest.raises(UsageError, match="fold of 20 tokens into 21 does not shrink"):
        fold_segment(chunk, list(range(21)), "too much")


def test_ranges() -> None:
    assert merge_ranges([(4, 6), (0, 2), (2, 3), (5, 9), (7, 7)]) == ((0, 3), (4, 9))
    assert without((0, 10), [(0, 3), (4, 9)]) == ((3, 4), (9, 10))
    assert without((0, 0), []) == ()
    assert fold_span("a", "mask", (5, 9), [(8, 9)], "far").dropped == ((5, 8),)
