"""What the rest of the program may know about a model: ids, window and habits, never its name."""

from dataclasses import dataclass

from foldctx.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Facts of one checkpoint, from its config, then its family's defaults.

    `window` is the most tokens, and the highest position id + 1, that the model was trained for.
    `vocab_size` is the number of output columns; every id below it can be proposed.
    `eot_id` and `bos_id` are None where the checkpoint has no such token.
    `logit_shift`: the network's row at a position predicts the token after it; the predictor hands
    out logits that are aligned already, and needs the position before each wanted one in the feed.
    `block_grid`: the model is block-causal, in blocks of that length from canvas index 0; a position
    sees its own block and those before it. None: every position sees every other.
    `rope_scale` is what the rotary base was multiplied by to raise the window.
    Raises ModelError when an id lies outside the vocabulary.
    """

    name: str
    family: str
    window: int
    vocab_size: int
    mask_id: int
    eos_id: int
    eot_id: int | None = None
    bos_id: int | None = None
    logit_shift: bool = False
    block_grid: int | None = None
    rope_scale: int = 1
    layers: int = 0
    width: int = 0
    heads: int = 0
    parameters: int = 0
    revision: str | None = None
    weights_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.window < 2:
            raise ModelError(
                f"{self.name}: the window is {self.window} tokens; it must be at least 2"
            )
        for label in ("mask_id", "eos_id", "eot_id", "bos_id"):
            value = getattr(self, label)
            if value is not None and not 0 <= value < self.vocab_size:
                raise ModelError(
                    f"{self.name}: {label}={value} lies outside the vocabulary of "
                    f"{self.vocab_size} tokens; the config and the weights do not belong together"
                )

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The ids that end a text: end of sequence, and end of turn where there is one."""
        return (self.eos_id,) if self.eot_id is None else (self.eos_id, self.eot_id)
