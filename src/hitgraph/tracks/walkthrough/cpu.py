"""The walkthrough on a CPU, one walk after the other. Kernels."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.kernels.jit import exact
from hitgraph.tracks.unionfind import Float32, Int64, connect, find_root


@exact
def walk(
    n_hits: int,
    inner: Int64,
    outer: Int64,
    score: Float32,
    walk_cut: float,
    add_cut: float,
    min_hits: int,
) -> Int64:
    """(n_hits,) parent of each hit: the first hit of its track, or itself when on none."""
    component = connect(n_hits, inner, outer)
    branches = _branching(component, inner, outer)
    start, edges = _edges_by_inner(n_hits, inner, outer)

    parent = np.arange(n_hits)
    used = np.zeros(n_hits, dtype=np.bool_)
    for hit in range(n_hits):
        root = find_root(component, hit)
        if not branches[root]:
            parent[hit] = root
            used[hit] = True

    length = np.zeros(n_hits, dtype=np.int64)  # hits of the longest path from here
    total = np.zeros(n_hits)  # sum of its scores
    onward = np.empty(n_hits, dtype=np.int64)  # its second hit
    seen = np.full(n_hits, -1, dtype=np.int64)  # last walk that came by
    reached = np.empty(n_hits, dtype=np.int64)
    for first in range(n_hits):
        if used[first]:
            continue
        reached[0], n_reached, looked_at = first, 1, 0
        seen[first] = first
        while looked_at < n_reached:
            hit = reached[looked_at]
            looked_at += 1
            best = _best_edge(hit, start, edges, outer, score, used)
            for place in range(start[hit], start[hit + 1]):
                edge = edges[place]
                after = outer[edge]
                if used[after] or seen[after] == first:
                    continue
                if score[edge] > add_cut or (edge == best and score[edge] > walk_cut):
                    seen[after] = first
                    reached[n_reached] = after
                    n_reached += 1
        for hit in np.sort(reached[:n_reached])[::-1]:  # from the outside in: edges lead upward
            length[hit], total[hit], onward[hit] = 1, 0.0, -1
            best = _best_edge(hit, start, edges, outer, score, used)
            for place in range(start[hit], start[hit + 1]):
                edge = edges[place]
                after = outer[edge]
                if used[after]:
                    continue
                if score[edge] > add_cut or (edge == best and score[edge] > walk_cut):
                    longer = 1 + length[after]
                    sum_of_scores = score[edge] + total[after]
                    if longer > length[hit] or (
                        longer == length[hit] and sum_of_scores > total[hit]
                    ):
                        length[hit], total[hit], onward[hit] = longer, sum_of_scores, after
        used[first] = True
        if length[first] >= min_hits:
            hit = first
            while hit >= 0:
                parent[hit] = first
                used[hit] = True
                hit = onward[hit]
    return parent


@exact
def _best_edge(
    hit: int, start: Int64, edges: Int64, outer: Int64, score: Float32, used: NDArray[np.bool_]
) -> int:
    """The edge outward with the highest score to a hit on no track yet, -1 if there is none."""
    best = -1
    for place in range(start[hit], start[hit + 1]):
        edge = edges[place]
        if not used[outer[edge]] and (best < 0 or score[edge] > score[best]):
            best = edge
    return best


@exact
def _branching(component: Int64, inner: Int64, outer: Int64) -> NDArray[np.bool_]:
    """(n_hits,) at the root of each component, whether a hit in it has two edges to one side."""
    inward = np.zeros(len(component), dtype=np.int64)
    outward = np.zeros(len(component), dtype=np.int64)
    branches = np.zeros(len(component), dtype=np.bool_)
    for edge in range(len(inner)):
        outward[inner[edge]] += 1
        inward[outer[edge]] += 1
        if outward[inner[edge]] > 1 or inward[outer[edge]] > 1:
            branches[find_root(component, inner[edge])] = True
    return branches


@exact
def _edges_by_inner(n_hits: int, inner: Int64, outer: Int64) -> tuple[Int64, Int64]:
    """Where the edges of each hit start, (n_hits + 1,), and the edges in that order.

    Those of one hit stand by their outer hit, so that ties do not hang on the order of the edges.
    """
    order = np.argsort(outer, kind="mergesort")
    start = np.zeros(n_hits + 1, dtype=np.int64)
    for edge in range(len(inner)):
        start[inner[edge] + 1] += 1
    start = np.cumsum(start)
    filled = start[:-1].copy()
    edges = np.empty(len(inner), dtype=np.int64)
    for place in range(len(order)):
        edge = order[place]
        edges[filled[inner[edge]]] = edge
        filled[inner[edge]] += 1
    return start, edges
