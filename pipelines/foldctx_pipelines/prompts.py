"""Prompts that are continued as they are: where they come from, and their form for a model."""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from foldctx.decoding.segments import Segment
from foldctx.errors import UsageError
from foldctx.models.family import Chat
from foldctx.models.tokenizer import Tokenizer
from foldctx_pipelines.jobs import read_rows

_PLACE = "\0"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to continue, the id of its record, and where it was found, for messages."""

    id: str
    text: str
    source: str


def make_prompt(text: str, source: str, id: str | None = None) -> Prompt:
    """A prompt under its own id, or one made from its text. UsageError for an empty text."""
    if not text.strip():
        raise UsageError(f"{source}: the prompt is empty; give some text to continue")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return Prompt(digest[:24] if id is None else id, text, source)


def read_prompts(path: str, stdin: BinaryIO | None) -> list[Prompt]:
    """Prompts of a JSONL file of rows with `prompt`, and `id` where it is given; "-" is stdin.

    Raises UsageError naming the line that cannot be used, or that repeats an id.
    """
    prompts: dict[str, Prompt] = {}
    for number, row in read_rows(path, stdin):
        text, id = row.get("prompt"), row.get("id")
        if not isinstance(text, str) or not (
            id is None or (isinstance(id, str | int) and id != "")
        ):
            raise UsageError(
                f"{path}, line {number}: prompt={text!r:.50}, id={id!r:.50}; each row needs a "
                "prompt that is text, and may have an id"
            )
        prompt = make_prompt(text, f"{path}, line {number}", None if id is None else str(id))
        if prompt.id in prompts:
            first = prompts[prompt.id].source
            raise UsageError(f"{prompt.source}: the same id as {first}; give each row its own id")
        prompts[prompt.id] = prompt
    if not prompts:
        raise UsageError(f"{path}: no prompts in it")
    return list(prompts.values())


def read_prompt(stdin: BinaryIO | None) -> Prompt:
    """One prompt, all of standard input. UsageError when that is closed, empty or not UTF-8."""
    if stdin is None:
        raise UsageError("standard input is closed; give the prompt as an argument")
    try:
        text = stdin.read().decode()
    except (OSError, ValueError) as error:
        raise UsageError(f"standard input: cannot be read as UTF-8 text ({error})") from None
    return make_prompt(text, "standard input")


def check_chat(tokenizer: Tokenizer, form: Chat, wanted: bool | None) -> bool:
    """Whether prompts become turns of a conversation: as `wanted`, or where the model can.

    Only instruction-tuned models know the tokens of a turn; UsageError when one is wanted of others.
    """
    lacking = [token for token in form.tokens if not tokenizer.has(token)]
    if wanted and lacking:
        raise UsageError(
            f"--chat: this model's tokenizer lacks {', '.join(lacking)}; use --raw, or a model that "
            "was tuned for conversations"
        )
    return not lacking if wanted is None else wanted


def prompt_segments(
    prompt: Prompt, tokenizer: Tokenizer, chat: Chat | None = None
) -> tuple[Segment, ...]:
    """The prompt's segments, as it is or as the user's turn of a conversation of the form `chat`.

    Special tokens are recognised in the conversation's own parts only.
    """
    if chat is None:
        return (Segment("question", tuple(tokenizer.encode_text(prompt.text))),)
    before, after = chat.prompt([("user", _PLACE)]).split(_PLACE)
    return (
        Segment("template", tuple(tokenizer.encode_template(before))),
        Segment("question", tuple(tokenizer.encode_text(prompt.text.strip()))),
        Segment("template", tuple(tokenizer.encode_template(after))),
    )
