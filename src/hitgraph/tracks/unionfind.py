"""What the track builders share: edges above a cut, disjoint sets of hits, numbering of tracks."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.kernels.jit import exact

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Groups = tuple[Int64, Int64, Int64, Int64, NDArray[np.uint64]]  # see single_groups


def edges_above(edge_index: Tensor, scores: Tensor, cut: float) -> tuple[Int64, Int64, Float32]:
    """Source, target and score of the edges whose score is strictly above `cut`, in their order.

    edge_index (2, n_edges), scores (n_edges,) on the CPU; a NaN score is not above any cut.
    """
    index = edge_index.detach().numpy().astype(np.int64, copy=False)
    score = scores.detach().to(torch.float32).numpy()
    keep = np.flatnonzero(score > cut)
    return index[0, keep], index[1, keep], score[keep]


def best_order(score: Float32) -> Int64:
    """(n,) rows of scores from 0 to 1 by falling score, equal ones in their order.

    As whole numbers that hold the row too, all are different, and need no sort that is stable.
    """
    falling = ~(score + np.float32(0.0)).view(np.uint32)  # bits of positive numbers are in order
    key = falling.astype(np.uint64) << np.uint64(32) | np.arange(len(score), dtype=np.uint64)
    key.sort()
    return (key & np.uint64(0xFFFFFFFF)).astype(np.int64)


@exact
def find_root(parent: Int64, hit: int) -> int:
    """Root of the set that `hit` is in; halves the path on the way."""
    while parent[hit] != hit:
        parent[hit] = parent[parent[hit]]
        hit = parent[hit]
    return hit


@exact
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


@exact
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


@exact
def single_groups(module: Int64) -> Groups:
    """Every hit a group of its own: parent, size, following, last and bits, (n_hits,) each.

    following is the next hit of the same group or -1, last (of each root) the last hit of its
    group. bits has a bit a module (modulo 64): groups without a common bit have no common module.
    """
    n_hits = len(module)
    return (
        np.arange(n_hits),
        np.ones(n_hits, dtype=np.int64),
        np.full(n_hits, -1, dtype=np.int64),
        np.arange(n_hits),
        np.left_shift(np.uint64(1), (module & 63).astype(np.uint64)),
    )


@exact
def may_unite(a: int, b: int, groups: Groups, module: Int64, max_hits: int) -> bool:
    """Whether the groups of the roots a and b have no module in common, and are short enough."""
    _, size, following, _, bits = groups
    if size[a] + size[b] > max_hits:
        return False
    return not (bits[a] & bits[b] and share_module(a, b, module, following))


@exact
def unite(a: int, b: int, groups: Groups) -> tuple[int, int]:
    """Join the groups of the roots a and b; the root of the longer (a if equal) and the other."""
    parent, size, following, last, bits = groups
    if size[a] < size[b]:
        a, b = b, a
    parent[b] = a
    size[a] += size[b]
    bits[a] |= bits[b]
    following[last[a]] = b
    last[a] = last[b]
    return a, b


@exact
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
