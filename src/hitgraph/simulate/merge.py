"""Hits of one module whose clusters touch, made one hit."""

import numba
import numpy as np

from hitgraph.event.detector import Detector
from hitgraph.simulate.crossings import Crossings
from hitgraph.simulate.digitise import Clusters, Response, measured_positions


def merge_touching(
    detector: Detector, crossings: Crossings, clusters: Clusters, response: Response
) -> tuple[Crossings, Clusters]:
    """Hits whose cells share a channel or an edge of one become one hit.

    It belongs to the particle that left the most charge; the charges of a shared channel add up
    (a strip stays at 1). `crossings` have to be sorted by module.
    """
    n_hits = len(crossings)
    charge = np.bincount(clusters.hit, clusters.value, n_hits)
    start = np.searchsorted(clusters.hit, np.arange(n_hits + 1))
    group = _groups(crossings.module, start, clusters.ch0, clusters.ch1)
    order = np.lexsort((-charge, group))
    keep = np.sort(order[np.diff(group[order], prepend=-1) > 0])
    new_row = np.empty(n_hits, np.int64)
    new_row[group[keep]] = np.arange(len(keep))
    kept = crossings.where(keep)

    hit = new_row[group[clusters.hit]]
    order = np.lexsort((clusters.ch1, clusters.ch0, hit))
    hit, ch0, ch1 = hit[order], clusters.ch0[order], clusters.ch1[order]
    new = (np.diff(hit, prepend=-1) != 0) | (np.diff(ch0, prepend=0) != 0)
    new |= np.diff(ch1, prepend=0) != 0
    first = np.flatnonzero(new)
    value = np.add.reduceat(clusters.value[order], first)
    hit, ch0, ch1 = hit[first], ch0[first], ch1[first]
    strip = ~detector.is_pixel[kept.module]
    value = np.where(strip[hit], np.float32(1), value)

    position = clusters.position[keep]
    merged = np.bincount(new_row[group], minlength=len(keep)) > 1
    moved = measured_positions(detector, kept.module, hit, ch0, ch1, value, response)
    position[merged] = moved[merged]
    return kept, Clusters(position, hit, ch0, ch1, value)


@numba.njit(cache=True)
def _groups(module, start, ch0, ch1):  # type: ignore[no-untyped-def]
    """(n_hits,) the first hit of each hit's group of touching ones; cells start[i]:start[i+1]."""
    group = np.arange(len(module))
    for j in range(len(module)):
        i = j - 1
        while i >= 0 and module[i] == module[j]:
            if _touch(start[i], start[i + 1], start[j], start[j + 1], ch0, ch1):
                one, other = group[i], group[j]
                low, high = min(one, other), max(one, other)
                for k in range(low, j + 1):
                    if group[k] == high:
                        group[k] = low
            i -= 1
    return group


@numba.njit(cache=True)
def _touch(first, end, other_first, other_end, ch0, ch1):  # type: ignore[no-untyped-def]
    for a in range(first, end):
        for b in range(other_first, other_end):
            if abs(ch0[a] - ch0[b]) + abs(ch1[a] - ch1[b]) <= 1:
                return True
    return False
