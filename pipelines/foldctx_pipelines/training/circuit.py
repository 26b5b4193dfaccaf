"""A start in which copying and pointing already work, so that training refines instead of finds.

Nothing of the architecture changes; only the first values of the weights do. The residual stream
is divided into rooms: a code of the token (similar for words of one stem), the codes of the
previous and of the next token, one constant, and the rooms of a pointer:

- layer 0 looks one token back and one ahead, and gathers the label (question or unit) that a token
  stands behind;
- layer 1 holds induction heads: they find where the visible neighbour stood before and copy what
  followed;
- layer 2 matches equal words, so that a word of the text learns which question it occurs in;
- layer 3 lets a question's slot attend to such words and copy the label of their unit, or, where
  no word is sure enough, the sink whose label is `none`.
"""

import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from foldctx.models.architecture import Block, Transformer
from foldctx_pipelines.training.words import STOP

HEAD = 64
WIDTH, HEADS = 320, 5
CODE = slice(0, 192)  # the token itself, then what it means
IDENTITY, MEANING = slice(0, 96), slice(96, 192)
PREVIOUS = slice(192, 240)
NEXT = slice(240, 272)
CONSTANT, FLAG = 272, 273
ASKED = slice(274, 282)  # which question a token belongs to
MATCHED = slice(282, 290)  # which questions a word of the text occurs in
UNIT = slice(290, 314)  # which unit a token belongs to
MASKED = slice(314, 320)
_ONE, _FLAG, _ASKED, _UNIT = 4.0, 3.0, 5.0, 1.2
_SINK = 1.2
_SQUARES = 137.0  # of every embedding, so that the first norm treats all tokens alike
_STEM = re.compile(r"(ing|edly|ed|es|s|ly)$")
_LABEL = re.compile(r"<\|([qs])(\d+)\|>")


def _stem(token: str) -> str:
    word = token.replace("Ġ", "").lower()
    return _STEM.sub("", word) if len(word) > 4 else word


def token_codes(
    tokens: Sequence[str], generator: torch.Generator, meanings: Mapping[int, Tensor]
) -> Tensor:
    """Codes (vocabulary, 192), std 0.7: one half per token, the other alike for like words.

    Tokens of one stem share most of the first half. The second half is the token's vector in
    `meanings` (96, unit variance) where there is one, else its stem's random code.
    """
    bases: dict[str, Tensor] = {}
    rows = []
    for i, token in enumerate(tokens):
        stem = _stem(token) or token
        if stem not in bases:
            bases[stem] = torch.randn(192, generator=generator)
        own = 0.9 * bases[stem] + 0.44 * torch.randn(192, generator=generator)
        if i in meanings:
            own[MEANING] = meanings[i]
        rows.append(own)
    return 0.7 * torch.stack(rows)


@torch.no_grad()
def initialise(
    model: Transformer,
    tokens: Sequence[str],
    mask_id: int,
    seed: int,
    meanings: Mapping[int, Tensor] | None = None,
) -> None:
    """Set all weights of a model 320 wide with 64-wide heads, 4 layers or more, tied embeddings.

    `meanings` gives vectors (96) of tokens by what they mean, so that words can match that are
    not the same word; without it only words of one stem do.
    """
    g = torch.Generator().manual_seed(seed)
    assert model.dims.width == WIDTH and model.dims.head_dim == HEAD and model.dims.layers >= 4
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            std = 0.02 if "ff_" in name or "up_" in name else 0.01
            weight.copy_(torch.randn(weight.shape, generator=g) * std)
    model.wte.weight.copy_(_embedding(tokens, mask_id, g, meanings or {}))
    model.ln_f.weight.fill_(0.10)
    for room in (slice(CONSTANT, UNIT.start), MASKED):  # nothing to do with the next word
        model.ln_f.weight[room] = 0
    blocks = [block for block in model.blocks if isinstance(block, Block)]
    _neighbour_head(blocks[0], 0, -1, PREVIOUS, g)
    _also(blocks[0], 0, ASKED, 48, 1.5)
    _neighbour_head(blocks[0], 1, +1, NEXT, g)
    _label_head(blocks[0], 2)
    parts = ((0, PREVIOUS, 0), (1, PREVIOUS, 1), (2, PREVIOUS, 2), (3, NEXT, 0), (4, NEXT, 1))
    for head, source, part in parts:
        _match_head(blocks[1], head, source, 16.0, g)
        _move(blocks[1], head, slice(part * 64, part * 64 + 64), None, 1.0)
    _match_head(blocks[2], 0, CODE, 15.0, g)
    _move(blocks[2], 0, ASKED, MATCHED, 4.0)
    _pointer_head(blocks[3], 0, 2.0)
    _move(blocks[3], 0, UNIT, None, 3.0)


