"""Every option of every member, with values that no one should give: an answer or a clear refusal."""

import math
from collections.abc import Iterator
from typing import Any

import pytest

import foldctx
from foldctx.decoding import (
    Converged,
    Factor,
    FeatureCache,
    GaussianDropout,
    Proposer,
    Quota,
    SpanFold,
    Tempered,
    decode_one,
    preset,
    preset_options,
)
from foldctx.decoding.parts import SEAMS
from foldctx.errors import FoldctxError, UsageError
from foldctx.folding.config import FoldConfig
from foldctx.numeric import LARGEST
from foldctx_cli.app import main
from tests.decoding.toys import RandomModel, request

INF, NAN = float("inf"), float("nan")
NEVER = (NAN, INF, -INF, 10**30, -(10**30), 10**5000, 1e308, [], [1], {}, b"x", "", "none of these")
PERHAPS = (None, -1, -1.5, 0, 0.0, 1, 1e-300, 1e6, True, False, LARGEST, -LARGEST, LARGEST + 1)
# What a member needs beside it to be put together at all.
COMPANY = {("propose", "dream"): {"commit": "timesteps"}}
OWNED = {key for parts in SEAMS.values() for part in parts.values() for key in part.options}


def options() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every option, with a composition that has it."""
    for key in preset_options("exact"):
        if key not in OWNED:
            yield key, {}
    for seam, parts in SEAMS.items():
        for name, part in parts.items():
            for key in part.options:
                yield key, {seam: name, **COMPANY.get((seam, name), {})}


def named(case: tuple[str, dict[str, Any]]) -> str:
    key, base = case
    return "-".join([key, *(value for value in base.values())])


EVERY = pytest.mark.parametrize("case", list(options()), ids=named)


def finite(value: Any) -> bool:
    """Whether JSON can hold it as it is."""
    if isinstance(value, dict | list):
        return all(map(finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def test_every_option_is_among_the_cases() -> None:
    keys = {key for key, _ in options()}
    assert keys >= {"near", "early", "mid", "late", "factor", "scale", "decay", "cfg_scale", "span"}
    assert keys >= {
        key for parts in SEAMS.values() for part in parts.values() for key in part.options
    }


@EVERY
def test_a_value_is_refused_or_decoded_with(case: tuple[str, dict[str, Any]]) -> None:
    """No other error than a refusal, no endless run, and nothing that a record cannot hold."""
    key, base = case
    for value in (*NEVER, *PERHAPS):
        try:
            by = preset("exact", **{"block_length": 4, **base, key: value})
            decode_one(RandomModel(), request("a", 6, 8), by)
        except FoldctxError as error:
            assert error.exit_code == 2, (value, str(error))
            assert len(str(error)) < 700
            continue
        assert not any(value is refused for refused in NEVER), value
        assert finite(by.describe())


@EVERY
def test_the_command_line_refuses_it_as_well(
    case: tuple[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a model is looked for, with the exit code of usage and one line."""
    key, base = case
    others = [arg for name, value in base.items() for arg in ("--set", f"{name}={value}")]
    for value in ("nan", "-inf", "1" + 30 * "0", "9" * 5000, "1e308", "[1]"):
        given = [*others, "--set", f"{key}={value}", "--model", "there-is-no-such-folder"]
        assert main(["generate", "x", "--preset", "exact", *given]) == 2, value
        assert capsys.readouterr().err.count("\n") <= 12


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e308])
@pytest.mark.parametrize(
    "build",
    [
        lambda x: Converged(early=x),
        lambda x: Converged(mid=x),
        lambda x: Converged(late=x),
        lambda x: Factor(x),
        lambda x: GaussianDropout(decay=x),
        lambda x: GaussianDropout(scale=x),
        lambda x: Proposer(cfg_scale=x),
        lambda x: Proposer(temperature=x),
        lambda x: Tempered(temperature=x),
        lambda x: FeatureCache(rho=x),
        lambda x: FoldConfig(skip_threshold=x),
    ],
)
def test_members_refuse_numbers_that_are_none(build: Any, value: float) -> None:
    with pytest.raises(UsageError):
        build(value)


def test_members_refuse_integers_that_nothing_counts() -> None:
    for build in (
        lambda: Quota(10**30),
        lambda: FeatureCache(10**30),
        lambda: SpanFold("first", 10**30),
        lambda: FoldConfig(memory_tokens=10**30),
    ):
        with pytest.raises(UsageError, match=r"=10{30}; it must lie between"):
            build()
    with pytest.raises(UsageError, match="an integer of 16610 bits"):
        Quota(10**5000)


def test_a_seam_s_member_is_a_word() -> None:
    with pytest.raises(UsageError, match=r"cache=\[1\]: choose from none, prefix"):
        preset("exact", cache=[1])
    with pytest.raises(UsageError, match=r"preset \['exact'\]: choose from exact"):
        preset(["exact"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cache": [1]}, "choose from none, prefix"),
        ({"feed": None}, "feed=None: choose from"),
        ({1: 2}, "no option 1"),
        ({"near": 10**30}, "must lie between"),
        ({"near": NAN}, "near=nan is not of type int"),
        ({"threshold": NAN}, "threshold=nan; it must be a finite number"),
        ({"cfg_scale": 1e308}, "cfg_scale=1e.308; it must lie between"),
        ({"stop": "converged", "early": INF}, "early=inf; it must be a finite number"),
    ],
)
def test_the_library_s_front_door_says_so(options: dict[Any, Any], message: str) -> None:
    model = foldctx.load()
    with pytest.raises(UsageError, match=message):
        foldctx.decode(model, "The harbour", gen_length=8, options=options)
    with pytest.raises(UsageError, match=message):
        foldctx.answer(model, "samples/lease.pdf", "Who?", preset_options=options)
