"""The search of the scored windows: cells, windows and the score of a pair in one kernel.

Cells and windows are those of window_search. A pair that passes the windows gets a score, a sum
of table entries, one for each of SCORE_VARIABLES; it is given up as soon as the best that the
remaining tables hold cannot lift it above the cut.
"""

import numpy as np
from numba import njit

from hitgraph.graph.pair_geometry import FAST, circle_through
from hitgraph.graph.window_search import (
    ALONG_BINS,
    CURVATURE,
    DETA,
    PHI_BINS,
    SIN_DPHI,
    Z0,
    along_bin,
    reach,
)

SCORE_VARIABLES = (
    "inner_along",  # mm, z of the inner hit on a barrel layer, its r on a disk
    "outer_along",
    "curvature",  # 1/mm
    "deta",
    "vertex",  # z0 / (100 mm + |z0|), z0 along the helix
    "impact",  # mm, distance in the (r, z) plane of the pair's line from the origin
    "inner_u",  # channels, the cluster's size minus the one that the pair's direction predicts
    "inner_v",
    "inner_charge",  # charge over path length, in units of the module's depth
    "outer_u",
    "outer_v",
    "outer_charge",
)
N_GEOMETRY = 6  # the first of SCORE_VARIABLES, those that need no clusters
N_BINS = 32

LANES = np.uint64(16)  # hits tested at once; the columns are padded by as many

# Rows of `columns`, (18, n_hits) float32: mm, pseudorapidity, charge, z or r along the layer, size
# in channels minus one, and from FRAME_ on the module's frame of pair_geometry.hit_rows
X_, Y_, Z_, R_, ETA_, CHARGE_, ALONG_, SIZE_U_, SIZE_V_, FRAME_ = range(10)
N_COLUMNS = 18

_VERTEX_SCALE = np.float32(100.0)
_ONE = np.float32(1.0)
_TINY = np.float32(1e-6)
_ARC_2, _ARC_4 = np.float32(1.0 / 6.0), np.float32(3.0 / 40.0)  # asin(x) / x


@njit(fastmath=FAST, inline="always", error_model="numpy")
def geometry_values(xi, yi, zi, ri, xj, yj, zj, rj):  # type: ignore[no-untyped-def]
    """Curvature, vertex and impact of SCORE_VARIABLES, then cot(theta) and the tangents.

    The tangents are cos a_i, sin a_i, cos a_j, sin a_j of pair_geometry.
    """
    _, _, curvature, arc, cos_i, sin_i, cos_j, sin_j = circle_through(xi, yi, ri, xj, yj, rj)
    dz = zj - zi
    dr = rj - ri
    cot = dz / arc
    square = sin_i * sin_i
    z0 = zi - cot * ri * (_ONE + square * (_ARC_2 + _ARC_4 * square))
    vertex = z0 / (_VERTEX_SCALE + abs(z0))
    impact = (zi * rj - zj * ri) / np.sqrt(dr * dr + dz * dz)
    return curvature, vertex, impact, cot, cos_i, sin_i, cos_j, sin_j


@njit(fastmath=FAST, inline="always", error_model="numpy")
def shape_values(columns, hit, cosine, sine, cot):  # type: ignore[no-untyped-def]
    """Size along u and v minus the predicted ones, charge over path length."""
    x, y, per_r = columns[X_, hit], columns[Y_, hit], _ONE / columns[R_, hit]
    tx = (cosine * x - sine * y) * per_r
    ty = (cosine * y + sine * x) * per_r
    u = abs(
        tx * columns[FRAME_, hit] + ty * columns[FRAME_ + 1, hit] + cot * columns[FRAME_ + 2, hit]
    )
    v = abs(
        tx * columns[FRAME_ + 3, hit]
        + ty * columns[FRAME_ + 4, hit]
        + cot * columns[FRAME_ + 5, hit]
    )
    w = abs(
        tx * columns[FRAME_ + 6, hit]
        + ty * columns[FRAME_ + 7, hit]
        + cot * columns[FRAME_ + 8, hit]
    )
    inverse = _ONE / max(w, _TINY)
    path = columns[CHARGE_, hit] * w / np.sqrt(_ONE + cot * cot)
    return columns[SIZE_U_, hit] - u * inverse, columns[SIZE_V_, hit] - v * inverse, path


@njit(fastmath=FAST, inline="always")
def table_bin(value, low, scale):  # type: ignore[no-untyped-def]
    """Bin of a value; the first and the last bin hold all that lies beyond."""
    place = (value - low) * scale
    # an unsigned index: no check for negative ones, which keeps loops vectorised
    return np.uint32(min(max(place, np.float32(0.0)), np.float32(N_BINS - 1)))


