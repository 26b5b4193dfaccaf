"""Members that must equal the whole canvas at the ends of their range, and decode what it does."""

from dataclasses import replace

import pytest

from foldctx.decoding import (
    Decoder,
    Elastic,
    FirstEos,
    Never,
    NoCache,
    PrefixCache,
    Proposer,
    Quota,
    Threshold,
    WholeCanvas,
    decode_one,
)
from tests.decoding.toys import RandomModel, request

WHOLE = Decoder(WholeCanvas(), NoCache(), Proposer(), Quota(), Never(), 8)


@pytest.mark.parametrize(
    "feed", [Elastic(0, 1), Elastic(5, 1), Elastic(24, None), Elastic(1000, 7, terminal=False)]
)
@pytest.mark.parametrize("commit", [Quota(), Quota(16), Threshold(0.5)])
def test_elastic_that_keeps_everything_is_the_whole_canvas(
    feed: Elastic, commit: Quota | Threshold
) -> None:
    model = RandomModel()
    asked = request("a", 12, 32)
    whole = decode_one(model, asked, replace(WHOLE, commit=commit))
    assert decode_one(model, asked, replace(WHOLE, commit=commit, feed=feed)) == whole


def test_elastic_that_folds_feeds_less_and_says_so() -> None:
    asked = request("a", 12, 32)
    folded = decode_one(RandomModel(), asked, replace(WHOLE, feed=Elastic(4, 5)))
    fold = folded.folds[0]
    assert (fold.kind, fold.before, fold.after, fold.shift) == ("mask", 24, 8, 0)
    assert fold.kept == ((20, 24), (28, 29), (33, 34), (38, 39), (43, 44))
    assert fold.dropped == ((24, 28), (29, 33), (34, 38), (39, 43))
    whole = decode_one(RandomModel(), asked, WHOLE)
    assert folded.usage.tokens_fed < whole.usage.tokens_fed
    assert folded.usage.position_max == whole.usage.position_max == 43
    assert folded.usage.folded == sum(f.before - f.after for f in folded.folds) == 16 + 9 + 3


def test_elastic_without_terminal_leaves_the_last_mask_out() -> None:
    assert Elastic(2, None).kept(10, 20) == ((10, 12), (19, 20))
    assert Elastic(2, None, terminal=False).kept(10, 20) == ((10, 12),)
    assert Elastic(2, 4).kept(10, 20) == ((10, 12), (15, 16), (19, 20))
    assert Elastic(2, 4, terminal=False).kept(10, 20) == ((10, 12), (15, 16))
    assert Elastic(2, None).kept(20, 20) == ()


def test_prefix_cache_is_exact_where_keys_depend_on_nothing_but_their_token() -> None:
    """In a network of one layer the keys of the prefix cannot go stale."""
    asked = request("a", 12, 32)
    for commit in (Quota(), Threshold(0.4)):
        plain = decode_one(RandomModel(layers=1), asked, replace(WHOLE, commit=commit))
        decoder = replace(WHOLE, commit=commit, cache=PrefixCache())
        cached = decode_one(RandomModel(layers=1), asked, decoder)
        assert cached.tokens == plain.tokens
        assert cached.filled_at == plain.filled_at
        assert cached.usage.tokens_fed < plain.usage.tokens_fed


def test_prefix_cache_of_an_empty_prefix_is_no_cache() -> None:
    asked = request("a", 0, 8)
    plain = decode_one(RandomModel(layers=3), asked, WHOLE)
    assert decode_one(RandomModel(layers=3), asked, replace(WHOLE, cache=PrefixCache())) == plain


def test_prefix_cache_feeds_the_whole_once_a_block_then_the_tail() -> None:
    model = RandomModel(layers=3)
    result = decode_one(model, request("a", 12, 16), replace(WHOLE, cache=PrefixCache()))
    assert [fed for fed, _ in model.feeds] == [28] + [16] * 7 + [28] + [8] * 7
    first = decode_one(RandomModel(layers=3), request("a", 12, 16), WHOLE)
    assert result.filled_at.index(0) == first.filled_at.index(0)  # the refresh is a decoding step


def test_prefix_cache_with_guidance_keeps_a_cache_per_branch() -> None:
    decoder = replace(WHOLE, propose=Proposer(cfg_scale=1.0))
    asked = request("a", 12, 16)
    plain = decode_one(RandomModel(layers=1), asked, decoder)
    cached = decode_one(RandomModel(layers=1), asked, replace(decoder, cache=PrefixCache()))
    assert cached.tokens == plain.tokens
    unguided = decode_one(RandomModel(layers=1), asked, WHOLE)
    assert plain.tokens != unguided.tokens
    assert plain.usage.forwards == unguided.usage.forwards
    assert plain.usage.tokens_fed == 2 * unguided.usage.tokens_fed


def test_first_eos_only_shortens() -> None:
    """What is decoded before the stop is what is decoded without it."""
    shortened = 0
    for name in "abcd":
        asked, model = request(name, 12, 32), RandomModel(ends=4.0)
        whole = decode_one(model, asked, WHOLE)
        stopped = decode_one(model, asked, replace(WHOLE, stop=FirstEos()))
        assert stopped.text_length == whole.text_length
        assert stopped.text == whole.text
        shortened += stopped.usage.forwards < whole.usage.forwards
    assert shortened
