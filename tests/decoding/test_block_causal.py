"""Block-causal models: the grid, the exact cache, the terminal mask and token editing."""

from collections.abc import Sequence

import pytest
import torch

from foldctx.decoding import (
    BlockCausalCache,
    Cache,
    Commit,
    Decoded,
    Decoder,
    Editing,
    Elastic,
    EosInBlock,
    FirstEos,
    Fold,
    Never,
    NoCache,
    PrefixCache,
    Proposer,
    Quota,
    Request,
    SpanFold,
    Step,
    Stop,
    ThresholdOrQuota,
    Usage,
    WholeCanvas,
    decode,
    decode_one,
)
from foldctx.decoding.commit import BlockStep
from foldctx.decoding.feed import SuffixFeed
from foldctx.errors import UsageError
from foldctx.models.forward import Feed, forward
from tests.decoding.family_toys import FamilyModel, llada2
from tests.decoding.toys import EOS, MASK, RandomModel, Scripted, request

BARE = Elastic(near=0, terminal=False)
FEEDS = {"none": BARE, "end": Elastic(near=0), "next": Elastic(near=1, terminal=False)}
COMMITS: dict[str, Commit] = {
    "quota": Quota(None),
    "threshold": ThresholdOrQuota(0.3, 4),
    "editing": Editing(0.3, 0.2, 4),
}


def decoder(
    cache: Cache, commit: Commit, feed: SuffixFeed = BARE, stop: Stop | None = None
) -> Decoder:
    return Decoder(feed, cache, Proposer(), commit, stop or Never(), 8)


def results(model: FamilyModel, asked: Sequence[Request], how: Decoder) -> dict[str, Decoded]:
    events = decode(model, asked, how, max_rows=3)
    return {event.id: event for event in events if isinstance(event, Decoded)}


ASKED = [
    request("a", 16, 24),
    request("b", 19, 17),
    request("c", 3, 30),
    request("d", 2, 6),
    request("e", 8, 1),
    request("f", 21, 20, pinned={2: 5, 9: 6}),
]


@pytest.mark.parametrize("commit", COMMITS)
@pytest.mark.parametrize("terminal", FEEDS)
def test_the_cache_is_exact(commit: str, terminal: str) -> None:
    """Also with a terminal mask: had it been cached, later blocks would see it."""
    model = llada2()
    feed = FEEDS[terminal]
    plain = results(model, ASKED, decoder(NoCache(), COMMITS[commit], feed))
    cached = results(model, ASKED, decoder(BlockCausalCache(), COMMITS[commit], feed))
    for name, expected in plain.items():
        got = cached[name]
        assert (got.tokens, got.filled_at) == (expected.tokens, expected.filled_at)
        assert got.usage.forwards == expected.usage.forwards
        assert got.usage.tokens_fed <= expected.usage.tokens_fed
    assert cached["a"].usage.tokens_fed < 0.6 * plain["a"].usage.tokens_fed
    assert MASK not in cached["a"].tokens


@pytest.mark.parametrize("commit", COMMITS)
def test_no_row_depends_on_its_mates(commit: str) -> None:
    how = decoder(BlockCausalCache(), COMMITS[commit], FEEDS["end"])
    together = results(llada2(), ASKED, how)
    for asked in ASKED:
        alone = decode_one(llada2(), asked, how)
        assert alone.tokens == together[asked.id].tokens
        assert alone.usage == together[asked.id].usage


def test_the_terminal_changes_what_is_decoded() -> None:
    """Otherwise the equalities with it would show nothing."""
    runs = {
        name: results(llada2(), ASKED, decoder(BlockCausalCache(), COMMITS["quota"], feed))
        for name, feed in FEEDS.items()
    }
    tokens = {name: [run[a.id].tokens for a in ASKED] for name, run in runs.items()}
    assert tokens["none"] != tokens["end"] != tokens["next"] != tokens["none"]


@pytest.mark.parametrize(("terminal", "at"), [("end", 39), ("next", None)])
def test_one_mask_joins_every_block_but_the_last(terminal: str, at: int | None) -> None:
    """The terminal is fed at its own position, and no step commits it before its block comes."""
    model = llada2()
    how = decoder(BlockCausalCache(), COMMITS["quota"], FEEDS[terminal])
    events = list(decode(model, [request("a", 16, 24)], how, level="steps"))
    steps = [event for event in events if isinstance(event, Step)]
    assert len(steps) == len(model.positions) == 24
    for step, (positions,) in zip(steps, model.positions, strict=True):
        start = 16 + 8 * step.block
        block = list(range(start, start + 8))
        behind = [] if step.block == 2 else [start + 8 if at is None else at]
        final = list(range(start - 8 if step.block else 0, start)) if step.step == 0 else []
        assert positions == final + block + behind
        assert set(step.positions) <= set(block)


