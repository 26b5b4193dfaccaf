"""How samples are answered: the official cut and its prompts, and windows with the same limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from foldctx.errors import UsageError
from foldctx.folding.config import FoldConfig
from foldctx.models.forward import Feed
from foldctx.models.tokenizer import Tokenizer
from foldctx.schemas import Validator
from foldctx_pipelines.batch import Finished, Row, Started
from foldctx_pipelines.benchmarks.answering import Answerer, Method
from foldctx_pipelines.benchmarks.running import SampleWork
from foldctx_pipelines.benchmarks.sample import Sample
from tests.folding.toys import Toy, filler, make_tokenizer

WINDOW = 160


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@dataclass
class Saying(Toy):
    """Says one text whatever it is given, and remembers what that was."""

    text: str = "blue\nDialogue"
    prompts_given: list[list[int]] = field(default_factory=list)

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        said = [*self.tokenizer.encode_text(self.text), self.info.eos_id]
        rows = []
        for feed in feeds:
            tokens = feed.tokens.tolist()
            self.feeds.append((len(tokens), int(feed.positions.max())))
            if not self.prompts_given:
                self.prompts_given.append(tokens[: tokens.index(self.info.mask_id)])
            start = len(self.prompts_given[0])
            wanted = [said[max(0, min(p - start, len(said) - 1))] for p in feed.positions.tolist()]
            row = torch.full((len(tokens), self.info.vocab_size), -9.0, dtype=torch.float64)
            row[torch.arange(len(tokens)), torch.tensor(wanted)] = 9.0
            rows.append(row[feed.logit_rows])
        return rows


def sample(prompt: str, **more: Any) -> Sample:
    given: dict[str, Any] = {
        "question": "Which colour has alpha?",
        "document": f"{filler(12)} The colour of alpha is blue. {filler(12, 50)}",
        "targets": ("blue",),
        "max_gen": 8,
        "doc": {"answers": ["blue"]},
    }
    return Sample(id="t/1", task="t", prompt=prompt, **(given | more))


def method(strategy: str = "truncate", **more: Any) -> Method:
    config = FoldConfig(strategy=strategy, question_policy="cut", memory_tokens=48)  # type: ignore[arg-type]
    return Method(config, more.pop("preset", "exact"), more.pop("overrides", {}), **more)


def test_a_long_prompt_loses_its_middle_as_the_official_code_cuts_it(tokenizer: Tokenizer) -> None:
    model = Saying(tokenizer, window=WINDOW)
    asked = sample(f"Start. {filler(40)} The end.", max_gen=16)
    record = Answerer(model, method(max_length=61)).record(asked)  # type: ignore[arg-type]
    ids, half = tokenizer.encode_text(asked.prompt), 61 // 2
    text = tokenizer.decode(ids[:half]) + tokenizer.decode(ids[-half:])
    assert model.prompts_given == [tokenizer.encode_text(text)]
    assert record["cut"]["prompt_tokens"] == len(ids)
    assert list(Validator("sample").problems(record, "sample")) == []
    assert record["response"] == "blue\nDialogue"  # nothing ends it but its length


def test_a_short_prompt_is_given_whole_with_its_answer_prefix(tokenizer: Tokenizer) -> None:
    model = Saying(tokenizer, window=WINDOW)
    record = Answerer(model, method()).record(sample("Hello there", answer_prefix=" It is"))  # type: ignore[arg-type]
    expected = tokenizer.encode_text("Hello there") + tokenizer.encode_text(" It is")
    assert model.prompts_given == [expected]
    assert record["prompt_sha256"] == sample("Hello there", answer_prefix=" It is").prompt_sha256


def test_a_stop_ends_the_response(tokenizer: Tokenizer) -> None:
    record = Answerer(Saying(tokenizer), method()).record(sample("Hello", stop="\n"))  # type: ignore[arg-type]
    assert record["response"] == "blue"


@pytest.mark.parametrize("gen", [8, 40, 400])
def test_no_forward_exceeds_the_window_whatever_the_output(tokenizer: Tokenizer, gen: int) -> None:
    """Byte-level halves of characters at the cut take more tokens, and are made room for."""
    model = Saying(tokenizer, window=WINDOW)
    asked = sample("字" * 400 + filler(5) + "語" * 400, max_gen=gen)
    how = method(preset="elastic", overrides={"near": 16, "block_length": 16})
    record = Answerer(model, how).record(asked)  # type: ignore[arg-type]
    assert "error" not in record, record
    assert record["usage"]["fed_max"] <= WINDOW
    assert max(position for _, position in model.feeds) < WINDOW


def test_windows_are_read_and_folded_within_the_same_window(tokenizer: Tokenizer) -> None:
    toy = Toy(tokenizer, window=WINDOW)
    record = Answerer(toy, method("fold", preset="elastic")).record(sample("unused"))  # type: ignore[arg-type]
    assert record["response"] == "blue"
    assert list(Validator("sample").problems(record, "sample")) == []
    assert record["usage"]["windows"] > 3
    assert record["usage"]["fed_max"] <= WINDOW


def test_an_abstention_is_what_the_task_calls_it(tokenizer: Tokenizer) -> None:
    toy = Toy(tokenizer, window=WINDOW)
    asked = sample("unused", document=filler(3), abstained="unanswerable")
    record = Answerer(toy, method("fold", preset="elastic")).record(asked)  # type: ignore[arg-type]
    assert record["response"] == "unanswerable"
    assert record["reason"]


def test_a_long_question_is_cut_and_the_record_says_so(tokenizer: Tokenizer) -> None:
    toy = Toy(tokenizer, window=WINDOW)
    asked = sample("unused", question=f"Which {filler(8)} colour has alpha?")
    record = Answerer(toy, method("fold", preset="elastic")).record(asked)  # type: ignore[arg-type]
    assert record["cut"]["question"] is True
    assert record["cut"]["kept_tokens"] == WINDOW // 4 < record["cut"]["prompt_tokens"]


def test_what_fails_is_a_record_with_what_scoring_needs(tokenizer: Tokenizer) -> None:
    toy = Toy(tokenizer, window=WINDOW)
    failed = Answerer(toy, method("fold")).record(sample("unused", document=" "))  # type: ignore[arg-type]
    assert (failed["id"], failed["task"]) == ("t/1", "t")
    assert failed["doc"] == {"answers": ["blue"]}
    assert list(Validator("sample").problems(failed, "error")) == []
    assert "holds no text" in failed["error"]["message"]


def test_a_protocol_rounds_outputs_to_blocks_and_caps_steps() -> None:
    how = method(block_length=64, steps=512)
    assert [how.gen_length(n) for n in (32, 64, 65, 512)] == [64, 64, 128, 512]
    assert how.decoder(32).describe()["commit"]["steps"] == 32
    assert how.decoder(4096).describe()["commit"]["steps"] == 512
    assert how.decoder(32).block_length == 64
    by_hand = method(block_length=64, steps=512, overrides={"block_length": 16, "steps": 8})
    assert by_hand.decoder(32).block_length == 16
    assert by_hand.gen_length(20) == 32
    assert method().gen_length(20) == 20


@pytest.mark.parametrize(("gen", "fresh"), [(48, True), (96, False)])
def test_a_benchmark_s_long_answer_keeps_its_cache(
    tokenizer: Tokenizer, gen: int, fresh: bool
) -> None:
    """The benchmark's output length decides as any other length does: a short one is fed whole."""
    toy = Toy(tokenizer, window=400, sure=0.7)
    Answerer(toy, method("fold", preset="elastic")).record(sample("unused", max_gen=gen))  # type: ignore[arg-type]
    lengths = [fed for fed, _ in toy.feeds]
    assert (lengths[-1] == lengths[-2]) == fresh


