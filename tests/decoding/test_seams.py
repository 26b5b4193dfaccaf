"""Propose, commit and stop on scripts whose outcome can be read off."""

from dataclasses import replace

import pytest
import torch

from foldctx.decoding import (
    AnyOf,
    Decoded,
    FirstEos,
    Proposer,
    Quota,
    SkipAt,
    SlotsEnded,
    Step,
    Threshold,
    decode,
    decode_one,
    preset,
)
from foldctx.decoding.commit import BlockStep
from tests.decoding.toys import EOS, EOT, MASK, VOCAB, Scripted, info, request

GENERATOR = torch.Generator()


def proposal(proposer: Proposer, *logits: torch.Tensor) -> tuple[list[int], list[float]]:
    made = proposer(logits, info(64), GENERATOR.manual_seed(0))
    return made.tokens.tolist(), made.confidence.tolist()


def test_ties_go_to_the_lowest_id_and_the_lowest_position() -> None:
    flat = torch.zeros(3, VOCAB)
    assert proposal(Proposer(), flat)[0] == [0, 0, 0]
    assert Quota(2).select(torch.tensor([0.1, 0.5, 0.5, 0.5]), BlockStep(0, 4, 1)).tolist() == [
        1,
        2,
    ]
    same = torch.full((600,), 0.5)
    assert Threshold(0.9).select(same, BlockStep(0, 600, 1)).tolist() == [0]
    assert Quota(200).select(same, BlockStep(0, 600, 1)).tolist() == [0, 1, 2]


def test_confidence_is_the_softmax_over_all_columns_and_the_mask_is_never_proposed() -> None:
    logits = torch.randn(5, VOCAB, generator=GENERATOR.manual_seed(1))
    logits[:, MASK] = 9.0
    tokens, confidence = proposal(Proposer(), logits.clone())
    without = logits.clone()
    without[:, MASK] = -torch.inf
    assert tokens == without.argmax(-1).tolist()
    expected = logits.softmax(-1).gather(1, torch.tensor(tokens)[:, None]).flatten()
    assert confidence == pytest.approx(expected.tolist())


def test_the_kinds_of_confidence() -> None:
    logits = torch.randn(4, VOCAB, generator=GENERATOR.manual_seed(2))
    logits[:, MASK] = -torch.inf
    p = logits.softmax(-1)
    best = p.sort(-1, descending=True).values
    margin = proposal(Proposer(remasking="margin"), logits)[1]
    assert margin == pytest.approx((best[:, 0] - best[:, 1]).tolist(), abs=1e-6)
    entropy = proposal(Proposer(remasking="entropy"), logits)[1]
    assert entropy == pytest.approx((p * (p + 1e-30).log()).sum(-1).tolist(), abs=1e-5)
    drawn = proposal(Proposer(remasking="random"), logits)[1]
    assert all(0 <= c < 1 for c in drawn) and len(set(drawn)) == 4


def test_end_tokens_are_held_back_as_in_the_reference() -> None:
    logits = torch.zeros(2, VOCAB)
    logits[0, EOS], logits[1, EOT], logits[:, 7] = 5.0, 5.0, 1.0
    assert proposal(Proposer(logits_eos_inf=True), logits)[0] == [7, EOT]
    tokens, confidence = proposal(Proposer(confidence_eos_eot_inf=True), logits)
    assert (tokens, confidence) == ([EOS, EOT], [0.0, 0.0])
    cold = proposal(Proposer(temperature=1e-9, confidence_eos_eot_inf=True), logits)
    assert cold[0] == [EOS, EOT] and cold[1][0] > 0.5 and cold[1][1] == 0.0


def test_guidance_moves_away_from_the_promptless_logits() -> None:
    with_prompt, without = torch.zeros(1, VOCAB), torch.zeros(1, VOCAB)
    with_prompt[0, 3], without[0, 3] = 2.0, 1.0
    _, confidence = proposal(Proposer(cfg_scale=2.0), with_prompt, without)
    expected = torch.zeros(1, VOCAB)
    expected[0, 3] = 1.0 + 3.0 * (2.0 - 1.0)
    assert confidence == pytest.approx([float(expected.softmax(-1)[0, 3])])


def test_a_temperature_samples_the_tempered_softmax() -> None:
    logits = torch.full((4000, VOCAB), -torch.inf)
    logits[:, 1], logits[:, 2] = 1.0, 0.0
    tokens, confidence = proposal(Proposer(temperature=0.5), logits)
    share = tokens.count(1) / len(tokens)
    assert share == pytest.approx(1 / (1 + torch.tensor(-2.0).exp().item()), abs=0.02)
    of_one = confidence[tokens.index(1)]
    assert of_one == pytest.approx(1 / (1 + torch.tensor(-1.0).exp().item())), "not tempered"


def test_threshold_takes_all_that_pass_and_always_one() -> None:
    def script(position: int, call: int) -> tuple[int, float]:
        return position, 0.95 if position % 2 else 0.3 + position / 100

    events = list(
        decode(
            Scripted(script),
            [request("a", 4, 8)],
            preset("parallel", block_length=8, stop="never"),
            level="steps",
        )
    )
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.positions for step in steps] == [(5, 7, 9, 11), (10,), (8,), (6,), (4,)]
    assert [step.step for step in steps] == [step.forward for step in steps] == [0, 1, 2, 3, 4]
    assert steps[0].confidences == pytest.approx((0.95,) * 4)
    result = events[-1]
    assert isinstance(result, Decoded)
    assert result.tokens == [*range(4, 12)]
    assert result.filled_at == [4, 0, 3, 0, 2, 0, 1, 0]
    assert result.finished == "length" and result.usage.committed == 8


