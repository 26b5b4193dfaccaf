"""Models: tokens at explicit positions to logits.

Nothing here imports torch until a checkpoint has been found usable.
"""

from foldctx.models.checkpoint import Checkpoint, read_checkpoint
from foldctx.models.families import FAMILIES
from foldctx.models.family import Family
from foldctx.models.info import ModelInfo
from foldctx.models.load import Model, load_model
from foldctx.models.tokenizer import Tokenizer

__all__ = [
    "FAMILIES",
    "Checkpoint",
    "Family",
    "Model",
    "ModelInfo",
    "Tokenizer",
    "load_model",
    "read_checkpoint",
]
