"""Edges grouped by the hit at one of their ends, hits by their track."""

import numpy as np

from hitgraph.kernels.jit import exact, kernel

_SHORT = 64  # a group that is sorted number by number


@kernel
def group_by_hit(end, n_hits):  # type: ignore[no-untyped-def]
    """Where the edges of each hit begin, (n_hits + 1,) int64, and the edges sorted by hit, int32.

    end (n_edges,) the hit of each edge; edges of a hit keep their order.
    """
    start = np.zeros(n_hits + 1, np.int64)
    for edge in range(len(end)):
        start[end[edge] + 1] += 1
    for hit in range(n_hits):
        start[hit + 1] += start[hit]
    place = start[:-1].copy()
    order = np.empty(len(end), np.int32)
    for edge in range(len(end)):
        hit = end[edge]
        order[place[hit]] = edge
        place[hit] += 1
    return start, order


@exact
def sort_groups(start, order, key):  # type: ignore[no-untyped-def]
    """Sort order[start[k]:start[k + 1]] of each group by the keys of its members, in place.

    start (n_groups + 1,) int64, order (n,) int32, key (n,) float64; equal ones keep their order.
    """
    for group in range(len(start) - 1):
        begin, end = start[group], start[group + 1]
        if end - begin > _SHORT:
            members = order[begin:end].copy()
            order[begin:end] = members[np.argsort(key[members], kind="mergesort")]
            continue
        for k in range(begin + 1, end):
            member = order[k]
            place = k
            while place > begin and key[order[place - 1]] > key[member]:
                order[place] = order[place - 1]
                place -= 1
            order[place] = member
