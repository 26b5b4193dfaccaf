"""Faithfulness: what feeds, caches and commits change against `exact`, on cases with answers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from foldctx.api import calibration_of
from foldctx.decoding import Decoded, Decoder, Predictor, Request, Usage, decode
from foldctx.errors import UsageError
from foldctx.folding.config import Calibration
from foldctx.folding.prompts import Prompts
from foldctx.folding.reading import for_answer, slots_ended
from foldctx.models.load import Model
from foldctx.records import FIDELITY_SCHEMA
from foldctx_pipelines.bench.cases import Case, make_cases
from foldctx_pipelines.bench.divergence import Divergence, decode_listening
from foldctx_pipelines.bench.rates import model_flops
from foldctx_pipelines.bench.resume import RunFolder
from foldctx_pipelines.bench.statistics import paired_difference

BASELINE = "exact"
MARGIN, ENOUGH = 0.01, 500  # what is asked of a default: one point, on so many cases
SAME_COST = 0.01  # share by which reading costs may differ and be held equal

# The default preset as it is shipped, whatever the blocks of the others.
SHIPPED = "elastic(near=64,block_length=32)"

# With blocks of 8 tokens, so that an answer of the embedded reader has blocks behind the first.
COMPOSITIONS = (
    "exact",
    "parallel",
    "exact(commit=factor,stop=eos)",
    "exact(cache=prefix,stop=eos)",
    "fast-dllm-prefix(stop=eos)",
    "exact(cache=dual,stop=eos)",
    "fast-dllm(stop=eos)",
    "dllm-cache(stop=eos)",
    "dllm-cache(commit=threshold,stop=eos)",
    "sparse(stop=eos)",
    "streaming(suffix=8)",
    "dpad(reach=16)",
    "prophet",
    "exact(feed=elastic,near=8,stop=eos)",
    "elastic(near=8,cache=none)",
    "elastic(near=8)",
    "elastic(near=0)",
    SHIPPED,
    "elastic(near=8,cache=dual,fresh_answers=true)",
    "elastic-cache(near=8)",
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one decoder made of one case; `kl` sums over `kl_rows`, 0 where it was not compared."""

    decoder: str
    case: str
    kind: str
    right: bool
    tokens: tuple[int, ...]
    text_length: int
    kl: float
    kl_rows: int
    usage: Usage

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> "Row":
        """From plain values."""
        usage = Usage(**form["usage"])
        return cls(**{**form, "tokens": tuple(form["tokens"]), "usage": usage})


def run_cases(
    model: Predictor,
    prompts: Prompts,
    measured: Calibration,
    decoders: Mapping[str, Decoder],
    cases: Sequence[Case],
    *,
    done: Iterable[tuple[str, str]] = (),
    compared: int = 64,
    rows: int = 8,
) -> Iterator[Row]:
    """Decode every case by every decoder, but for those (decoder, case) that are `done`.

    `measured` says how the model's answers are written.

    The distributions of the first `compared` cases are compared with whole forwards.
    """
    longest = max((c.request.prompt_length + c.request.gen_length for c in cases), default=0)
    if longest > model.info.window:
        raise UsageError(f"a case of {longest} tokens does not fit in {model.info.window}")
    ready, listened = set(done), {case.id for case in cases[:compared]}
    for name, decoder in decoders.items():
        left = [case for case in cases if (name, case.id) not in ready]
        for kind, settings in _settings(decoder, prompts, measured).items():
            mine = [case for case in left if case.kind == kind]
            heard = [case for case in mine if case.id in listened]
            rest = [case for case in mine if case.id not in listened]
            for own, decoded in (
                (heard, decode_listening(model, _requests(heard), settings, max_rows=rows)),
                (rest, _plain(model, _requests(rest), settings, rows)),
            ):
                by_id = {case.id: case for case in own}
                for result, divergence in decoded:
                    yield _row(name, by_id[result.id], result, divergence)


def _settings(decoder: Decoder, prompts: Prompts, measured: Calibration) -> dict[str, Decoder]:
    """The decoder as the pipeline sets it up for reading windows and for answering ones."""
    commit = decoder.commit.without_steps()
    canvas = prompts.canvas(1)
    stop = slots_ended(prompts, canvas.slots)
    return {
        "read": replace(decoder, commit=commit, stop=stop, block_length=canvas.length),
        "answer": for_answer(decoder, prompts, measured, prompts.answer_length),
    }


def _requests(cases: Sequence[Case]) -> list[Request]:
    return [case.request for case in cases]


def _plain(
    model: Predictor, requests: Sequence[Request], decoder: Decoder, rows: int
) -> Iterator[tuple[Decoded, Divergence]]:
    for event in decode(model, requests, decoder, max_rows=rows):
        if isinstance(event, Decoded):
            yield event, Divergence()


