"""One graph over several ranks: each has a part of the hits, and the border around it.

A rank holds its own hits, then the hits of other ranks that edges join with them (its border), and
every edge of an own hit. So it sums the messages of its own hits by itself, as if the graph were
whole; only the states of its border are missing, which their owners send before each round that
looks at them. An edge between two ranks is on both; it belongs to that of its outer hit (compare
arXiv 2410.01657, where such edges are on one rank and sums are exchanged as well).
"""

from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["Borders", "OwnPart", "own_part", "slices"]


class Borders(NamedTuple):
    """Whose states a rank sends and receives before a round."""

    sent: Tensor  # (n_sent,) int64 rows of own hits, in the order of the ranks they go to
    n_sent: tuple[int, ...]  # to each rank
    n_received: tuple[int, ...]  # from each rank: the border, in that order

    def exchange(self, states: Tensor) -> Tensor:
        """(n_hits, n) with the states of own hits, and those of the border from their owners.

        All ranks have to call it together, as they have to take the gradient.
        """
        own = states[: len(states) - sum(self.n_received)]
        received: Tensor = _Exchange.apply(  # type: ignore[no-untyped-call]
            own.index_select(0, self.sent), self.n_sent, self.n_received
        )
        return torch.cat([own, received])


class OwnPart(NamedTuple):
    """The part of a graph that one rank holds."""

    hits: Tensor  # (n,) int64 rows in the whole graph: own hits, then the border
    edges: Tensor  # (m,) int64 columns in the whole graph: all that have an own hit
    edge_index: Tensor  # (2, m) int64 the same edges between the rows of this part
    own_edges: Tensor  # (m,) bool, the outer hit is an own one: each edge is some rank's own
    borders: Borders


def slices(phi: Tensor, n: int) -> Tensor:
    """(n_hits,) int64 which of `n` slices in azimuth a hit is in; as many hits in each."""
    number = torch.empty_like(phi, dtype=torch.int64)
    number[torch.argsort(phi, stable=True)] = torch.arange(len(phi), device=phi.device)
    return number * n // max(len(phi), 1)


def own_part(edge_index: Tensor, part: Tensor, rank: int, n_ranks: int) -> OwnPart:
    """What `rank` holds of the graph edge_index (2, n_edges) whose hits are in part (n_hits,)."""
    own = part == rank
    inner, outer = edge_index
    has = own[inner] | own[outer]
    edges = torch.nonzero(has).squeeze(1)
    inner, outer = inner[edges], outer[edges]
    # Hits as number of the other rank * n_hits + row, so that both ranks of a border sort alike.
    border, sent = [], []
    for one, other in ((inner, outer), (outer, inner)):
        across = own[one] & ~own[other]
        sent.append(part[other[across]] * len(part) + one[across])
        border.append(part[other[across]] * len(part) + other[across])
    to, sent_rows = _by_rank(torch.cat(sent), len(part), n_ranks)
    come_from, border_rows = _by_rank(torch.cat(border), len(part), n_ranks)
    hits = torch.cat([torch.nonzero(own).squeeze(1), border_rows])
    place = torch.zeros_like(part)
    place[hits] = torch.arange(len(hits), device=part.device)
    return OwnPart(
        hits,
        edges,
        place[edge_index[:, edges]],
        own[outer],
        Borders(place[sent_rows], to, come_from),
    )


def _by_rank(keys: Tensor, n_hits: int, n_ranks: int) -> tuple[tuple[int, ...], Tensor]:
    """How many different keys (rank * n_hits + row) each rank has, and their rows."""
    keys = torch.unique(keys)
    counts = torch.bincount(keys // max(n_hits, 1), minlength=n_ranks)
    return tuple(counts.tolist()), keys % max(n_hits, 1)


class _Exchange(torch.autograd.Function):
    """Rows to and from each rank; gradients go back the same way."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, n_sent: tuple[int, ...], n_received: tuple[int, ...]
    ) -> Tensor:
        ctx.counts = n_sent, n_received
        return _all_to_all(rows, n_sent, n_received)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        n_sent, n_received = ctx.counts
        return _all_to_all(gradient, n_received, n_sent), None, None


def _all_to_all(rows: Tensor, n_sent: tuple[int, ...], n_received: tuple[int, ...]) -> Tensor:
    received = rows.new_empty(sum(n_received), *rows.shape[1:])
    dist.all_to_all_single(received, rows.contiguous(), list(n_received), list(n_sent))
    return received
