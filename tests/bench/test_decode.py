"""Scripted decoding: the same commits under every preset, counted and timed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from foldctx.decoding import Decoded, Request, Step, decode
from foldctx.errors import UsageError
from foldctx.records import validate
from foldctx_pipelines.bench.decode import Workload, bench_decode
from foldctx_pipelines.bench.named import build_decoder, build_decoders, split_names
from foldctx_pipelines.bench.script import Ending, Schedule, scripted
from foldctx_pipelines.bench.shapes import SHAPES, shape_dims
from tests.bench.toys import DIMS, tiny

PRESETS = (
    "exact(stop=eos)",
    "parallel",
    "elastic(near=4)",
    "fast-dllm(stop=eos)",
    "dllm-cache(stop=eos)",
    "sparse(stop=eos)",
    "streaming(suffix=4)",
    "dpad(reach=8)",
    "prophet",
)
MODEL = tiny()


def committed(name: str, schedule: Schedule, end: int | None = None) -> list[list[int]]:
    """Offsets that each forward commits."""
    work = Workload(prompt=20, gen_length=24, block_length=8)
    decoder = scripted(build_decoder(name, block_length=8), schedule)
    ending = Ending(MODEL, None if end is None else 20 + end)
    events = decode(ending, work.requests(8192, 0), decoder, level="steps")
    return [[p - 20 for p in event.positions] for event in events if isinstance(event, Step)]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_commits_by_the_schedule(name: str) -> None:
    steps = committed(name, Schedule((1, 3)))
    assert [len(step) for step in steps] == [1, 3, 3, 1] * 3
    assert [offset for step in steps for offset in step] == list(range(24))


@pytest.mark.parametrize("name", PRESETS[:-1])
def test_every_preset_that_can_stop_does_so_at_the_scripted_end(name: str) -> None:
    last = committed(name, Schedule((1,)), end=9)[-1][-1]
    assert last == (15 if name.startswith(("streaming", "dpad")) else 9)  # theirs: the block's end


def run(names: tuple[str, ...], work: Workload) -> dict[str, dict[str, Any]]:
    decoders = build_decoders(names, block_length=work.block_length)
    events = bench_decode(MODEL, decoders, work)
    return {event["preset"]: event for event in events if isinstance(event, dict)}


def test_records_hold_what_the_formula_and_the_script_say() -> None:
    work = Workload(prompt=20, gen_length=16, block_length=8, schedule=Schedule((4,)), runs=2)
    found = run(("fast-dllm",), work)
    for record in found.values():
        validate(record)
        assert (record["forwards"], record["committed"]) == (4, 16)
        assert record["overhead"] > 0
        seconds = record["seconds"]
        assert 0 < seconds["min"] <= seconds["median"] <= seconds["max"]
    assert list(found) == ["exact", "fast-dllm"]
    assert found["exact"]["speedup"] == 1
    assert found["exact"]["tokens_fed"] == 4 * 36
    assert found["fast-dllm"]["tokens_fed"] == 2 * (36 + 8)
    width, kv, mlp = 32, 32, 48
    row = 2 * width * (2 * width + 2 * kv) + 6 * width * mlp
    attention = 4 * 4 * 36 * 36 * width
    heads = 2 * (8 + 4) * 2 * width * 8192
    assert found["exact"]["flops"] == 2 * (4 * 36 * row + attention) + heads


def test_sampled_blocks_are_multiplied_and_marked() -> None:
    work = Workload(prompt=20, gen_length=32, block_length=8, schedule=Schedule((4,)), runs=1)
    whole, part = run((), work)["exact"], run((), replace(work, sampled=2))["exact"]
    assert part["sampled_blocks"] == 2
    assert whole["sampled_blocks"] is None
    for name in ("forwards", "tokens_fed", "flops", "committed"):
        assert part[name] == whole[name]


def test_rows_of_a_feature_cache_that_are_not_computed_are_not_counted_as_fed() -> None:
    work = Workload(prompt=40, gen_length=16, block_length=8)
    decoder = scripted(build_decoder("dllm-cache", block_length=8), Schedule((1,)))
    ending = Ending(MODEL)
    requests: list[Request] = work.requests(8192, 0)
    done = [e for e in decode(ending, requests, decoder) if isinstance(e, Decoded)]
    reused = done[0].usage.rows_reused / DIMS.layers
    ran = sum(rows * count for (rows, _), count in ending.forwards.items())
    assert ran == pytest.approx(done[0].usage.tokens_fed - reused, abs=16)
    assert reused > 100


def test_a_schedule_is_a_number_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "schedule"
    file.write_text("1 2\n4\n")
    assert Schedule.parse("3") == Schedule((3,))
    assert Schedule.parse(str(file)) == Schedule((1, 2, 4))
    for wrong in ("0", str(tmp_path / "none"), "-1"):
        with pytest.raises(UsageError, match="schedule"):
            Schedule.parse(wrong)


def test_names_of_decoders() -> None:
    assert split_names("exact, elastic(near=4,stride=2),fast-dllm") == [
        "exact",
        "elastic(near=4,stride=2)",
        "fast-dllm",
    ]
    built = build_decoder("exact(cache=none, commit=threshold, threshold=0.5)", block_length=4)
    assert built.describe()["commit"] == {"kind": "Threshold", "tau": 0.5}
    for wrong, told in (
        ("exat", "choose from exact"),
        ("exact(near=4)", "no option 'near'"),
        ("exact(near)", "option=value"),
        ("exact)", "not of the form"),
    ):
        with pytest.raises(UsageError, match=told):
            build_decoder(wrong, block_length=4)


def test_shapes_have_the_sizes_in_their_names() -> None:
    sizes = {"30m": 30e6, "110m": 110e6, "1b": 1e9, "8b": 8e9}
    for name, dims in SHAPES.items():
        layer = 4 * dims.width**2 + 3 * dims.width * dims.mlp
        total = dims.layers * layer + 2 * dims.embeddings * dims.width
        assert total == pytest.approx(sizes[name], rel=0.15)
    with pytest.raises(UsageError, match="choose from 30m"):
        shape_dims("7b")


def test_workloads_that_make_no_sense_are_refused() -> None:
    for wrong in ({"prompt": 0}, {"end": 200}, {"sampled": 2, "end": 1}):
        with pytest.raises(UsageError):
            Workload(gen_length=128, **wrong)  # type: ignore[arg-type]
