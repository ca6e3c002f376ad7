"""Hits of a track or particle in the order in which it passes them, and how much that bends."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.event import Event
from hitgraph.event.field import CURVATURE, constant

Rows = NDArray[np.int64]


def paths(event: Event, group: Rows, n_groups: int) -> list[Rows]:
    """Rows of the hits of each group 0 .. n_groups - 1, by rising distance from the origin.

    `group` is (n_hits,); rows of group -1 are left out.
    """
    hits = event.hits
    depth = np.sqrt(hits.x.astype(np.float64) ** 2 + hits.y**2 + hits.z**2)
    order = np.lexsort((depth, group))
    ends = np.searchsorted(group[order], np.arange(n_groups + 1))
    return [order[start:end] for start, end in pairwise(ends)]


def transverse_momenta(event: Event, tracks: Sequence[Rows]) -> NDArray[np.float64]:
    """(n_tracks,) GeV, from the circle through the first, middle and last hit of each path.

    In the event's field at the middle hit; infinite without one, and where three are in line or not
    there.
    """
    hits = event.hits
    ends = [(rows[0], rows[len(rows) // 2], rows[-1]) for rows in tracks]
    first, middle, last = np.array(ends, np.int64).reshape(-1, 3).T
    x, y = hits.x.astype(np.float64), hits.y.astype(np.float64)
    ab = x[middle] - x[first], y[middle] - y[first]
    ac = x[last] - x[first], y[last] - y[first]
    bc = x[last] - x[middle], y[last] - y[middle]
    twice_area = np.abs(ab[0] * ac[1] - ab[1] * ac[0])
    sides = np.hypot(*ab) * np.hypot(*ac) * np.hypot(*bc)
    field = event.known_field or constant(0.0)
    tesla = field.at(np.hypot(x[middle], y[middle]), hits.z[middle])[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        pt = CURVATURE * np.abs(tesla) * sides / (2 * twice_area)
    return np.where((twice_area == 0) | (tesla == 0), np.inf, pt)
