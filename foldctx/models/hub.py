"""Model folders from the Hugging Face hub; the client library is imported when one is asked for."""

import re
from collections.abc import Sequence
from pathlib import Path

from foldctx.errors import ModelError, first_line_of

PATTERNS = ("*.json", "*.safetensors", "merges.txt")
"""All that is ever downloaded: data, no code and no pickles."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_name(name: str) -> bool:
    """Whether a name has the form `owner/name`."""
    return _NAME.fullmatch(name) is not None


def fetch(
    name: str, revision: str | None = None, patterns: Sequence[str] = PATTERNS
) -> tuple[Path, str | None]:
    """The local snapshot of a hub model, downloaded where needed, and its commit.

    `patterns` name the files that are needed.

    HF_HUB_OFFLINE and the other variables of huggingface_hub hold. Raises ModelError when the
    model cannot be had, with the cause and the way out.
    """
    from huggingface_hub import snapshot_download

    try:
        snapshot = snapshot_download(name, revision=revision, allow_patterns=list(patterns))
    except Exception as error:  # the hub's own errors, its HTTP client's and the disk's
        at = "" if revision is None else f" at revision {revision!r}"
        raise ModelError(
            f"{name}{at} is not a folder here and cannot be downloaded from the hub "
            f"({type(error).__name__}: {first_line_of(error)}); check the name and the connection (HF_HUB_OFFLINE "
            "forbids downloads; gated models need `hf auth login`), or pass the folder of a copy"
        ) from error
    folder = Path(snapshot)
    return folder, folder.name if folder.parent.name == "snapshots" else revision
