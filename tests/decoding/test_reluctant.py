"""A prior against a token changes what is chosen, and nothing of what the model believes."""

import pytest
import torch

from foldctx.decoding.propose import Proposer
from foldctx.decoding.reluctant import Reluctant
from foldctx.errors import UsageError
from foldctx.models.info import ModelInfo

INFO = ModelInfo("toy", "llada", window=64, vocab_size=6, mask_id=5, eos_id=4)
LOGITS = torch.tensor([[2.0, 1.5, 0.0, 0.0, 0.0, 0.0], [2.0, 0.5, 0.0, 0.0, 0.0, 0.0]])


def test_the_token_is_chosen_only_where_it_leads_by_more_than_the_nats() -> None:
    plain = Proposer()([LOGITS], INFO, torch.Generator())
    made = Reluctant(Proposer(), 0, 1.0)([LOGITS], INFO, torch.Generator())
    assert plain.tokens.tolist() == [0, 0] and made.tokens.tolist() == [1, 0]
    belief = LOGITS.softmax(-1)
    assert made.confidence.tolist() == pytest.approx([float(belief[0, 1]), float(belief[1, 0])])
    assert made.probability(0, [0, 1]) == pytest.approx(belief[0, :2].tolist())


def test_without_nats_nothing_changes() -> None:
    plain = Proposer()([LOGITS], INFO, torch.Generator())
    made = Reluctant(Proposer(), 0, 0.0)([LOGITS], INFO, torch.Generator())
    assert made.tokens.equal(plain.tokens) and made.confidence.allclose(plain.confidence)


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(UsageError, match="nats=-1"):
        Reluctant(Proposer(), 0, -1.0)
    with pytest.raises(UsageError, match="remasking='margin'"):
        Reluctant(Proposer(remasking="margin"), 0, 1.0)
