"""Doublets to triplets: which edges continue which, the edges of the line graph.

A triplet is a pair of edges i -> j and j -> k that share the middle hit (arXiv 2103.06995,
section 5.4). Two backends, the same triplets in the same order from both.
"""

import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from hitgraph.kernels.choice import Backend, for_host
from hitgraph.kernels.groups import group_by_hit
from hitgraph.kernels.jit import exact
from hitgraph.kernels.ranges import expand_in_parts


def edge_pairs(edge_index: Tensor, n_hits: int, backend: Backend = "auto") -> Tensor:
    """(2, n_triplets) int64: row of the edge that ends at a hit, row of one that starts there.

    edge_index (2, n_edges) of integers from 0 to n_hits - 1, in any order; every pair of edge rows
    stands once, by the first row, then by the second. An edge from a hit to itself continues
    itself.
    """
    if not for_host(edge_index, backend):
        return edge_pairs_torch(edge_index, n_hits)
    source, target = (np.ascontiguousarray(ends) for ends in edge_index.numpy())
    start, order = group_by_hit(source, n_hits)
    return torch.from_numpy(_pairs(target, start, order))


def edge_pairs_torch(edge_index: Tensor, n_hits: int) -> Tensor:
    """What `edge_pairs` gives, in torch on any device."""
    empty = torch.empty(2, 0, dtype=torch.int64, device=edge_index.device)
    return torch.cat([empty, *edge_pairs_in_parts(edge_index, n_hits, sys.maxsize)], dim=1)


def edge_pairs_in_parts(edge_index: Tensor, n_hits: int, size: int) -> Iterator[Tensor]:
    """What `edge_pairs` gives, cut into parts (2, n), in torch on any device.

    A part has at most `size` triplets and those of one more edge, so what is done with one at a
    time needs memory that does not grow with the event.
    """
    source, target = edge_index.long()
    order = torch.argsort(source, stable=True)
    begin = torch.searchsorted(source[order], torch.arange(n_hits + 1, device=source.device))
    for inner, place in expand_in_parts(begin[target], begin[target + 1], size):
        yield torch.stack([inner, order[place]])


@exact
def _pairs(target, start, order):  # type: ignore[no-untyped-def]
    total = 0
    for edge in range(len(target)):
        total += start[target[edge] + 1] - start[target[edge]]
    pairs = np.empty((2, total), np.int64)
    n = 0
    for edge in range(len(target)):
        for place in range(start[target[edge]], start[target[edge] + 1]):
            pairs[0, n] = edge
            pairs[1, n] = order[place]
            n += 1
    return pairs
