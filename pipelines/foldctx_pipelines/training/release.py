"""From a run to a model folder: 16 bits, then calibrated and evaluated as stored, then its card."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from foldctx.folding.config import Calibration
from foldctx.models import load_model
from foldctx.models.architecture import Dims
from foldctx.models.tokenizer import Tokenizer
from foldctx_pipelines.training.calibrate import calibrate, calibration_form
from foldctx_pipelines.training.card import Figures, Recipe, model_card, read_effort
from foldctx_pipelines.training.costs import measure_costs
from foldctx_pipelines.training.evaluate import quick_scores
from foldctx_pipelines.training.export import export, write_calibration
from foldctx_pipelines.training.sources import Mixture, World

WINDOW = 512
TEMPLATE = "reader.toml"
MEMORY_TOKENS = 320
REREAD_SCORE = 0.7
"""Chosen on 54 generated documents with the reader of step 12,200: see the card's appendix."""
COST_TOKENS = 24_000  # long enough for a memory to fill; of each document that is read to measure what reading costs
QUESTIONS = (1, 2, 8)
_IDS = {
    "mask_token_id": "<|mdm_mask|>",
    "eos_token_id": "<|endoftext|>",
    "pad_token_id": "<|endoftext|>",
    "eot_token_id": "<|eot_id|>",
    "bos_token_id": "<|startoftext|>",
}


def special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """The ids of config.json; ModelError when the vocabulary lacks one of the tokens."""
    return {field: tokenizer.token_id(token) for field, token in _IDS.items()}


def release(
    run: Path,
    out: Path,
    dims: Dims,
    held_out: World,
    *,
    recipe: Recipe,
    cases: int = 400,
    cost_tokens: int = COST_TOKENS,
    seed: int = 0,
) -> Figures:
    """Write the run's model, its thresholds and its card to the folder `out`.

    All is made beside `out` and moved in when it is whole, so that nothing half-made ever lies
    there. `cases` windows of each kind are decoded for the thresholds and half as many for each
    row of the evaluation, and documents of `cost_tokens` are read for what reading costs; the
    figures depend on the weights and these numbers alone. Raises
    UsageError when the run has no state, or too few cases were asked for.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    fixed: dict[str, float | str] = {
        "template": TEMPLATE,
        "memory_tokens": MEMORY_TOKENS,
        "reread_score": REREAD_SCORE,
    }
    with tempfile.TemporaryDirectory(prefix=f"{out.name}.", dir=out.parent) as made:
        stage = Path(made)
        ids = special_ids(held_out.tokenizer)
        export(run, stage, dims, window=WINDOW, ids=ids, calibration=fixed)
        model = load_model(stage, device="cpu", dtype="float32")
        relations = replace(held_out, mixture=Mixture(1.0, 1.0, 1.0))
        thresholds = calibrate(model, relations, cases=cases, seed=seed)
        measured = Calibration(
            skip_threshold=thresholds.skip_threshold,
            abstain_threshold=thresholds.abstain_threshold,
            none_bias=thresholds.none_bias,
            end_bias=thresholds.end_bias,
            refusal_bias=thresholds.refusal_bias,
            reread_score=REREAD_SCORE,
            memory_tokens=MEMORY_TOKENS,
        )
        costs = measure_costs(model, relations, measured, tokens=cost_tokens, seed=seed)
        scores = {
            count: quick_scores(
                model.transformer,
                relations,
                length=WINDOW,
                questions=count,
                cases=max(1, cases // 2),
                seed=seed,
            )
            for count in QUESTIONS
        }
        figures = Figures(model.info, dims, read_effort(run), thresholds, scores, cases)
        write_calibration(stage, calibration_form(thresholds, **fixed, **costs.to_dict()))
        (stage / "README.md").write_text(model_card(figures, recipe), "utf-8")
        out.mkdir(exist_ok=True)
        for file in sorted(stage.iterdir()):
            os.replace(file, out / file.name)
    return figures
