"""Pairs of hits on two layers within cuts on azimuth and z0, on a CPU."""

import numpy as np

from hitgraph.graph.layer_pairs.plain import MARGIN, PHI, R, Z
from hitgraph.kernels.growth import doubled
from hitgraph.kernels.jit import kernel
from hitgraph.pairs.geometry import SHORTEST

_PI, _TURN = np.float32(np.pi), np.float32(2 * np.pi)
_ZERO = np.float32(0.0)


@kernel
def search_pairs(  # type: ignore[no-untyped-def]
    begin, end, columns, distance2, order, layer, module, starts, first, outer, limits
):
    """(2, n) int32: sorted places of the inner and outer hits, of inner hits from `begin` to `end`.

    Hits are sorted as plain.sort_hits has them; those of layer m lie from starts[m] to
    starts[m + 1]. Pairs of inner layer m are first[m] to first[m + 1] of outer and limits (n, 3).
    """
    r, phi, z = columns[R], columns[PHI], columns[Z]
    found = np.empty((2, 4096), np.int32)
    n = 0
    for i in range(begin, end):
        for pair in range(first[layer[i]], first[layer[i] + 1]):
            lowest, highest = starts[outer[pair]], starts[outer[pair] + 1]
            most_dphi, most_slope, most_z0 = limits[pair, 0], limits[pair, 1], limits[pair, 2]
            reach = min(most_dphi, _PI) + np.float32(MARGIN)
            for turn in range(-1, 2):
                low = phi[i] + turn * _TURN - reach
                high = phi[i] + turn * _TURN + reach
                if high < -_PI or low > _PI:
                    continue
                j = lowest + np.searchsorted(phi[lowest:highest], low)
                while j < highest and phi[j] <= high:
                    dphi = phi[j] + turn * -_TURN - phi[i]
                    dr = r[j] - r[i]
                    if abs(dr) < SHORTEST:
                        dr = -SHORTEST if dr < _ZERO else SHORTEST
                    z0 = z[i] - r[i] * ((z[j] - z[i]) / dr)
                    if (
                        abs(dphi) <= most_dphi
                        and abs(z0) <= most_z0
                        and abs(dphi) <= most_slope * abs(dr)
                        and module[j] != module[i]
                        and distance2[j] >= distance2[i]
                        and (distance2[j] > distance2[i] or order[j] > order[i])
                    ):
                        if n == found.shape[1]:
                            found = doubled(found)
                        found[0, n], found[1, n] = i, j
                        n += 1
                    j += 1
    return found[:, :n].copy()
