"""Checks of a model's ids, prompts and tokenizer: no forward pass in any of them."""

import unicodedata
from collections.abc import Iterator

from foldctx.folding.prompts import Prompts
from foldctx.models.families import FAMILIES
from foldctx.models.family import ID_FIELDS
from foldctx.models.load import Model
from foldctx_pipelines.prompts import make_prompt, prompt_segments
from foldctx_pipelines.verify.check import Check

TEXTS = (
    "The harbour lay still; 12,450.75 tonnes had been landed by 06:30.",
    "Zo\u00eb's na\u00efve fa\u00e7ade \u2013 \u201cquoted\u201d \u2026 \u20ac5",
    "\u0414\u043e\u0433\u043e\u0432\u043e\u0440 \u0430\u0440\u0435\u043d\u0434\u044b, \u00a7 4",
    "\u6c34\u6cbb\u6e2f\u7684\u53f0\u8d26\u3002\u6e2f\u306e\u53f0\u5e33\u3002\ud56d\uad6c",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \u0928\u092e\u0938\u094d\u0924\u0947",
    "\U0001f469\u200d\U0001f52c \U0001f1ea\U0001f1fa \U0001d53b \u2211\u2264\u221e",
    "tabs\tand\n\nlines,  two spaces ",
)
"""Each must come back from the tokenizer as it went in."""


def special_tokens(model: Model) -> dict[str, int]:
    """The texts of special tokens that the family knows and the tokenizer has, and their ids."""
    family = FAMILIES[model.info.family]
    names = dict.fromkeys((*family.tokens.values(), *family.chat.tokens))
    found = ((name, model.tokenizer.find(name)) for name in names)
    return {name: id for name, id in found if id is not None}


def check_ids(model: Model) -> Check:
    """The mask is a token of its own, and no text can produce an id that means something else."""
    ids = {label: getattr(model.info, label) for label in ID_FIELDS}
    named = {
        label: model.tokenizer.decode([id], keep_special=True)
        for label, id in ids.items()
        if id is not None
    }
    problems = [
        f"{label}={ids[label]} is the mask too"
        for label in named
        if label != "mask_id" and ids[label] == ids["mask_id"]
    ]
    problems += [
        f"{label}={ids[label]} is what the text {text!r} is encoded as"
        for label, text in named.items()
        if text and ids[label] in model.tokenizer.encode_text(text)
    ]
    shown = ", ".join(f"{label} {ids[label]}" for label in named)
    measured = {"ids": ids, "texts": named, "vocab_size": model.info.vocab_size}
    demand = "the mask is no other token, and no text is encoded as an id with a meaning"
    return Check.of("ids", demand, problems, shown, measured)


def check_template(model: Model) -> Check:
    """The prompts load, and a message that names special tokens stays text."""
    Prompts.from_file(model.prompts_source, model.tokenizer)
    chat, tokenizer = FAMILIES[model.info.family].chat, model.tokenizer
    lacking = [token for token in chat.tokens if not tokenizer.has(token)]
    problems: list[str] = []
    if not lacking:
        specials = special_tokens(model)
        message = "Say " + " and ".join(specials)
        before, text, after = prompt_segments(make_prompt(message, "verify"), tokenizer, chat)
        framed = {*before.tokens, *after.tokens}
        problems += [
            f"{t} is not one token of a turn" for t in chat.tokens if specials[t] not in framed
        ]
        problems += [
            f"{t} in a message becomes id {i}" for t, i in specials.items() if i in text.tokens
        ]
    conversation = "no conversation form" if lacking else "conversation form"
    measured = {"template": model.prompts_source.name, "chat": not lacking, "chat_lacks": lacking}
    demand = "the prompts load; special tokens stand in templates and never come from a message"
    found = f"{model.prompts_source.name}, {conversation}"
    return Check.of("template", demand, problems, found, measured)


def check_tokenizer(model: Model) -> Check:
    """Texts in several scripts, and the texts of special tokens, come back as they went in."""
    specials = special_tokens(model)
    texts = (*TEXTS, *(f"The token {name} is text here." for name in specials))
    problems = list(_not_kept(model, texts))
    for name, id in specials.items():
        if id in model.tokenizer.encode_text(name):
            problems.append(f"the text {name!r} is encoded as the special token {id}")
    measured = {"texts": len(texts), "special_tokens": specials, "kept": len(texts) - len(problems)}
    demand = "text comes back as it went in, that of special tokens too"
    found = f"{len(texts)} texts came back, {len(specials)} special tokens named in them"
    return Check.of("tokenizer", demand, problems, found, measured)


def _not_kept(model: Model, texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        wanted = unicodedata.normalize("NFC", text)
        back = model.tokenizer.decode(model.tokenizer.encode_text(wanted))
        if back != wanted:
            yield f"{wanted!r} comes back as {back!r}"
