"""Fixed-radius neighbour search in numba: the leaves of kd-trees compared whole, on all threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.graph.neighbours.kdtree import (
    LEAF,
    ZERO,
    Float32,
    Int32,
    Int64,
    build_tree,
    search_tree,
)
from hitgraph.kernels.jit import exact


def search(
    points: Tensor,
    queries: Tensor | None,
    squared_radius: float,
    rank: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """See neighbours.Backend."""
    tree = build_tree(_padded(points))
    asking = tree if queries is None else build_tree(_padded(queries))

    def task(begin: int, end: int) -> Int32:
        return search_tree(asking, tree, squared_radius, begin, end)

    parts = list(_in_parts(task, len(asking.leaves)))
    pairs = torch.empty((2, sum(len(part) for part in parts)), dtype=dtype)
    no_rank = np.empty(0, dtype=np.int32)
    ranks = no_rank if rank is None else rank.to(torch.int32).numpy()
    begin = 0
    for part in parts:
        _write_pairs(part, ranks, pairs.numpy(), begin)
        begin += len(part)
    return pairs


def nearest(points: Tensor, squared_radius: float, most: int) -> tuple[Tensor, Tensor]:
    """See neighbours.Backend."""
    tree = build_tree(_padded(points))

    def task(begin: int, end: int) -> Int64:
        entries: Int64 = _nearest(*tree, np.float32(squared_radius), most, begin, end)
        return entries

    parts = list(_in_parts(task, len(tree.leaves)))
    owner, key = torch.from_numpy(np.concatenate([np.empty((0, 2), np.int64), *parts])).T
    return owner, key


def _in_parts(task: Callable[[int, int], NDArray[Any]], n_leaves: int) -> Iterator[NDArray[Any]]:
    """What the task gives for ranges of leaves, in order."""
    n_threads = min(torch.get_num_threads(), n_leaves)
    if n_threads <= 1:
        yield task(0, n_leaves)
        return
    # More parts than threads, since leaves differ in work.
    edges = np.linspace(0, n_leaves, 8 * n_threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(task, edges[:-1], edges[1:])


def _padded(points: Tensor) -> Float32:
    """(n, 4, 8, 12 or 16) coordinates: zeros add nothing and four compiled searches do for all."""
    n_points, n_axes = points.shape
    padded = np.zeros((n_points, -(-n_axes // 4) * 4), dtype=np.float32)
    padded[:, :n_axes] = points.numpy()
    return padded


@exact
def _write_pairs(part: Int32, rank: Int32, pairs: NDArray[np.integer], begin: int) -> None:
    """Copy part (n, 2) to pairs[:, begin:], the lower rank first where there are ranks."""
    for i in range(len(part)):
        a, b = part[i]
        if len(rank) > 0 and rank[b] < rank[a]:
            a, b = b, a
        pairs[0, begin + i] = a
        pairs[1, begin + i] = b


@exact
def _sort(keys: Int64, n: int) -> None:
    keys[:n].sort()


@exact
def _nearest(
    leaves: Float32,
    rows: Int32,
    first: Int64,
    last: Int64,
    low: Float32,
    high: Float32,
    squared_radius: np.float32,
    most: int,
    begin: int,
    end: int,
) -> Int64:
    """(n, 2) row and key of the `most` nearest other points in reach, for leaves [begin, end).

    As kdtree._search walks the tree, but with a reach for each point of a leaf, which shrinks when
    its list is full and only its `most` nearest stay.
    """
    n_axes = leaves.shape[1]
    found = np.empty((1 << 12, 2), dtype=np.int64)
    n_found = 0
    keys = np.empty((LEAF, 2 * most + 4 * LEAF), dtype=np.int64)
    n_keys = np.empty(LEAF, dtype=np.int64)
    reach = np.empty(LEAF, dtype=np.float32)
    low_here, high_here = np.empty(n_axes, np.float32), np.empty(n_axes, np.float32)
    gaps = np.empty(LEAF, dtype=np.float32)
    distances = np.empty(LEAF, dtype=np.float32)
    bits = distances.view(np.int32)  # order like the distances, which are not negative
    for leaf in range(begin, end):
        n_keys[:] = 0
        reach[:] = squared_radius
        farthest = squared_radius
        for k in range(n_axes):
            low_here[k], high_here[k] = np.nanmin(leaves[leaf, k]), np.nanmax(leaves[leaf, k])
        node = 0
        while node < len(first):
            gap = ZERO
            for k in range(n_axes):
                outside = max(low[node, k] - high_here[k], low_here[k] - high[node, k])
                outside = max(outside, ZERO)
                gap += outside * outside
            if gap > farthest:
                node += 2 * (last[node] - first[node]) - 1
                continue
            other = first[node]
            is_leaf = last[node] - other == 1
            node += 1
            if not is_leaf:
                continue
            gaps[:] = ZERO
            for k in range(n_axes):
                for i in range(LEAF):  # the inner loops are over lanes, to be vectorised
                    x = leaves[leaf, k, i]
                    outside = max(max(low[node - 1, k] - x, x - high[node - 1, k]), ZERO)
                    gaps[i] += outside * outside
            for i in range(LEAF):
                if not gaps[i] <= reach[i]:
                    continue
                distances[:] = ZERO
                for k in range(n_axes):
                    for j in range(LEAF):
                        difference = leaves[leaf, k, i] - leaves[other, k, j]
                        distances[j] += difference * difference
                n_near = 0
                for j in range(LEAF):
                    n_near += int(distances[j] <= reach[i])
                if n_near == 0:
                    continue
                n = n_keys[i]
                for j in range(LEAF):
                    # Written whether near or not, kept when near: no branch to mispredict.
                    keys[i, n] = (np.int64(bits[j]) << 32) | rows[other, j]
                    n += int(distances[j] <= reach[i] and not (other == leaf and i == j))
                n_keys[i] = n
                if n + LEAF > keys.shape[1]:
                    _sort(keys[i], n)
                    n_keys[i] = most
                    bits[0] = keys[i, most - 1] >> 32
                    reach[i] = distances[0]
                    farthest = reach.max()
        for i in range(LEAF):
            _sort(keys[i], n_keys[i])
            for place in range(min(n_keys[i], most)):
                if n_found == len(found):
                    larger = np.empty((2 * len(found), 2), dtype=np.int64)
                    larger[:n_found] = found
                    found = larger
                found[n_found, 0] = rows[leaf, i]
                found[n_found, 1] = keys[i, place]
                n_found += 1
    return found[:n_found]
