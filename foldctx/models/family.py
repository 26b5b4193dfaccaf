"""What a family of checkpoints has in common, as data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foldctx.models.dims import Dims

if TYPE_CHECKING:
    from foldctx.models.network import Network

ID_FIELDS: Mapping[str, str] = {
    "mask_id": "mask_token_id",
    "eos_id": "eos_token_id",
    "eot_id": "eot_token_id",
    "bos_id": "bos_token_id",
}
"""Names of the ids in `ModelInfo`, and the fields of config.json that may give them."""

REQUIRED_IDS = ("mask_id", "eos_id")


@dataclass(frozen=True, slots=True)
class Chat:
    """How a family writes a conversation.

    `begin` stands before the first turn, `turn` has places {role} and {content}, and `generation`
    opens the assistant's turn. `roles` renames roles. `tokens` are special ones, without which a
    tokenizer knows no turns.
    """

    begin: str
    turn: str
    generation: str
    tokens: tuple[str, ...]
    roles: Mapping[str, str] = field(default_factory=dict)

    def prompt(self, messages: Sequence[tuple[str, str]]) -> str:
        """The text of (role, content) messages, ready for the assistant's turn."""
        turns = (
            self.turn.format(role=self.roles.get(role, role), content=text.strip())
            for role, text in messages
        )
        return self.begin + "".join(turns) + self.generation


@dataclass(frozen=True, slots=True)
class Family:
    """Facts shared by the checkpoints of one architecture.

    `ids` are those of the published vocabulary of `vocabulary` tokens, and are used for no other;
    `tokens` are the texts by which any other tokenizer may name them. `window` is that of the
    published checkpoints, `window_field` the field of config.json that gives a checkpoint's own; it
    is only an upper limit where it is `window_inherited` from the model the family began as.
    `template` is a file among foldctx's prompt templates, `preset` the one used by default, `chat` the family's form of a
    conversation. `dims` reads the sizes from a config.json,
    or raises ModelError; `network` makes the modules, and importing torch is left to it.
    `logit_shift`: the network's row at a position predicts the token after it. `block_causal`:
    positions see their own block of `block_length` and those before it, and no later one.
    `rope_scales`: the window was measured to rise with the rotary base (see `rope`).
    """

    name: str
    summary: str
    architectures: tuple[str, ...]
    model_types: tuple[str, ...]
    checkpoints: tuple[str, ...]
    links: tuple[str, ...]
    window: int
    vocabulary: int
    ids: Mapping[str, int]
    tokens: Mapping[str, str]
    weight_prefix: str
    template: str
    preset: str
    chat: Chat
    dims: Callable[[Mapping[str, Any]], Dims]
    network: "Callable[[Dims], Network]"
    window_field: str
    logit_shift: bool = False
    block_causal: bool = False
    block_length: int = 32
    window_inherited: bool = False
    rope_scales: bool = False