def _embedding(
    tokens: Sequence[str], mask_id: int, g: torch.Generator, meanings: Mapping[int, Tensor]
) -> Tensor:
    embedding = torch.zeros(len(tokens), WIDTH)
    embedding[:, CODE] = token_codes(tokens, g, meanings)
    embedding[:, CONSTANT] = _ONE
    for i, token in enumerate(tokens):
        if token.startswith("<|"):
            embedding[i, FLAG] = _FLAG
        if label := _LABEL.fullmatch(token):
            number = int(label[2])
            if label[1] == "q":
                embedding[i, ASKED.start + number - 1] = _ASKED
            else:
                embedding[i, UNIT] = torch.randn(24, generator=g) * _UNIT
    none, sink = tokens.index("<|none|>"), tokens.index("<|notes|>")
    embedding[none, UNIT] = torch.randn(24, generator=g) * _UNIT
    embedding[none, FLAG] = 0
    embedding[sink, UNIT] = embedding[none, UNIT]
    embedding[sink, MATCHED] = _SINK
    embedding[mask_id, CODE] = 0
    embedding[mask_id, FLAG] = 0
    embedding[mask_id, MASKED] = torch.randn(6, generator=g)
    for i, token in enumerate(tokens):
        if token.replace("Ġ", "").lower() in STOP or token in ".,;:'\"?!()-":
            embedding[i, CODE] *= 0.5  # so that they match weakly
            embedding[i, MASKED] = torch.randn(6, generator=g) * 3.0
    free = (CODE, MASKED)
    fixed = embedding.square().sum(1) - sum(embedding[:, room].square().sum(1) for room in free)
    scale = ((_SQUARES - fixed) / (embedding.square().sum(1) - fixed)).sqrt()
    for room in free:
        embedding[:, room] *= scale[:, None]
    return embedding


def _rows(head: int) -> slice:
    return slice(head * HEAD, head * HEAD + HEAD)


def _clear(block: Block, head: int) -> None:
    for projection in (block.q_proj, block.k_proj):
        projection.weight[_rows(head)] = 0


def _move(block: Block, head: int, source: slice, target: slice | None, gain: float) -> None:
    """The head carries the room `source` of what it attends to into `target` (None: the same)."""
    target, start = target or source, head * HEAD
    wide = source.stop - source.start
    block.v_proj.weight[_rows(head)] = 0
    block.v_proj.weight[start : start + wide, source] = torch.eye(wide)
    block.attn_out.weight[:, _rows(head)] = 0
    block.attn_out.weight[target, start : start + wide] = gain * torch.eye(wide)


def _also(block: Block, head: int, room: slice, at: int, gain: float) -> None:
    """Let a neighbour head carry one more room in its value rows from `at` on."""
    start, wide = head * HEAD + at, room.stop - room.start
    block.v_proj.weight[start : start + wide] = 0
    block.v_proj.weight[start : start + wide, room] = torch.eye(wide)
    block.attn_out.weight[room, start : start + wide] = gain * torch.eye(wide)


def _look(block: Block, head: int, pairs: range, step: float, size: float) -> None:
    """Attention by distance alone: the product peaks where the key stands `step` tokens away."""
    start = head * HEAD
    for i in pairs:
        angle = step * 500_000.0 ** (-i / 32)
        block.q_proj.weight[start + i, CONSTANT] = size
        block.k_proj.weight[start + i, CONSTANT] = size * math.cos(angle)
        block.k_proj.weight[start + i + 32, CONSTANT] = -size * math.sin(angle)


def _neighbour_head(block: Block, head: int, step: int, target: slice, g: torch.Generator) -> None:
    """A head that looks `step` tokens away and writes a random map of the code found there."""
    _clear(block, head)
    _look(block, head, range(6), step, 1.1)
    start, wide = head * HEAD, target.stop - target.start
    block.v_proj.weight[_rows(head)] = 0
    block.v_proj.weight[_rows(head), CODE] = torch.linalg.qr(torch.randn(192, 64, generator=g))[0].T
    block.attn_out.weight[:, _rows(head)] = 0
    block.attn_out.weight[target, start : start + wide] = 0.55 * torch.eye(wide)


def _label_head(block: Block, head: int) -> None:
    """A head that finds the label before a token and copies its question and unit."""
    _clear(block, head)
    _look(block, head, range(7, 15), -9.0, 1.3)
    start = head * HEAD
    block.q_proj.weight[start + 31, CONSTANT] = 2.1
    block.k_proj.weight[start + 31, FLAG] = 2.1
    block.v_proj.weight[_rows(head)] = 0
    block.attn_out.weight[:, _rows(head)] = 0
    for at, room in ((0, ASKED), (8, UNIT)):
        wide = room.stop - room.start
        block.v_proj.weight[start + at : start + at + wide, room] = torch.eye(wide)
        block.attn_out.weight[room, start + at : start + at + wide] = 0.5 * torch.eye(wide)


def _match_head(block: Block, head: int, source: slice, score: float, g: torch.Generator) -> None:
    """A head whose logits are about `score` where `source` is equal, in nearly static pairs."""
    start, wide = head * HEAD, source.stop - source.start
    scale = math.sqrt(score * 8 / (28 * wide * 0.94))
    shared = torch.randn(28, wide, generator=g) * scale
    _clear(block, head)
    for projection in (block.q_proj, block.k_proj):
        projection.weight[start + 18 : start + 32, source] = shared[:14]
        projection.weight[start + 50 : start + 64, source] = shared[14:]


def _pointer_head(block: Block, head: int, gain: float) -> None:
    """Queries by the question a slot belongs to, keys by the questions a word occurs in."""
    _clear(block, head)
    start = head * HEAD
    for i in range(8):
        row = start + 20 + i
        block.q_proj.weight[row, ASKED.start + i] = gain
        block.k_proj.weight[row, MATCHED.start + i] = gain
        # words of the question match themselves; they are no answer
        block.k_proj.weight[row, ASKED.start + i] = -5.0 * gain