def _row(name: str, case: Case, decoded: Decoded, divergence: Divergence) -> Row:
    return Row(
        decoder=name,
        case=case.id,
        kind=case.kind,
        right=case.right(decoded),
        tokens=tuple(decoded.tokens),
        text_length=decoded.text_length,
        kl=divergence.total,
        kl_rows=divergence.rows,
        usage=decoded.usage,
    )


def summarise(model: Model, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A record for each decoder, over the cases that it and the baseline both have."""
    by_name: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_name.setdefault(row.decoder, {})[row.case] = row
    base = by_name.get(BASELINE, {})
    records = [
        _summary(model, name, [(found[id], base[id]) for id in base if id in found])
        for name, found in by_name.items()
        if any(id in found for id in base)
    ]
    best = cheapest(records)
    return [{**record, "cheapest": record["preset"] == best} for record in records]


def _summary(model: Model, name: str, pairs: Sequence[tuple[Row, Row]]) -> dict[str, Any]:
    own = [row for row, _ in pairs]
    usage = sum((row.usage for row in own), start=Usage())
    reads, answers = ([row for row in own if row.kind == kind] for kind in ("read", "answer"))
    right, base = [row.right for row in own], [row.right for _, row in pairs]
    difference = paired_difference(right, base)
    same = [a == b for pair in pairs for a, b in compared_tokens(*pair)]
    kl_rows, count = sum(row.kl_rows for row in own), len(own)
    return {
        "schema": FIDELITY_SCHEMA,
        "preset": name,
        "model": model.info.name,
        "weights_sha256": model.info.weights_sha256,
        "cases": count,
        "agreement": sum(same) / len(same),
        "kl": sum(row.kl for row in own) / kl_rows if kl_rows else None,
        "kl_rows": kl_rows,
        "accuracy": sum(right) / count,
        "read_accuracy": _share([row.right for row in reads]),
        "answer_accuracy": _share([row.right for row in answers]),
        "difference": difference.value,
        "interval": [difference.low, difference.high],
        "within": count >= ENOUGH and difference.within(MARGIN),
        "forwards": usage.forwards / count,
        "tokens_fed": usage.tokens_fed / count,
        "flops": _flops(model, own),
        "read_flops": _flops(model, reads),
        "answer_flops": _flops(model, answers),
    }


def _flops(model: Model, rows: Sequence[Row]) -> float | None:
    """FLOPs per case; None where there is none."""
    if not rows:
        return None
    usage = sum((row.usage for row in rows), start=Usage())
    return model_flops(model.transformer.dims, usage) / len(rows)


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def compared_tokens(own: Row, base: Row) -> Iterator[tuple[int, int]]:
    """Tokens up to the end token of the baseline's text: what follows it says nothing."""
    return zip(own.tokens[: base.text_length + 1], base.tokens[: base.text_length + 1], strict=True)


def cheapest(records: Sequence[Mapping[str, Any]]) -> str | None:
    """The decoder that reads with the fewest FLOPs and is as right as the baseline to one point.

    A document is read in hundreds of windows and answered once, so that reading is what it costs.
    Of those whose reading costs differ by less than `SAME_COST`, the one is named that commits the
    baseline's tokens most often, then the one of fewer FLOPs in all. None where no decoder has
    enough cases, or none is so close.
    """
    close = [record for record in records if record["within"]]
    if not close:
        return None
    least = min(record["read_flops"] for record in close)
    equal = [record for record in close if record["read_flops"] <= (1 + SAME_COST) * least]
    best = min(equal, key=lambda record: (-round(record["agreement"], 3), record["flops"]))
    return str(best["preset"])


def compare_presets(
    model: Model,
    decoders: Mapping[str, Decoder],
    *,
    cases: int,
    length: int,
    compared: int,
    rows: int,
    seed: int = 0,
    folder: Path | None = None,
) -> Iterator[str | dict[str, Any]]:
    """Run what the folder does not hold yet; a decoder's name for each case, then the records.

    Raises UsageError for a folder of other cases or another model.
    """
    prompts = Prompts.from_file(model.prompts_source, model.tokenizer)
    made = make_cases(prompts, cases, length=length, seed=seed)
    settings = {
        "model": model.info.name,
        "weights_sha256": model.info.weights_sha256,
        "length": length,
        "seed": seed,
        "block": decoders[BASELINE].block_length,  # a decoder with its own has it in its name
    }
    measured = calibration_of(model.calibration)
    with nullcontext() if folder is None else RunFolder(folder, settings) as run:
        found = [Row.of(form) for form in run.rows()] if run else []
        ids = {case.id for case in made}
        found = [row for row in found if row.decoder in decoders and row.case in ids]
        done = {(row.decoder, row.case) for row in found}
        yield from (row.decoder for row in found)
        for row in run_cases(
            model, prompts, measured, decoders, made, done=done, compared=compared, rows=rows
        ):
            if run:
                run.add(row.to_dict())
            found.append(row)
            yield row.decoder
    yield from summarise(model, found)
