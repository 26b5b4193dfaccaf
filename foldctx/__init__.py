"""Context-folding decoder for diffusion language models.

`load`, `decode` and `answer` are the library's front door; importing this package imports no torch.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldctx.api import answer, decode, load
    from foldctx.folding.answering import Answer
    from foldctx.folding.config import FoldConfig

__all__ = ["Answer", "FoldConfig", "__version__", "answer", "decode", "load"]

_HOME = {
    "answer": "foldctx.api",
    "decode": "foldctx.api",
    "load": "foldctx.api",
    "Answer": "foldctx.folding.answering",
    "FoldConfig": "foldctx.folding.config",
}

try:
    __version__ = version("foldctx")
except PackageNotFoundError:  # run from a folder that was never installed
    __version__ = "unknown"


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
