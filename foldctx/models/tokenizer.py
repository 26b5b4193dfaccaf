"""Tokens of text and of templates, from the tokenizer files of a model folder alone.

A document may contain the text of a special token (a paper about LLaDA does). Text is therefore
encoded by a copy of the tokenizer that knows no special tokens; templates by the whole one.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from tokenizers import Tokenizer as RawTokenizer

from foldctx.errors import ModelError
from foldctx.models.vocabulary import read_form, tokenizer_form
from foldctx.models.words import Words


class Tokenizer:
    """Encodes text and templates, decodes ids; holds no model facts but the vocabulary.

    `sha256` is the hash (hex) of its form, whichever files it was made from.
    """

    def __init__(self, path: Path) -> None:
        """Read the tokenizer of a model folder, or a tokenizer.json; ModelError when that fails."""
        form = tokenizer_form(path) if path.is_dir() else read_form(path)
        digest = sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()
        try:
            self._template = RawTokenizer.from_str(json.dumps(form))
            form["added_tokens"] = []
            form["post_processor"] = None
            self._text = RawTokenizer.from_str(json.dumps(form))
        except Exception as error:  # the tokenizers library raises bare Exception
            raise ModelError(f"{path}: the tokenizer cannot be built ({error})") from error
        self.sha256 = digest
        self._text.no_truncation()
        self._text.no_padding()

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return int(self._template.get_vocab_size(with_added_tokens=True))

    def token_id(self, token: str) -> int:
        """The id of a token's text; ModelError when the vocabulary lacks it."""
        found = self.find(token)
        if found is None:
            raise ModelError(f"the tokenizer has no token {token!r}, which the template uses")
        return found

    def find(self, token: str) -> int | None:
        """The id of a token's text, or None; 0 is an id."""
        found = self._template.token_to_id(token)
        return None if found is None else int(found)

    def has(self, token: str) -> bool:
        """Whether the vocabulary holds the token."""
        return self.find(token) is not None

    def encode_text(self, text: str) -> list[int]:
        """Ids of a text in which nothing is special."""
        return list(self._text.encode(text, add_special_tokens=False).ids)

    def encode_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode_text` of many texts at once."""
        rows = self._text.encode_batch_fast(list(texts), add_special_tokens=False)
        return [list(row.ids) for row in rows]

    def encode_template(self, template: str) -> list[int]:
        """Ids of template text: special tokens are recognised."""
        return list(self._template.encode(template, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int], *, keep_special: bool = False) -> str:
        """Text of ids; special tokens are left out unless kept."""
        return str(self._template.decode(list(ids), skip_special_tokens=not keep_special))

    @cached_property
    def words(self) -> Words:
        """Where words begin and what is punctuation, by the text of every id."""
        pieces = [self.decode([token]) for token in range(self.vocab_size)]
        return Words(
            starts=frozenset(i for i, piece in enumerate(pieces) if piece[:1].isspace()),
            marks=frozenset(
                i
                for i, piece in enumerate(pieces)
                if piece.strip() and not any(c.isalnum() or c == "\ufffd" for c in piece)
            ),
            names=frozenset(
                i
                for i, piece in enumerate(pieces)
                if piece[:1].isspace() and (piece[1:2].isupper() or piece[1:2].isdigit())
            ),
        )
