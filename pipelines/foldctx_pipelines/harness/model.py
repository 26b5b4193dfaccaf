"""The harness's model: its requests to the one decode loop, or to the likelihood's forwards."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NoReturn, TypeVar

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from tqdm import tqdm

import foldctx
from foldctx.decoding import Decoded, Decoder, Request, Segment, check_request, decode, preset
from foldctx.decoding.likelihood import (
    MonteCarlo,
    Pair,
    check_pair,
    greedy_matches,
    log_likelihoods,
)
from foldctx.decoding.tasks import TASKS
from foldctx.errors import UsageError
from foldctx.models.checkpoint import read_checkpoint
from foldctx.models.families import FAMILIES
from foldctx.models.load import load_checkpoint
from foldctx_pipelines.harness.arguments import Arguments, Wanted
from foldctx_pipelines.harness.texts import Texts
from foldctx_pipelines.runs import model_stamp

T = TypeVar("T")


@register_model("foldctx")
class FoldctxLM(LM):
    """Any model and preset of foldctx, under the harness's name `foldctx`.

    A result does not depend on the requests beside it, on their order or on `batch_size`, up to the
    rounding of the model's own type: all noise is drawn from the request's text and the seed.
    """

    def __init__(self, **given: Any) -> None:
        """Load the model. Raises FoldctxError subclasses for what cannot be used."""
        super().__init__()
        a = Arguments.of(given)
        self._how = MonteCarlo(a.mc_num, min(a.mc_batch, a.mc_num), a.cfg_scale)
        self._generated: dict[str, dict[str, Any]] = {}
        checkpoint = read_checkpoint(
            a.pretrained, revision=a.revision, window=a.window, rope_scale_to=a.rope_scale_to
        )
        self.model = load_checkpoint(checkpoint, placement=a.placement())
        info = self.model.info
        self.arguments = a.named(FAMILIES[info.family].preset)
        self._decoder()
        prefix = info.eos_id if info.bos_id is None else info.bos_id
        self._chat = FAMILIES[info.family].chat
        self._texts = Texts(self.model.tokenizer, self._chat, prefix)
        self._device = self.model.device

    def _decoder(self, temperature: float = 0.0, published: str | None = None) -> Decoder:
        options = self.arguments.preset_options(temperature, published)
        return preset(str(self.arguments.preset), **options)

    @property
    def tokenizer_name(self) -> str:
        """Names the model and its weights, for the harness's caches."""
        info = self.model.info
        return f"{info.name} {info.weights_sha256 or info.revision or ''}".strip()

    def chat_template(self, chat_template: bool | str = False) -> str:
        """The form of a conversation, for the harness's record; empty when none is asked for."""
        if not chat_template:
            return ""
        if isinstance(chat_template, str):
            raise UsageError(f"chat template {chat_template!r}: a model has one, without a name")
        return self._chat.begin + self._chat.turn + self._chat.generation

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The messages as a context, in the form of the model's family."""
        return self._texts.conversation(chat_history, generation=add_generation_prompt)

    def get_model_info(self) -> dict[str, Any]:
        """What decided the results, for the harness's record: of each task what it generated with."""
        return {
            "foldctx": foldctx.__version__,
            "foldctx_model": asdict(model_stamp(self.model)),
            "foldctx_generation": self._generated,
            "foldctx_likelihood": asdict(self._how),
            "foldctx_seed": self.arguments.seed,
        }

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Continue every context; all are checked before the first is decoded."""
        tasks = [getattr(request, "task_name", None) or "" for request in requests]
        asked = [
            Wanted.of(request.args[1], self.arguments, name)
            for request, name in zip(requests, tasks, strict=True)
        ]
        kinds = dict.fromkeys((wanted.temperature, wanted.published) for wanted in asked)
        decoders = {kind: self._decoder(*kind) for kind in kinds}
        groups: dict[tuple[float, str | None], list[Request]] = {kind: [] for kind in kinds}
        seen: Counter[tuple[str, str]] = Counter()
        for number, (request, wanted) in enumerate(zip(requests, asked, strict=True)):
            prompt = self._texts.prompt(request.args[0])
            place = (tasks[number], request.args[0])
            seen[place] += 1  # a task that repeats a context wants another draw of it
            segments = (Segment("question", prompt),)
            seed = self._seed(prompt, (seen[place],))
            row = Request(str(number), segments, wanted.gen_length, seed=seed)
            kind = (wanted.temperature, wanted.published)
            check_request(row, decoders[kind], self.model.info)
            groups[kind].append(row)
            self._generated[tasks[number]] = {
                "gen_length": wanted.gen_length,
                "published": wanted.published and TASKS[wanted.published].summary,
                "decoder": decoders[kind].describe(),
            }

        def decoded() -> Iterator[tuple[int, str]]:
            for kind, rows in groups.items():
                for event in decode(self.model, rows, decoders[kind], max_rows=self.arguments.rows):
                    if isinstance(event, Decoded):
                        text = self.model.tokenizer.decode(event.text)
                        yield int(event.id), asked[int(event.id)].cut(text)

        told = self._told("generate_until", requests, disable_tqdm)
        return _in_order(told(decoded()), len(requests))

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Estimate every continuation's log-likelihood, and whether the model would write it.

        Without `check_greedy` the second is False for all.
        """
        pairs = []
        for number, request in enumerate(requests):
            prompt, text = self._texts.pair(*request.args)
            pairs.append(Pair(str(number), prompt, text, self._seed(prompt, text)))
            check_pair(pairs[-1], self.model.info)
        rows = self.arguments.rows
        greedy = [False] * len(pairs)
        if self.arguments.check_greedy:
            scale = self.arguments.cfg_scale
            matches = greedy_matches(self.model, pairs, cfg_scale=scale, max_rows=rows)
            bar = tqdm(matches, "greedy", len(pairs), disable=disable_tqdm)
            greedy = _in_order(bar, len(pairs))
        estimates = log_likelihoods(self.model, pairs, self._how, max_rows=rows)
        told = self._told("loglikelihood", requests, disable_tqdm)
        return _in_order(told((i, (x, greedy[i])) for i, x in estimates), len(pairs))

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> NoReturn:
        """Refused: there is no such number for these models."""
        raise UsageError(
            "loglikelihood_rolling: perplexity is the likelihood token by token from left to right, "
            "and a masked diffusion model only bounds that of a text as a whole; choose tasks with "
            "loglikelihood or generate_until"
        )

    def _seed(self, prompt: Sequence[int], more: Sequence[int]) -> int:
        """A seed that depends on the request's own ids and the run's seed alone."""
        text = f"{self.arguments.seed}/{list(prompt)}/{list(more)}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])

    def _told(
        self, kind: str, requests: Sequence[Instance], quiet: bool
    ) -> Callable[[Iterable[tuple[int, T]]], Iterator[tuple[int, T]]]:
        """Passes results on while they show on the bar and go into the harness's cache."""

        def pass_on(results: Iterable[tuple[int, T]]) -> Iterator[tuple[int, T]]:
            for number, value in tqdm(results, kind, len(requests), disable=quiet):
                self.cache_hook.add_partial(kind, requests[number].args, value)
                yield number, value

        return pass_on


def _in_order(results: Iterable[tuple[int, T]], total: int) -> list[T]:
    """The values by their numbers, which must be all from 0 to `total` - 1."""
    found = dict(results)
    return [found[number] for number in range(total)]
