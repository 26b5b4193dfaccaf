"""Whether a request's tokens suit a model."""

from collections.abc import Mapping, Sequence

from foldctx.decoding.segments import Request
from foldctx.errors import UsageError
from foldctx.models.info import ModelInfo


def check_tokens(
    request: Request,
    watch: Mapping[int, tuple[int, ...]],
    first: Sequence[int],
    info: ModelInfo,
) -> None:
    """Raise UsageError for ids that the model does not have or cannot be given.

    `first` are the offsets of the first block's masks: what is watched must be among them.
    """
    given = [*request.prompt_tokens, *request.pinned.values()]
    if info.mask_id in given:
        raise UsageError(
            f"request {request.id!r}: the prompt holds the mask token {info.mask_id}; encode "
            "documents and questions as text, without special tokens"
        )
    named = [*given, *(token for ids in watch.values() for token in ids)]
    if named and not 0 <= min(named) <= max(named) < info.vocab_size:
        raise UsageError(
            f"request {request.id!r}: token ids {min(named)} to {max(named)} do not all lie in "
            f"the vocabulary of {info.vocab_size} tokens; it was encoded for another model"
        )
    if missing := sorted(set(watch) - set(first)):
        raise UsageError(
            f"request {request.id!r}: offset {missing[0]} is not a mask of the first block, so "
            "its probability in the first forward cannot be watched"
        )
