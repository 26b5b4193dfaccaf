"""dLLM-Cache: keys, values and sub-layer outputs live on, and few of them are computed again."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from foldctx.decoding.cache import Cache, CacheState, Reuse, whole_layout
from foldctx.decoding.layout import Layout
from foldctx.errors import UsageError
from foldctx.models.row_cache import RowCache
from foldctx.numeric import check_numbers

Kind = Literal["keys", "values", "mixed", "transformed"]


def _gather(stored: Tensor, source: Tensor, dim: int) -> Tensor:
    """Rows of `stored` for a new layout; a row without a source (-1) is computed before it is read."""
    return stored.index_select(dim, source.clamp(min=0).to(stored.device))


class Features(RowCache):
    """The features of one request's rows, in the order of its layout."""

    narrows = False  # what a layer computes for other rows now is asked for later

    def __init__(self, rho: float) -> None:
        self._rho = rho
        self._stored: dict[Kind, dict[int, Tensor]] = {
            "keys": {},
            "values": {},
            "mixed": {},
            "transformed": {},
        }
        self._layout: Layout | None = None
        self._new = torch.empty(0, dtype=torch.long)
        self._prompt = self._response = True
        self._rows: Tensor | None = None
        self.selected: dict[int, Tensor] = {}

    def begin(self, layout: Layout, *, prompt: bool, response: bool) -> None:
        """Prepare a forward that computes all of the prompt, and all of the response, or not."""
        if layout is self._layout:
            self._new = self._new[:0]
        else:
            self._move(layout)
        self._prompt, self._response = prompt, response
        self.rows_reused = self.keys_reused = 0
        self.selected = {}

    def _move(self, layout: Layout) -> None:
        """Carry the features of rows that stay at their positions over to a new layout."""
        if self._layout is None:
            self._layout, self._new = layout, torch.arange(len(layout))
            return
        old = {
            place: row
            for row, place in enumerate(
                zip(self._layout.indices.tolist(), self._layout.positions.tolist(), strict=True)
            )
        }
        places = zip(layout.indices.tolist(), layout.positions.tolist(), strict=True)
        source = torch.tensor([old.get(place, -1) for place in places])
        same = torch.equal(source, torch.arange(len(self._layout)))
        for kind, layers in self._stored.items() if not same else ():
            dim = 1 if kind in ("keys", "values") else 0
            for layer, stored in layers.items():
                layers[layer] = _gather(stored, source, dim)
        self._layout, self._new = layout, (source < 0).nonzero().flatten()

    @property
    def _n(self) -> int:
        assert self._layout is not None
        return len(self._layout)

    def _named(self, *, prompt: bool, response: bool) -> Tensor:
        """The rows asked for, and those that have no features yet; a mask (n,)."""
        assert self._layout is not None
        named = torch.zeros(self._n, dtype=torch.bool)
        named[: self._layout.given] = prompt
        named[self._layout.given :] = response
        named[self._new] = True
        return named

    def _everything(self, layer: int) -> bool:
        # The first layer always computes everything: not in the paper, but its quality needs it.
        return layer == 0 or (self._prompt and self._response) or self._new.numel() == self._n

    def fresh_values(self, layer: int) -> Tensor | None:
        """All, or the parts that are due; any update looks at the values of the whole response."""
        if self._everything(layer):
            return None
        response = self._response or self._rho > 0
        return self._named(prompt=self._prompt, response=response).nonzero().flatten()

    def fresh_rows(self, layer: int, values: Tensor) -> Tensor | None:
        """The parts that are due, and the response tokens whose values have moved most."""
        if self._everything(layer):
            self._rows = None
            self._stored["values"][layer] = values.clone()
            return None
        named = self._named(prompt=self._prompt, response=self._response).to(values.device)
        stored, valued = self._stored["values"][layer], self.fresh_values(layer)
        assert valued is not None and self._layout is not None
        valued = valued.to(values.device)
        if not self._response and self._rho > 0:
            known = ~torch.isin(valued, self._new.to(valued.device))
            moved = self._moved(values, stored[:, valued], known & (valued >= self._layout.given))
            self.selected[layer] = valued[moved] - self._layout.given
            named[valued[moved]] = True
        stored[:, valued] = values
        self._rows = named.nonzero().flatten()
        self.rows_reused += self._n - self._rows.numel()
        self.keys_reused += (self._n - self._rows.numel()) * self._n
        return self._rows

    def _moved(self, values: Tensor, stored: Tensor, known: Tensor) -> Tensor:
        """Indices of the share `rho` of the `known` rows whose values are least like the stored.

        In rising order of similarity; ties go to the earliest.
        """
        at = known.nonzero().flatten()
        fresh = values[:, at].transpose(0, 1).flatten(1)  # (known, kv_width)
        kept = stored[:, at].transpose(0, 1).flatten(1)
        likeness = functional.cosine_similarity(fresh, kept, dim=-1)
        return at[likeness.sort(stable=True).indices[: int(at.numel() * self._rho)]]

    def _merge(self, kind: Kind, layer: int, fresh: Tensor, dim: int) -> Tensor:
        """Write fresh rows over the stored ones and return all."""
        if self._rows is None:
            self._stored[kind][layer] = fresh.clone()
            return fresh
        stored = self._stored[kind][layer]
        return stored.index_copy_(dim, self._rows, fresh)

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Every key and value, the fresh ones written over the stored."""
        return self._merge("keys", layer, keys, 1), self._stored["values"][layer]

    def mixed(self, layer: int, fresh: Tensor) -> Tensor:
        """Attention outputs, stored where they are not fresh."""
        return self._merge("mixed", layer, fresh, 0)

    def transformed(self, layer: int, fresh: Tensor) -> Tensor:
        """MLP outputs, stored where they are not fresh."""
        return self._merge("transformed", layer, fresh, 0)


class _FeatureState:
    def __init__(self, policy: "FeatureCache") -> None:
        self._policy = policy
        self._forward = 0
        self.features = Features(policy.rho)

    def plan(self, layout: Layout, step: int) -> Reuse:
        self.features.begin(
            layout,
            prompt=self._forward % self._policy.prompt_interval == 0,
            response=self._forward % self._policy.response_interval == 0,
        )
        self._forward += 1
        return whole_layout(layout, self.features)


@dataclass(frozen=True, slots=True)
class FeatureCache(Cache):
    """Keys, values, attention and MLP outputs of every row live as long as the request (dLLM-Cache).

    arXiv 2506.06295. Those of the prompt are computed every `prompt_interval` forwards, those of
    the response every `response_interval`; between, the share `rho` of the response whose values
    have changed most. The rows of the residual stream are all there in every forward.
    """

    prompt_interval: int = 100
    response_interval: int = 7
    rho: float = 0.25

    def __post_init__(self) -> None:
        check_numbers(self)
        for name in ("prompt_interval", "response_interval"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}={getattr(self, name)}; it must be at least 1")
        if not 0 <= self.rho <= 1:
            raise UsageError(f"rho={self.rho} is not a share in [0, 1]")

    def open(self) -> CacheState:
        """No features yet."""
        return _FeatureState(self)
