"""The search of a module map on a CPU: hits of connected modules, then triplets of them.

Rounded step by step as in torch (no fast arithmetic), since the variables of triplets are small
differences of large numbers.
"""

import numpy as np
from numba import njit

from hitgraph.graph.module_map.values import (
    DETA,
    DPHI,
    DPHI_SLOPE,
    DYDX,
    DZDR,
    ETA,
    N_PAIR,
    PHI,
    PHI_SLOPE,
    Z0,
    R,
    X,
    Y,
    Z,
)
from hitgraph.kernels.growth import doubled
from hitgraph.kernels.jit import exact
from hitgraph.pairs.geometry import SHORTEST

formula = njit(error_model="numpy", inline="always")

_PI, _TURN = np.float32(np.pi), np.float32(2 * np.pi)
_ZERO = np.float32(0.0)


@formula
def _no_less(difference):  # type: ignore[no-untyped-def]
    if abs(difference) >= SHORTEST:
        return difference
    return -SHORTEST if difference < _ZERO else SHORTEST


@formula
def _pair_values(columns, i, j):  # type: ignore[no-untyped-def]
    """The values of PAIR_VARIABLES, as values.pair_values has them."""
    dphi = columns[PHI, j] - columns[PHI, i]
    if dphi > _PI:
        dphi -= _TURN
    elif dphi < -_PI:
        dphi += _TURN
    dr = _no_less(columns[R, j] - columns[R, i])
    z0 = columns[Z, i] - columns[R, i] * ((columns[Z, j] - columns[Z, i]) / dr)
    return z0, dphi, dphi / dr, columns[ETA, i] - columns[ETA, j]


@formula
def _inside(value, bounds, row, variable):  # type: ignore[no-untyped-def]
    return bounds[row, variable, 0] <= value <= bounds[row, variable, 1]


@exact
def search_pairs(  # type: ignore[no-untyped-def]
    begin, end, columns, distance2, order, module, starts, first, outer, row, bounds
):
    """(3, n) int32: inner hit, outer hit, connection, of the inner hits from `begin` to `end`.

    Hits are sorted by module: columns (6, n_hits), distance2, module and order, their first rows;
    those of module m lie from starts[m] to starts[m + 1]. Connections of inner module m are
    first[m] to first[m + 1] of outer, the module, and row, that of bounds (n_rows, 4, 2).
    """
    found = np.empty((3, 4096), np.int32)
    n = 0
    for i in range(begin, end):
        for c in range(first[module[i]], first[module[i] + 1]):
            k = row[c]
            for j in range(starts[outer[c]], starts[outer[c] + 1]):
                z0, dphi, slope, deta = _pair_values(columns, i, j)
                if not (
                    _inside(dphi, bounds, k, DPHI)
                    and _inside(deta, bounds, k, DETA)
                    and _inside(slope, bounds, k, PHI_SLOPE)
                    and _inside(z0, bounds, k, Z0)
                ):
                    continue
                if distance2[j] < distance2[i]:
                    continue
                if distance2[j] == distance2[i] and order[j] <= order[i]:
                    continue
                if n == found.shape[1]:
                    found = doubled(found)
                found[0, n], found[1, n], found[2, n] = i, j, c
                n += 1
    return found[:, :n].copy()


@exact
def mark_triplets(  # type: ignore[no-untyped-def]
    begin, end, columns, edges, start, kept,
    of_class, class_first, class_next, own_first, own_next, bounds,
):  # fmt: skip
    """Set kept (n_edges,) for the edges from `begin` to `end` and those that continue them well.

    edges (3, n_edges) as search_pairs gives them, those of inner hit i from start[i] to
    start[i + 1]; the others are those of tables.Connections. Within a hit, edges and their classes
    rise, as the continuations of a class or connection do: both lists are walked side by side.
    """
    n_class = len(class_next)
    for edge in range(begin, end):
        i, j, c = edges[0, edge], edges[1, edge], edges[2, edge]
        place, last = class_first[of_class[c]], class_first[of_class[c] + 1]
        own, own_last = own_first[c], own_first[c + 1]
        if place == last and own == own_last:
            continue
        z0, dphi, slope, deta = _pair_values(columns, i, j)
        dzdr = (columns[Z, j] - columns[Z, i]) / _no_less(columns[R, j] - columns[R, i])
        dydx = (columns[Y, j] - columns[Y, i]) / _no_less(columns[X, j] - columns[X, i])
        for other in range(start[j], start[j + 1]):
            following = edges[2, other]
            while own < own_last and own_next[own] < following:
                own += 1
            while place < last and class_next[place] < of_class[following]:
                place += 1
            if own < own_last and own_next[own] == following:
                k = n_class + own
            elif place < last and class_next[place] == of_class[following]:
                k = place
            else:
                continue
            h = edges[1, other]
            z0_23, dphi_23, slope_23, deta_23 = _pair_values(columns, j, h)
            if not (
                _inside(slope - slope_23, bounds, k, DPHI_SLOPE)
                and _inside(z0, bounds, k, Z0)
                and _inside(dphi, bounds, k, DPHI)
                and _inside(slope, bounds, k, PHI_SLOPE)
                and _inside(deta, bounds, k, DETA)
                and _inside(z0_23, bounds, k, N_PAIR + Z0)
                and _inside(dphi_23, bounds, k, N_PAIR + DPHI)
                and _inside(slope_23, bounds, k, N_PAIR + PHI_SLOPE)
                and _inside(deta_23, bounds, k, N_PAIR + DETA)
            ):
                continue
            dz, dr = columns[Z, h] - columns[Z, j], _no_less(columns[R, h] - columns[R, j])
            if not _inside(dzdr - dz / dr, bounds, k, DZDR):
                continue
            dy, dx = columns[Y, h] - columns[Y, j], _no_less(columns[X, h] - columns[X, j])
            if not _inside(-(dydx + dy / dx), bounds, k, DYDX):
                continue
            kept[edge] = True
            kept[other] = True
