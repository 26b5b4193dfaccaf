"""foldctx models verify: what passes, what fails, and what is only information."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import foldctx
from foldctx.decoding import preset
from foldctx.documents.sentences import sentences
from foldctx.models.checkpoint import EMBEDDED_FOLDER
from foldctx.models.forward import Feed
from foldctx.models.load import Model
from foldctx.models.tokenizer import Tokenizer
from foldctx.records import validate
from foldctx_pipelines.verify import COUNT, Check, verify, verify_record
from foldctx_pipelines.verify.decoding import check_prompt, compare
from foldctx_pipelines.verify.needle import NEEDLES, check_needle, haystack
from foldctx_pipelines.verify.tokens import check_ids, check_template, check_tokenizer
from tests.models.checkpoints import LLADA2, write_checkpoint

DECODER = preset("elastic")


@pytest.fixture(scope="module")
def reader() -> Model:
    return foldctx.load()


class Altered:
    """A model with another tokenizer, other facts or another network."""

    def __init__(self, model: Model, **changes: Any) -> None:
        self._model, self._changes = model, changes

    def __getattr__(self, name: str) -> Any:
        return self._changes[name] if name in self._changes else getattr(self._model, name)


class Damaged(Tokenizer):
    """Loses accents, as a tokenizer of the wrong checkpoint may."""

    def encode_text(self, text: str) -> list[int]:
        return super().encode_text(text.encode("ascii", "ignore").decode())


def test_the_embedded_reader_passes(reader: Model) -> None:
    began = time.monotonic()
    checks = list(verify(reader, DECODER))
    record = verify_record(reader, DECODER, checks, seed=0, began=began)
    validate(record)
    assert record["ok"] and len(checks) == COUNT
    assert [c.name for c in checks if c.status == "information"] == ["agreement", "speed"]
    found = {check.name: check.measured for check in checks}
    assert found["agreement"]["tokens"] >= found["agreement"]["equal"] > 0
    assert found["agreement"]["forwards"]["elastic"] <= found["agreement"]["forwards"]["exact"]
    past = found["needle past the window"]
    assert past["document_tokens"] > past["depth_tokens"] > reader.info.window
    assert all(check.demand for check in checks if check.status != "information")


def test_a_mask_that_is_another_token_fails(reader: Model) -> None:
    same = replace(reader.info, eos_id=reader.info.mask_id)
    check = check_ids(Altered(reader, info=same))  # type: ignore[arg-type]
    assert (check.status, check.found) == ("failed", f"eos_id={same.mask_id} is the mask too")


def test_an_id_that_text_can_produce_fails(reader: Model) -> None:
    letter = reader.tokenizer.encode_text("e")[0]
    info = replace(reader.info, mask_id=letter)
    check = check_ids(Altered(reader, info=info))  # type: ignore[arg-type]
    assert check.status == "failed"
    assert f"mask_id={letter} is what the text 'e' is encoded as" in check.found


def test_a_tokenizer_that_loses_text_fails(reader: Model) -> None:
    damaged = Damaged(EMBEDDED_FOLDER)
    check = check_tokenizer(Altered(reader, tokenizer=damaged))  # type: ignore[arg-type]
    assert check.status == "failed" and "comes back as" in check.found
    assert check_tokenizer(reader).status == "passed"


def test_special_tokens_that_a_message_can_speak_fail(reader: Model) -> None:
    class Open(Tokenizer):
        """Recognises special tokens everywhere."""

        def encode_text(self, text: str) -> list[int]:
            return self.encode_template(text)

    opened = Altered(reader, tokenizer=Open(EMBEDDED_FOLDER))
    assert "encoded as the special token" in check_tokenizer(opened).found  # type: ignore[arg-type]
    assert check_template(reader).status == "passed"


class Silent:
    """Predicts the same token everywhere; `jumps` makes every second call another one."""

    def __init__(self, model: Model, token: int, other: int | None = None) -> None:
        self.info, self.token, self.other, self.calls = model.info, token, other, 0

    def __call__(self, feeds: Sequence[Feed]) -> list[Tensor]:
        self.calls += 1
        token = self.token if self.other is None or self.calls % 2 else self.other
        logits = torch.zeros(self.info.vocab_size)
        logits[token] = 9.0
        return [logits.expand(feed.logit_rows.numel(), -1).clone() for feed in feeds]


def test_an_empty_text_and_one_that_changes_fail(reader: Model) -> None:
    exact = preset("exact", steps=1, block_length=64)
    silent = Altered(reader, predict=Silent(reader, reader.info.eos_id))
    assert check_prompt(silent, exact).found == "the text is empty"  # type: ignore[arg-type]
    a, b = reader.tokenizer.encode_text("eo")[:2]
    moody = Altered(reader, predict=Silent(reader, a, b))
    assert "other tokens the second time" in check_prompt(moody, exact).found  # type: ignore[arg-type]


def test_agreement_counts_equal_tokens_only(reader: Model) -> None:
    agrees, fast = compare(reader, replace(preset("exact", stop="eos"), name="twin"))
    assert agrees.measured["agreement"] == 1.0 and agrees.status == "information"
    assert fast.measured["text_tokens"]["twin"] == agrees.measured["tokens"]


def test_the_caches_that_ran_are_recorded(reader: Model) -> None:
    """`elastic` answers without its cache, so no check of answers may pass for one of the cache."""
    none, prefix = {"kind": "NoCache"}, {"kind": "PrefixCache", "refresh": None}
    for decoder, ran in ((DECODER, none), (preset("elastic", cache="prefix"), prefix)):
        agrees, fast = compare(reader, decoder)
        expected = {"exact": [none], "elastic": [ran]}
        assert agrees.measured["caches"] == fast.measured["caches"] == expected
        assert check_prompt(reader, decoder).measured["caches"] == {"elastic": [ran]}
        assert ("without its cache" in agrees.found) == (ran is none)


def test_a_block_causal_model_is_compared_in_its_own_blocks(tmp_path: Path) -> None:
    """Its cache is exact, so that one token a forward is the exact sampler itself."""
    specials = ("<|mask|>", "<|endoftext|>", "<|role_end|>")
    fields = {"mask_token_id": 0, "eos_token_id": 1, "max_position_embeddings": 512}
    write_checkpoint(tmp_path, base=LLADA2, specials=specials, **fields)
    agrees, _ = compare(foldctx.load(tmp_path), preset("block", commit="quota"))
    assert agrees.measured["agreement"] == 1.0
    assert agrees.measured["tokens_fed"]["block"] < agrees.measured["tokens_fed"]["exact"]


def test_facts_that_are_not_found_fail(reader: Model) -> None:
    silent = Altered(reader, predict=Silent(reader, reader.info.eos_id))
    check = check_needle(silent, DECODER, "needle", depth=0.5, length=0.8)  # type: ignore[arg-type]
    assert (check.status, check.measured["kept"]) == ("failed", 0)
    assert "only 0 of 4 facts" in check.found


def test_the_haystack_hides_each_needle_once_at_its_depth(reader: Model) -> None:
    text = haystack(reader.tokenizer, 300, 500)
    assert [text.count(needle.sentence) for needle in NEEDLES] == [1] * len(NEEDLES)
    before = text[: text.index(NEEDLES[0].sentence)]
    assert 300 <= len(reader.tokenizer.encode_text(before)) < 340
    assert len(reader.tokenizer.encode_text(text)) >= 480
    assert len(list(sentences(text))) > 30


def test_a_group_that_cannot_be_gone_through_has_failed(reader: Model) -> None:
    """A window that is too small for the prompts is told; the other groups go on."""
    small = Altered(reader, info=replace(reader.info, window=24))
    checks = list(verify(small, DECODER))  # type: ignore[arg-type]
    failed = {check.name: check.found for check in checks if check.status == "failed"}
    assert "reading" in failed and "window" in failed["reading"]
    assert [check.status for check in checks[:3]] == ["passed"] * 3


def test_a_failed_check_tells_its_problems() -> None:
    check = Check.of("x", "something holds", ["this", "that"], "all is well", {})
    assert (check.status, check.found) == ("failed", "this; that")
    assert Check.of("x", "something holds", [], "all is well", {}).found == "all is well"
