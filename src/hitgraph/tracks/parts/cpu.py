"""Pairs of parts with similar directions, one behind the other, on a CPU."""

import numpy as np

from hitgraph.kernels.growth import doubled
from hitgraph.kernels.jit import exact
from hitgraph.tracks.parts.plain import OVERLAP


@exact
def near_pairs(begin, end, n_hits, middle, begins, ends, place, max_hits):  # type: ignore[no-untyped-def]
    """What plain.near_pairs gives, in the same order."""
    n, found = 0, np.empty((2, 1024), np.int64)
    for row in range(len(begin)):
        one = row % len(n_hits)
        for other in range(begin[row], end[row]):
            if n_hits[one] + n_hits[other] > max_hits:
                continue
            inner, outer = (other, one) if middle[one] > middle[other] else (one, other)
            if begins[outer] - ends[inner] < -OVERLAP:
                continue
            apart = (place[inner, 0] - place[outer, 0]) ** 2
            apart += (place[inner, 1] - place[outer, 1]) ** 2
            apart += (place[inner, 2] - place[outer, 2]) ** 2
            if apart > 1:
                continue
            if n == found.shape[1]:
                found = doubled(found)
            found[0, n], found[1, n] = inner, outer
            n += 1
    return found[:, :n].copy()
