"""What the track builders share: edges above a cut, disjoint sets of hits, numbering of tracks."""

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]


def edges_above(edge_index: Tensor, scores: Tensor, cut: float) -> tuple[Int64, Int64, Float32]:
    """Source, target and score of the edges whose score is strictly above `cut`, in their order.

    edge_index (2, n_edges), scores (n_edges,) on the CPU; a NaN score is not above any cut.
    """
    index = edge_index.detach().numpy().astype(np.int64, copy=False)
    score = scores.detach().to(torch.float32).numpy()
    keep = np.flatnonzero(score > cut)
    return index[0, keep], index[1, keep], score[keep]


@numba.njit(cache=True)
def find_root(parent: Int64, hit: int) -> int:
    """Root of the set that `hit` is in; halves the path on the way."""
    while parent[hit] != hit:
        parent[hit] = parent[parent[hit]]
        hit = parent[hit]
    return hit


@numba.njit(cache=True)
def connect(n_hits: int, source: Int64, target: Int64) -> Int64:
    """(n_hits,) parent of each hit after joining the two ends of every edge.

    The root of a set is its lowest row, whatever the order of the edges.
    """
    parent = np.arange(n_hits)
    for edge in range(len(source)):
        a = find_root(parent, source[edge])
        b = find_root(parent, target[edge])
        if a < b:
            parent[b] = a
        elif b < a:
            parent[a] = b
    return parent


@numba.njit(cache=True)
def number_sets(parent: Int64, min_hits: int) -> Int64:
    """(n_hits,) track of each hit, -1 in sets smaller than `min_hits`.

    Tracks are numbered 0, 1, ... by their lowest hit row, so labels depend on the partition only.
    """
    n_hits = len(parent)
    size = np.zeros(n_hits, dtype=np.int64)
    for hit in range(n_hits):
        size[find_root(parent, hit)] += 1
    track = np.full(n_hits, -1, dtype=np.int64)
    labels = np.full(n_hits, -1, dtype=np.int64)
    n_tracks = 0
    for hit in range(n_hits):
        root = find_root(parent, hit)
        if size[root] < min_hits:
            continue
        if track[root] < 0:
            track[root] = n_tracks
            n_tracks += 1
        labels[hit] = track[root]
    return labels


@numba.njit(cache=True)
def share_module(a: int, b: int, module: Int64, following: Int64) -> bool:
    """Whether the groups of the roots a and b hold hits of the same module."""
    while a >= 0:
        other = b
        while other >= 0:
            if module[other] == module[a]:
                return True
            other = following[other]
        a = following[a]
    return False