def test_a_prompt_bound_that_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="max_length=1"):
        method(max_length=1)


class Breaking(Toy):
    """Breaks whenever it is given the word `break`, or more than so many feeds at once."""

    most: int = 99

    def predict(self, feeds: Sequence[Feed]) -> list[Tensor]:
        spelled = [self.tokenizer.decode(feed.tokens.tolist()) for feed in feeds]
        if len(feeds) > self.most or any("fracture" in text for text in spelled):
            raise RuntimeError("out of memory")
        return super().predict(feeds)


def work_through(model: Toy, samples: Sequence[Sample], rows: int) -> dict[str, dict[str, Any]]:
    config = FoldConfig(question_policy="cut", memory_tokens=48, rows=rows)
    answerer = Answerer(model, Method(config, "elastic", {}))  # type: ignore[arg-type]
    events = list(SampleWork(lambda: answerer)([[Row(s.id, s) for s in samples]]))
    started = [id for event in events if isinstance(event, Started) for id in event.ids]
    assert set(started) == {s.id for s in samples}
    finished = [r for event in events if isinstance(event, Finished) for r in event.records]
    records = {str(record["id"]): dict(record) for record in finished}
    assert len(finished) == len(records) == len(samples)
    for record in records.values():
        record.get("usage", {}).pop("seconds", None)
    return records


def several(count: int) -> list[Sample]:
    colours = ["blue", "red", "green", "grey", "white"]
    return [
        replace(
            sample("unused"),
            id=f"t/{i}",
            document=f"{filler(3 + i)} The colour of alpha is {colours[i]}. {filler(4, 50)}",
        )
        for i in range(count)
    ]


def test_samples_answered_together_get_the_records_they_get_alone(tokenizer: Tokenizer) -> None:
    samples = several(5)
    alone, together = (work_through(Toy(tokenizer), samples, rows) for rows in (1, 4))
    assert alone == together
    assert [alone[s.id]["response"] for s in samples][:3] == ["blue", "red", "green"]


def test_what_breaks_alone_fails_and_what_breaks_in_company_does_not(tokenizer: Tokenizer) -> None:
    samples = several(4)
    samples[2] = replace(samples[2], document=f"{filler(3)} A fracture. {filler(3, 9)}")
    records = work_through(Breaking(tokenizer), samples, 4)
    assert records["t/2"]["error"] == {"type": "RuntimeError", "message": "out of memory"}
    assert records["t/2"]["doc"] == {"answers": ["blue"]}
    assert {id for id, record in records.items() if "error" in record} == {"t/2"}
    small = Breaking(tokenizer)
    small.most = 1
    assert not any("error" in record for record in work_through(small, several(3), 3).values())
