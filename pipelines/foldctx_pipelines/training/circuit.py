"""A start in which copying already works, so that training refines it instead of finding it.

Nothing of the architecture changes; only the first values of the weights do. The residual stream
is divided: a code of the token (similar for words of one stem), the codes of the previous and of
the next token, one constant, and free room. Layer 0 has heads that look one token back and one
ahead; layer 1 has induction heads that find where the neighbour stood before and copy what
followed; layers 2 and 3 have heads that match equal tokens anywhere in the window.
"""

import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from foldctx.models.architecture import Block, Transformer

CODE, PREVIOUS, NEXT, CONSTANT = 128, 48, 32, 4.0
_STEM = re.compile(r"(ing|edly|ed|es|s|ly)$")


def _stem(token: str) -> str:
    word = token.replace("Ġ", "").lower()
    return _STEM.sub("", word) if len(word) > 4 else word


def token_codes(tokens: Sequence[str], generator: torch.Generator) -> Tensor:
    """Codes (vocabulary, CODE), std 0.7; tokens of one stem share most of their code."""
    bases: dict[str, Tensor] = {}
    rows = []
    for token in tokens:
        stem = _stem(token)
        if stem not in bases:
            bases[stem] = torch.randn(CODE, generator=generator)
        rows.append(0.9 * bases[stem] + 0.44 * torch.randn(CODE, generator=generator))
    return 0.7 * torch.stack(rows)


@torch.no_grad()
def initialise(model: Transformer, tokens: Sequence[str], mask_id: int, seed: int) -> None:
    """Set all weights of a model with 64-wide heads and tied embeddings."""
    g = torch.Generator().manual_seed(seed)
    width, head = model.dims.width, model.dims.head_dim
    assert head == 64 and model.dims.heads >= 4 and width >= CODE + PREVIOUS + NEXT + 17
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            std = 0.02 if "ff_" in name or "up_" in name else 0.01
            weight.copy_(torch.randn(weight.shape, generator=g) * std)
    constant = CODE + PREVIOUS + NEXT
    embedding = torch.zeros(len(tokens), width)
    embedding[:, :CODE] = token_codes(tokens, g)
    embedding[:, constant] = CONSTANT
    spare = width - constant - 1
    embedding[mask_id] = 0
    embedding[mask_id, constant] = CONSTANT
    embedding[mask_id, constant + 1 :] = torch.randn(spare, generator=g) * 0.7 * math.sqrt(CODE / spare)
    model.wte.weight.copy_(embedding)
    model.ln_f.weight.fill_(0.10)
    blocks = [block for block in model.blocks if isinstance(block, Block)]
    _neighbour_head(blocks[0], 0, -1, slice(CODE, CODE + PREVIOUS), g)
    _neighbour_head(blocks[0], 1, +1, slice(CODE + PREVIOUS, constant), g)
    for pair, source in ((0, slice(CODE, CODE + PREVIOUS)), (2, slice(CODE + PREVIOUS, constant))):
        for half in (0, 1):
            _match_head(blocks[1], pair + half, source, 16.0, g)
            _copy_half(blocks[1], pair + half, half)
    for block in blocks[2:4]:
        _match_head(block, 0, slice(0, CODE), 9.0, g)
        _match_head(block, 1, slice(0, CODE), 9.0, g)


def _neighbour_head(block: Block, head: int, step: int, target: slice, g: torch.Generator) -> None:
    """A head that looks `step` tokens away and writes a random map of the code found there."""
    rows = slice(head * 64, head * 64 + 64)
    q, k = torch.zeros(64), torch.zeros(64)
    constant = CODE + PREVIOUS + NEXT
    for i in range(6):
        angle = step * 500_000.0 ** (-i / 32)
        q[i] = 0.95
        # turned by -step, so that the product peaks where the key stands `step` tokens away
        k[i], k[i + 32] = 0.95 * math.cos(angle), -0.95 * math.sin(angle)
    block.q_proj.weight[rows] = 0
    block.k_proj.weight[rows] = 0
    block.q_proj.weight[rows, constant] = q
    block.k_proj.weight[rows, constant] = k
    wide = target.stop - target.start
    block.v_proj.weight[rows] = 0
    random_map = torch.linalg.qr(torch.randn(CODE, 64, generator=g))[0].T
    block.v_proj.weight[rows, :CODE] = random_map
    block.attn_out.weight[:, rows] = 0
    block.attn_out.weight[target, rows.start : rows.start + wide] = 0.55 * torch.eye(wide)


def _match_head(block: Block, head: int, source: slice, score: float, g: torch.Generator) -> None:
    """A head whose logits are about `score` where `source` is equal, in nearly static rotary pairs."""
    rows = slice(head * 64, head * 64 + 64)
    wide = source.stop - source.start
    scale = math.sqrt(score * 8 / (28 * wide * 0.94))
    shared = torch.randn(28, wide, generator=g) * scale
    for projection in (block.q_proj, block.k_proj):
        projection.weight[rows] = 0
        projection.weight[rows.start + 18 : rows.start + 32, source] = shared[:14]
        projection.weight[rows.start + 50 : rows.start + 64, source] = shared[14:]


def _copy_half(block: Block, head: int, half: int) -> None:
    """The head copies one half of the token code, doubled."""
    rows = slice(head * 64, head * 64 + 64)
    code = slice(half * 64, half * 64 + 64)
    block.v_proj.weight[rows] = 0
    block.v_proj.weight[rows, code] = torch.eye(64)
    block.attn_out.weight[:, rows] = 0
    block.attn_out.weight[code, rows] = 2.0 * torch.eye(64) * 0.5