@njit(fastmath=FAST, cache=True, error_model="numpy")
def score_values(columns, first, second, n_variables):  # type: ignore[no-untyped-def]
    """(n_variables, n_pairs) float32 values of SCORE_VARIABLES; first is the inner hit."""
    values = np.empty((n_variables, len(first)), np.float32)
    for k in range(len(first)):
        i, j = first[k], second[k]
        curvature, vertex, impact, cot, cos_i, sin_i, cos_j, sin_j = geometry_values(
            columns[X_, i], columns[Y_, i], columns[Z_, i], columns[R_, i],
            columns[X_, j], columns[Y_, j], columns[Z_, j], columns[R_, j],
        )  # fmt: skip
        values[0, k] = columns[ALONG_, i]
        values[1, k] = columns[ALONG_, j]
        values[2, k] = curvature
        values[3, k] = columns[ETA_, j] - columns[ETA_, i]
        values[4, k] = vertex
        values[5, k] = impact
        if n_variables > N_GEOMETRY:
            u, v, charge = shape_values(columns, i, cos_i, sin_i, cot)
            values[6, k], values[7, k], values[8, k] = u, v, charge
            u, v, charge = shape_values(columns, j, cos_j, sin_j, cot)
            values[9, k], values[10, k], values[11, k] = u, v, charge
    return values


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def search_scored(  # type: ignore[no-untyped-def]
    begin, end,
    columns, distance2, order, layer, module, starts, span, along_is_z,
    first_window, window_outer, bounds, base, low, scale, table, best, cut,
):  # fmt: skip
    """Pairs (2, n) int32 and scores (n,) of inner hits with a place in [begin, end).

    Hits are sorted into cells: columns (18, n + LANES), distance2 (x^2 + y^2 + z^2), layer,
    module; order gives the original rows, which the pairs hold. The windows of inner layer m are
    first_window[m] to first_window[m + 1] of window_outer, bounds (n, 8, 2) of which the four of
    geometry count, base (n,), low and scale (n, n_variables), table (n, n_variables, N_BINS);
    best (n, 2) is the most that the tables of the outer cluster, and of both clusters, add to a
    score.
    """
    capacity = 4096
    pairs = np.empty((2, capacity), np.int32)
    scores = np.empty(capacity, np.float32)
    n_pairs = 0
    chosen = np.empty(LANES, np.uint32)  # hits that pass the windows
    score = np.empty(LANES, np.float32)
    scratch = np.empty((5, LANES), np.float32)
    mask = np.empty(LANES, np.bool_)
    bins_per_rad = PHI_BINS / (2.0 * np.pi)
    xs, ys, zs, rs, etas = columns[X_], columns[Y_], columns[Z_], columns[R_], columns[ETA_]
    for i in range(begin, end):
        xi, yi, zi, ri, eta = xs[i], ys[i], zs[i], rs[i], etas[i]
        phi_place = (np.arctan2(yi, xi) + np.pi) * bins_per_rad
        for window in range(first_window[layer[i]], first_window[layer[i] + 1]):
            m = window_outer[window]
            if span[m, 0] > span[m, 1]:
                continue
            sine_lo, sine_hi = bounds[window, SIN_DPHI, 0], bounds[window, SIN_DPHI, 1]
            z0_lo, z0_hi = bounds[window, Z0, 0], bounds[window, Z0, 1]
            bend_lo = bounds[window, CURVATURE, 0] * np.float32(0.5)
            bend_hi = bounds[window, CURVATURE, 1] * np.float32(0.5)
            eta_lo = eta + bounds[window, DETA, 0]
            eta_hi = eta + bounds[window, DETA, 1]
            lowest, highest = reach(zi, ri, z0_lo, z0_hi, eta_lo, eta_hi, span, m, along_is_z[m])
            if not lowest <= highest:
                continue
            along_lo = along_bin(lowest, span, m, along_is_z[m])
            along_hi = along_bin(highest, span, m, along_is_z[m])
            phi_lo = int(np.floor(phi_place + (np.arcsin(sine_lo) - 1e-5) * bins_per_rad))
            phi_hi = int(np.floor(phi_place + (np.arcsin(sine_hi) + 1e-5) * bins_per_rad))
            phi_hi = min(phi_hi, phi_lo + PHI_BINS - 1)
            n_chosen = 0
            for along in range(along_lo, along_hi + 1):
                cells = (m * ALONG_BINS + along) * PHI_BINS
                for wrap in range(-1, 2):
                    bin_lo = max(phi_lo - wrap * PHI_BINS, 0)
                    bin_hi = min(phi_hi - wrap * PHI_BINS, PHI_BINS - 1)
                    if bin_lo > bin_hi:
                        continue
                    j_lo = np.uint64(starts[cells + bin_lo])
                    j_hi = np.uint64(starts[cells + bin_hi + 1])
                    # whole vectors only: columns reach LANES beyond the last hit
                    count = (j_hi - j_lo + LANES - 1) // LANES * LANES
                    if n_chosen + count > len(mask):
                        mask = np.empty(2 * (n_chosen + count), np.bool_)
                        grown = np.empty(len(mask), np.uint32)
                        grown[:n_chosen] = chosen[:n_chosen]
                        chosen = grown
                        score = np.empty(len(mask), np.float32)
                        scratch = np.empty((5, len(mask)), np.float32)
                    for k in range(count):
                        j = j_lo + k
                        dx = xs[j] - xi
                        dy = ys[j] - yi
                        sine = (xi * dy - yi * dx) / (ri * rs[j])
                        bend = sine / np.sqrt(dx * dx + dy * dy)
                        z0 = zi - (zs[j] - zi) * ri / (rs[j] - ri)
                        mask[k] = (
                            (sine >= sine_lo)
                            & (sine <= sine_hi)
                            & (bend >= bend_lo)
                            & (bend <= bend_hi)
                            & (z0 >= z0_lo)
                            & (z0 <= z0_hi)
                            & (etas[j] >= eta_lo)
                            & (etas[j] <= eta_hi)
                        )
                    for k in range(j_hi - j_lo):
                        chosen[n_chosen] = j_lo + k
                        n_chosen += mask[k]
            n_chosen = score_pairs(
                i, columns, chosen, n_chosen, base[window], low[window], scale[window],
                table[window], best[window], cut, score, scratch,
            )  # fmt: skip
            for k in range(n_chosen):
                j = chosen[k]
                if distance2[j] < distance2[i]:
                    continue
                if distance2[j] == distance2[i] and order[j] <= order[i]:
                    continue
                if module[j] == module[i]:
                    continue
                if xi * xs[j] + yi * ys[j] < 0:
                    continue
                if n_pairs == capacity:
                    capacity *= 2
                    pairs_before, scores_before = pairs, scores
                    pairs = np.empty((2, capacity), np.int32)
                    scores = np.empty(capacity, np.float32)
                    pairs[:, :n_pairs] = pairs_before
                    scores[:n_pairs] = scores_before
                pairs[0, n_pairs] = order[i]
                pairs[1, n_pairs] = order[j]
                scores[n_pairs] = score[k]
                n_pairs += 1
    return pairs[:, :n_pairs].copy(), scores[:n_pairs].copy()


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def score_pairs(  # type: ignore[no-untyped-def]
    i, columns, chosen, n, base, low, scale, table, best, cut, score, scratch
):
    """Keep of the first n chosen partners of hit i those above the cut; how many are left.

    First all geometry, then the inner clusters, then the outer ones, each only of the pairs
    that the best of what is still to come could lift above the cut. score (at least n,) and
    scratch (5, at least n) are overwritten; the first entries of score are those of the kept.
    """
    xi, yi, zi, ri = columns[X_, i], columns[Y_, i], columns[Z_, i], columns[R_, i]
    eta = columns[ETA_, i]
    start = base + table[0, table_bin(columns[ALONG_, i], low[0], scale[0])]
    for k in range(n):
        j = chosen[k]
        curvature, vertex, impact, cot, cos_i, sin_i, cos_j, sin_j = geometry_values(
            xi, yi, zi, ri, columns[X_, j], columns[Y_, j], columns[Z_, j], columns[R_, j]
        )
        total = start + table[1, table_bin(columns[ALONG_, j], low[1], scale[1])]
        total += table[2, table_bin(curvature, low[2], scale[2])]
        total += table[3, table_bin(columns[ETA_, j] - eta, low[3], scale[3])]
        total += table[4, table_bin(vertex, low[4], scale[4])]
        score[k] = total + table[5, table_bin(impact, low[5], scale[5])]
        scratch[0, k], scratch[1, k], scratch[2, k] = cot, cos_i, sin_i
        scratch[3, k], scratch[4, k] = cos_j, sin_j
    n = _keep(chosen, score, scratch, n, cut - best[1])
    if table.shape[0] == N_GEOMETRY:
        return n
    for k in range(n):
        u, v, charge = shape_values(columns, i, scratch[1, k], scratch[2, k], scratch[0, k])
        score[k] += table[6, table_bin(u, low[6], scale[6])]
        score[k] += table[7, table_bin(v, low[7], scale[7])]
        score[k] += table[8, table_bin(charge, low[8], scale[8])]
    n = _keep(chosen, score, scratch, n, cut - best[0])
    for k in range(n):
        j = chosen[k]
        u, v, charge = shape_values(columns, j, scratch[3, k], scratch[4, k], scratch[0, k])
        score[k] += table[9, table_bin(u, low[9], scale[9])]
        score[k] += table[10, table_bin(v, low[10], scale[10])]
        score[k] += table[11, table_bin(charge, low[11], scale[11])]
    return _keep(chosen, score, scratch, n, cut)


@njit(cache=True, nogil=True, inline="always")
def _keep(chosen, score, scratch, n, cut):  # type: ignore[no-untyped-def]
    """Move the pairs with score >= cut to the front; how many there are."""
    kept = 0
    for k in range(n):
        if score[k] >= cut:
            chosen[kept] = chosen[k]
            score[kept] = score[k]
            for row in range(5):
                scratch[row, kept] = scratch[row, k]
            kept += 1
    return kept
