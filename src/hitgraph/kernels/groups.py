"""Edges grouped by the hit at one of their ends."""

import numpy as np

from hitgraph.kernels.jit import kernel


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