def test_the_grid_begins_at_index_0() -> None:
    """The prompt's tail shares the first block, and the last block is whole."""
    model = llada2()
    how = decoder(BlockCausalCache(), COMMITS["quota"])
    got = decode_one(model, request("b", 19, 10), how)
    assert [len(p[0]) for p in model.positions] == [24] * 1 + [8] * 4 + [16] + [8] * 7
    assert len(got.tokens) == len(got.confidences) == len(got.filled_at) == 10
    assert got.usage.committed == 13  # 29 to 31 are decoded with their block and left out
    assert got.usage.forwards == 13


def test_rows_of_finished_blocks_see_no_later_block() -> None:
    """The packed prefill of several blocks equals feeding them block by block."""
    model = llada2().model
    tokens = torch.arange(24) % 40
    at = torch.arange(24)
    whole = forward(model, [Feed(tokens, at, at, blocks=at // 8)])[0]
    for blocks in (1, 2, 3):
        some = at[: 8 * blocks]
        part = forward(model, [Feed(tokens[some], some, some, blocks=some // 8)])[0]
        assert (part - whole[some]).abs().max() < 1e-12
    blind = forward(model, [Feed(tokens, at, at)])[0]
    assert (blind - whole).abs().max() > 1e-3


def test_counters_count_what_is_seen() -> None:
    """Every query of a block sees that block and those before it."""
    usage = decode_one(llada2(), request("b", 19, 10), decoder(NoCache(), COMMITS["quota"])).usage
    seen = {24: 8 * 8 + 8 * 16 + 8 * 24, 32: 8 * (8 + 16 + 24 + 32)}
    assert usage.keys_attended == 5 * seen[24] + 8 * seen[32]
    cached = decode_one(
        llada2(), request("b", 19, 10), decoder(BlockCausalCache(), COMMITS["quota"])
    ).usage
    later = 8 * 24 + 8 * 32  # the block before, which became final, and the block
    assert cached.keys_attended == seen[24] + 4 * 8 * 24 + later + 7 * 8 * 32


@pytest.mark.parametrize("prompt", [0, 10, 16])
@pytest.mark.parametrize("kept", [0, 5])
def test_texts_beyond_the_window(prompt: int, kept: int) -> None:
    """Folds keep the grid: what is behind the seam moves by whole blocks; caches stay exact."""
    span = SpanFold("first", kept) if kept else SpanFold()
    runs = []
    for cache in (NoCache(), BlockCausalCache()):
        model = llada2(window=48)
        how = Decoder(FEEDS["end"], cache, Proposer(), Quota(None), Never(), 8, span)
        events = list(decode(model, [request("long", prompt, 96)], how))
        (got,) = (event for event in events if isinstance(event, Decoded))
        folds = [event for event in events if isinstance(event, Fold) and event.kind == "span"]
        assert folds and all(fold.shift % 8 == 0 for fold in folds)
        assert max(max(row) for call in model.positions for row in call) <= 47
        assert got.usage.fed_max <= 48
        assert MASK not in got.tokens
        runs.append((got.tokens, got.filled_at))
    assert runs[0] == runs[1]


def test_feeds_that_a_block_causal_model_cannot_take() -> None:
    asked = [request("a", 8, 40)]
    for feed in (WholeCanvas(), Elastic(near=2)):
        with pytest.raises(UsageError, match="masks behind the block are fed.*preset 'block'"):
            list(decode(llada2(), asked, decoder(NoCache(), Quota(None), feed)))


def test_the_exact_cache_is_for_block_causal_models_only() -> None:
    how = decoder(BlockCausalCache(), Quota(None))
    with pytest.raises(UsageError, match="only a block-causal model allows"):
        decode_one(RandomModel(), request("a", 8, 8), how)


def test_other_caches_serve_as_well() -> None:
    """A prefix cache is exact here too, since what is before the block never changes in it."""
    plain = results(llada2(), ASKED, decoder(NoCache(), Quota(None)))
    cached = results(llada2(), ASKED, decoder(PrefixCache(), Quota(None)))
    assert all(cached[name].tokens == plain[name].tokens for name in plain)


def test_quota_below_a_threshold() -> None:
    """All that pass, strictly, if they reach the quota; else the quota's best."""
    rule = ThresholdOrQuota(0.9, 5)
    at = [BlockStep(step, 16, 1, block_length=16) for step in range(7)]
    assert [rule.quota(step) for step in at] == [4, 3, 3, 3, 3, 3, 3]
    confidence = torch.tensor([0.5, 0.9, 0.95, 0.2, 0.7, 0.1])
    assert rule.select(confidence, at[1]).tolist() == [2, 1, 4]
    sure = torch.tensor([0.91, 0.99, 0.2, 0.93, 0.95])
    assert rule.select(sure, at[1]).tolist() == [1, 4, 3, 0]
    assert ThresholdOrQuota(0.9, 64).quota(at[0]) == 1


def edited_by_the_book(
    model: FamilyModel, asked: Request, tau: float, edit_tau: float, most: int
) -> tuple[list[int], int]:
    """LLaDA2.1's loop over whole canvases, block by block; tokens and forwards."""
    prompt, size = asked.prompt_tokens, 8
    total = -(-(len(prompt) + asked.gen_length) // size) * size
    canvas = torch.tensor(prompt + [MASK] * (total - len(prompt)))
    calls = 0
    for block in range(len(prompt) // size, total // size):
        rows = torch.arange((block + 1) * size)
        inside = rows[-size:]
        post = 0
        while True:
            masked = canvas[inside] == MASK
            post += not bool(masked.any())
            if post > most:
                break
            logits = forward(model.model, [Feed(canvas[rows], rows, inside, blocks=rows // size)])
            calls += 1
            probabilities = logits[0].softmax(-1)
            probabilities[:, MASK] = -1
            best, tokens = probabilities.max(-1)
            write = masked & (best > tau)
            if masked.any() and not write.any():
                write[torch.where(masked, best, -torch.inf).argmax()] = True
            free = ~masked & (inside >= len(prompt))
            edits = free & (best > edit_tau) & (tokens != canvas[inside])
            chosen = inside[write | edits]
            canvas[chosen] = tokens[write | edits]
            if not masked.any() and not edits.any():
                break
    return canvas[len(prompt) : len(prompt) + asked.gen_length].tolist(), calls


@pytest.mark.parametrize("name", ["a", "b", "c", "e"])
@pytest.mark.parametrize("taus", [(0.3, 0.2), (0.9, 0.5), (0.05, 0.05)])
def test_editing_by_the_book(name: str, taus: tuple[float, float]) -> None:
    asked = next(a for a in ASKED if a.id == name)
    expected, calls = edited_by_the_book(llada2(), asked, *taus, most=4)
    for cache in (NoCache(), BlockCausalCache()):
        got = decode_one(llada2(), asked, decoder(cache, Editing(*taus, 4)))
        assert got.tokens == expected
        assert got.usage.forwards == calls


def test_edits_happen_and_spare_what_was_given() -> None:
    """A script that changes its mind about every position, prompt and pinned ones included."""
    model = Scripted(lambda position, call: (min(call, 3), 0.99))
    model.info = llada2().info
    asked = request("x", 3, 13, pinned={1: 7})
    how = decoder(NoCache(), Editing(0.9, 0.9, 16))
    events = list(decode(model, [asked], how, level="steps"))
    (got,) = (event for event in events if isinstance(event, Decoded))
    steps = [event for event in events if isinstance(event, Step)]
    assert got.tokens == [3, 7, *[3] * 11]
    free = (4 - 1) + 0  # the first block: three of the prompt, one pinned
    assert [len(step.positions) for step in steps][:5] == [
        free + 1,
        free + 1,
        free + 1,
        free + 1,
        0,
    ]
    assert all(4 not in step.positions for step in steps)  # pinned
    assert min(position for step in steps for position in step.positions) == 3
    assert got.filled_at[0] == 3 and got.filled_at[1] == -1


def test_a_block_that_never_settles_ends() -> None:
    model = Scripted(lambda position, call: (call % 2, 0.99))
    model.info = llada2().info
    got = decode_one(model, request("x", 8, 8), decoder(NoCache(), Editing(0.9, 0.9, 5)))
    assert got.usage.forwards == 1 + 5


@pytest.mark.parametrize("stop", [FirstEos(), EosInBlock()])
def test_an_end_that_may_be_edited_away_ends_nothing(stop: Stop) -> None:
    """The first forward says end of sequence, later ones another token."""
    model = Scripted(lambda position, call: (EOS if call == 0 and position == 9 else 5, 0.99))
    model.info = llada2().info
    how = decoder(NoCache(), Editing(0.9, 0.9, 5), stop=stop)
    got = decode_one(model, request("x", 8, 16), how)
    assert got.tokens == [5] * 16
    kept = Scripted(lambda position, call: (EOS if position == 9 else 5, 0.99))
    kept.info = model.info
    ended = decode_one(kept, request("x", 8, 16), how)
    assert (ended.finished, ended.text_length, ended.usage.forwards) == ("eos", 1, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ThresholdOrQuota(0.0), "threshold=0.0 is not a probability"),
        (lambda: ThresholdOrQuota(0.9, 0), "steps=0"),
        (lambda: Editing(0.9, 1.1), "editing_threshold=1.1"),
        (lambda: Editing(max_post_steps=0), "max_post_steps=0"),
    ],
)
def test_refusals(make: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()  # type: ignore[operator]


def test_usage_adds_up() -> None:
    model = llada2()
    done = results(model, ASKED, decoder(BlockCausalCache(), Quota(None), FEEDS["end"]))
    total = sum((result.usage for result in done.values()), Usage())
    assert total.tokens_fed == sum(len(row) for call in model.positions for row in call)
    assert total.position_max == max(max(row) for call in model.positions for row in call)