@pytest.mark.parametrize("masks, steps", [(8, 8), (8, 3), (7, 2), (5, 5), (3, 7)])
def test_quota_shares_the_masks_among_the_steps(masks: int, steps: int) -> None:
    confidence = torch.rand(masks, generator=GENERATOR.manual_seed(0))
    shares = [len(Quota(steps).select(confidence, BlockStep(i, masks, 1))) for i in range(steps)]
    assert sum(shares) == masks
    assert shares == [masks // steps + (i < masks % steps) for i in range(steps)]


def test_more_steps_than_masks_run_idle_as_in_the_reference() -> None:
    result = decode_one(
        Scripted(lambda position, call: (1, 0.5)), request("a", 4, 4), preset("exact", steps=6)
    )
    assert result.usage.forwards == 6 and result.filled_at == [0, 1, 2, 3]


def test_first_eos_ends_when_everything_before_it_is_decoded() -> None:
    """Position 4 + 5 is end-of-turn at once; the three before it come one by one."""

    def script(position: int, call: int) -> tuple[int, float]:
        return (EOT, 0.99) if position == 9 else (position, 0.95 if position < 6 else 0.4)

    by = preset("parallel", block_length=8)
    result = decode_one(Scripted(script), request("a", 4, 32), by)
    assert result.tokens == [4, 5, 6, 7, 8, EOT, *[EOS] * 26]
    assert result.filled_at == [0, 0, 1, 2, 3, 0, *[-1] * 26]
    assert (result.text_length, result.text) == (5, [4, 5, 6, 7, 8])
    assert (result.finished, result.usage.forwards, result.usage.committed) == ("eos", 4, 6)
    whole = decode_one(
        Scripted(script), request("a", 4, 32), preset("parallel", block_length=8, stop="never")
    )
    assert whole.finished == "length" and whole.text == result.text


def test_skip_looks_at_the_first_forward_alone() -> None:
    def script(position: int, call: int) -> tuple[int, float]:
        return (7, 0.6 if call == 0 else 0.99) if position in (4, 6) else (position, 0.3)

    def with_skip(threshold: float) -> Decoded:
        by = preset("elastic", block_length=8, stop="never")
        stop = AnyOf((FirstEos(), SkipAt((0, 2), 7, threshold)))
        return decode_one(
            Scripted(script), request("a", 4, 8, watch={0: (7, 8)}), replace(by, stop=stop)
        )

    skipped = with_skip(0.55)
    assert skipped.finished == "skip" and skipped.usage.forwards == 1
    assert skipped.tokens == [7, EOS, 7, *[EOS] * 5]
    assert skipped.filled_at == [0, -1, 0, *[-1] * 5]
    assert skipped.usage.committed == 2
    assert skipped.watched[0][7] == skipped.watched[2][7] == pytest.approx(0.6)
    assert skipped.watched[0][8] == pytest.approx(0.4 / (VOCAB - 1))
    read = with_skip(0.65)
    assert read.finished == "length" and read.usage.forwards > 1
    assert read.watched[0] == skipped.watched[0]


def test_pinned_tokens_are_given_from_the_start() -> None:
    script = Scripted(lambda position, call: (position, 0.5))
    asked = request("a", 4, 8, pinned={1: 30, 4: 31, 5: 32, 6: 33, 7: 34})
    result = decode_one(script, asked, preset("exact", block_length=4))
    assert result.tokens == [4, 30, 6, 7, 31, 32, 33, 34]
    assert result.filled_at == [0, -1, 1, 2, -1, -1, -1, -1]
    assert result.usage.forwards == 3, "a block without masks takes no forward"


@pytest.mark.parametrize("name", ["exact", "parallel", "elastic"])
def test_every_forward_commits_something_and_decoding_ends(name: str) -> None:
    """Even where every probability is the same, and where the model insists on the mask."""
    for token in (3, MASK):
        model = Scripted(
            lambda position, call, token=token: (token, 0.97 if token == MASK else 0.1)
        )
        by = preset(name, block_length=8, stop="never")
        steps = [
            event
            for event in decode(model, [request("a", 4, 32)], by, level="steps")
            if isinstance(event, Step)
        ]
        assert all(step.positions for step in steps)
        assert sum(len(step.positions) for step in steps) == 32


def test_slots_end_the_request_when_each_is_decoded_to_its_end() -> None:
    rows = {
        4: 9,
        5: EOS,
        6: 11,
        7: 7,
        8: 12,
        9: 13,
    }  # the first two tokens of the second slot count

    def script(position: int, call: int) -> tuple[int, float]:
        return rows[position], 0.9 if position in (4, 5, 7) else 0.5

    slots = ((0, 1, 2), (3, 4, 5))
    one_by_one = preset("exact", block_length=6, steps=6)
    by = replace(one_by_one, stop=SlotsEnded(slots, ends=(7,)))
    ended = decode_one(Scripted(script), request("a", 4, 6), by)
    assert ended.finished == "eos" and ended.usage.forwards == 3
    assert ended.tokens == [9, EOS, EOS, 7, EOS, EOS]
    by = replace(one_by_one, stop=SlotsEnded(slots))
    full = decode_one(Scripted(script), request("a", 4, 6), by)
    assert full.usage.forwards > 4 and full.tokens[3:] == [7, 12, 13]
