"""RULER's thirteen tasks, generated from a seed and from texts that the user points to."""

from foldctx_pipelines.benchmarks.ruler.generate import available, generate
from foldctx_pipelines.benchmarks.ruler.material import Material
from foldctx_pipelines.benchmarks.ruler.metrics import score
from foldctx_pipelines.benchmarks.ruler.tasks import TASKS_FILE, tasks

__all__ = ["TASKS_FILE", "Material", "available", "generate", "score", "tasks"]
