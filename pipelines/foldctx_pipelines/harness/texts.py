"""The harness's strings as ids: contexts, conversations, and continuations cut off their contexts."""

import re
from collections.abc import Iterable, Mapping

from foldctx.errors import UsageError
from foldctx.models.family import Chat
from foldctx.models.tokenizer import Tokenizer

# The harness hands a conversation over as one string. A noncharacter, which no text may hold, keeps
# what a message says about special tokens apart from the tokens of the conversation itself.
_APART = "\ufdd0"


class Texts:
    """Encodes contexts; `chat` is the form of a conversation, `prefix` stands for an empty context."""

    def __init__(self, tokenizer: Tokenizer, chat: Chat, prefix: int) -> None:
        self._tokenizer, self._chat, self._prefix = tokenizer, chat, prefix
        tokens = dict.fromkeys((*chat.tokens, chat.begin))
        self._ids = {name: id for name in tokens if (id := tokenizer.find(name)) is not None}
        self._special = re.compile("(" + "|".join(map(re.escape, self._ids)) + ")")
        self._opening = chat.begin + chat.turn.split("{role}")[0]

    def conversation(self, history: Iterable[Mapping[str, str]], *, generation: bool) -> str:
        """The messages as one context. Without `generation` the last one is left open, to go on.

        Raises UsageError for a model that knows no conversations.
        """
        if lacking := [token for token in self._chat.tokens if token not in self._ids]:
            raise UsageError(
                f"this model's tokenizer lacks {', '.join(lacking)}; leave --apply_chat_template out"
            )
        messages = [(row["role"], self._apart(row["content"])) for row in history]
        if generation or not messages:
            return self._chat.prompt(messages)
        role, text = messages[-1]
        if role != "assistant":
            raise UsageError(f"a message of {role!r} cannot be left open; only the assistant's can")
        return self._chat.prompt(messages[:-1]) + text

    def _apart(self, text: str) -> str:
        return self._special.sub(lambda found: found[0][0] + _APART + found[0][1:], text)

    def encode(self, context: str) -> list[int]:
        """Ids of a context; special tokens are recognised in those of a conversation only."""
        if not self._is_conversation(context):
            return self._tokenizer.encode_text(context)
        ids: list[int] = []
        for number, part in enumerate(self._special.split(context)):
            if number % 2:
                ids.append(self._ids[part])
            else:
                ids += self._tokenizer.encode_text(part.replace(_APART, ""))
        return ids

    def _is_conversation(self, context: str) -> bool:
        return bool(self._ids) and context.startswith(self._opening)

    def prompt(self, context: str) -> tuple[int, ...]:
        """Ids of a context, or of what stands for an empty one."""
        return tuple(self.encode(context)) or (self._prefix,)

    def pair(self, context: str, continuation: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Context and continuation, encoded together and cut where the context alone would end.

        White space at the end of the context goes to the continuation first, as the harness does.
        """
        kept = context.rstrip()
        said = self._apart(continuation) if self._is_conversation(context) else continuation
        whole = self.encode(context + said)
        cut = len(self.encode(kept))
        return tuple(whole[:cut]) or (self._prefix,), tuple(whole[cut:])
