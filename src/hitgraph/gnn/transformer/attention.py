"""Attention between hits and candidates, of all or within windows of some order of the hits."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["Attention", "Compare", "Tokens", "Windows"]


class Tokens(NamedTuple):
    """Hits, or candidates, which are where the hit is that they began with."""

    state: Tensor  # (n, width) what is known of each
    place: Tensor  # (n, width) where and what its hit is, see network.Inputs
    position: Tensor  # (n, 3) r, phi, z of its hit; mm and rad

    def take(self, rows: Tensor) -> "Tokens":
        """Some of them."""
        return Tokens(*(column[rows] for column in self))

    def with_state(self, state: Tensor) -> "Tokens":
        """The same with other states."""
        return self._replace(state=state)


class Windows(NamedTuple):
    """Who attends to whom: hits in some order in blocks, each with what is around it."""

    own: Tensor  # (n_blocks, window) int64 hits
    seen: Tensor  # (n_blocks, 2 window) int64; one block of all hits where they are as few
    rank: Tensor  # (n_hits,) int64 place of each hit among `own`, row after row

    @classmethod
    def of(cls, order: Tensor, window: int) -> "Windows":
        """Blocks of `window` hits (even) that see half a window more on either side.

        `order` (n_hits,) int64 are the hits one after another. It is a ring: in that of their
        azimuths the last hits are near the first. So the last block goes on with hits of the first,
        which have been counted there.
        """
        n_hits, rank = len(order), torch.argsort(order)
        if n_hits <= 2 * window:
            return cls(order[None], order[None], rank)
        start = torch.arange(0, n_hits, window, device=order.device)[:, None]
        wide = torch.arange(-(window // 2), window + window // 2, device=order.device)
        seen = order[(start + wide) % n_hits]
        return cls(seen[:, window // 2 : -(window // 2)], seen, rank)


class Compare(nn.Module):
    """Two kinds of tokens as vectors whose product tells how alike they are; at first one map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = (nn.Linear(2 * width, width) for _ in range(2))
        self.key.load_state_dict(self.query.state_dict())

    def forward(self, one: Tokens, other: Tokens) -> tuple[Tensor, Tensor]:
        """(n, width) and (m, width)."""
        return self.query(torch.cat(one[:2], dim=1)), self.key(torch.cat(other[:2], dim=1))


class Attention(nn.Module):
    """Multi-head attention (arXiv 1706.03762, section 3.2.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.n_heads = heads
        self.compare = Compare(width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(
        self, x: Tokens, seen: Tokens, *, windows: Windows | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """(n, width) what each of x hears of `seen` (m): within windows (n = m), or of all.

        `mask` (n, m) bool says whom each does hear, where there are no windows.
        """
        (query, key), value = self.compare(x, seen), self.value(seen.state)
        if windows is None:
            query, key, value = query[None], key[None], value[None]
        else:
            query, key, value = query[windows.own], key[windows.seen], value[windows.seen]
        query, key, value = (self._split(one) for one in (query, key, value))
        heard = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        rows = heard.transpose(1, 2).flatten(2).flatten(0, 1)
        together: Tensor = self.out(rows if windows is None else rows[windows.rank])
        return together

    def _split(self, x: Tensor) -> Tensor:
        """(n_blocks, n, width) -> (n_blocks, heads, n, width of a head)."""
        return x.view(*x.shape[:2], self.n_heads, x.shape[2] // self.n_heads).transpose(1, 2)


def hits_in_window(share: float, n_hits: int) -> int:
    """A share of the hits: even, so that a window reaches as far on either side."""
    return max(2 * round(share * n_hits / 2), 2)
