"""A model small enough that a benchmark of it takes a blink."""

from foldctx.models.dims import Dims
from foldctx.models.load import Model
from foldctx_pipelines.bench.shapes import Where, random_model

DIMS = Dims(width=32, layers=2, heads=2, kv_heads=2, mlp=48, embeddings=8192)


def tiny(window: int = 512) -> Model:
    return random_model("tiny", DIMS, Where("cpu", "float32"), window=window)
