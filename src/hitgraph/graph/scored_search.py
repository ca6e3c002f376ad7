"""The search of the scored windows: cells and windows, then the score of what passes.

Cells and windows are those of window_search. A pair that passes the windows gets a score
(scored_block), a sum of table entries, one for each of SCORE_VARIABLES.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hitgraph.graph import scored_block as block
from hitgraph.graph import scored_values as values
from hitgraph.graph.pair_geometry import ETA, FAST, SIZE_U, SIZE_V, R, Z
from hitgraph.graph.scored_block import BLOCK, PLACE_WIDTH, SCORE_AT, SCRATCH
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
from hitgraph.kernels.lanes import LANES

Float32 = NDArray[np.float32]

_TURN = PHI_BINS / (2.0 * np.pi)  # bins a radian
_STEEPEST = 30.0  # pseudorapidity difference; a window that is open ends here


def window_reach(bounds: Float32) -> NDArray[np.float64]:
    """(n_windows, 6) what windows (n_windows, 8, 2) mean for the cells: see `search_scored`.

    Lowest and highest azimuth difference in bins, cosh and sinh of the lowest and of the highest
    difference of pseudorapidity.
    """
    sine, deta = (bounds[:, k].astype(np.float64) for k in (SIN_DPHI, DETA))
    margin = np.array([-1e-5, 1e-5])
    turn = (np.arcsin(np.clip(sine, -1.0, 1.0)) + margin) * _TURN
    deta = np.clip(deta, -_STEEPEST, _STEEPEST)
    return np.concatenate([turn, np.cosh(deta), np.sinh(deta)], axis=1)


def hit_tables(rows: Float32, charge: Float32) -> tuple[Float32, Float32, Float32]:
    """Columns (5, n_hits + LANES), places (n_hits, 8), clusters (n_hits, 16) for `search_scored`.

    rows (n_hits, 16) of hit_rows, which become the clusters, and charge (n_hits,).
    """
    columns = np.zeros((ETA + 1, len(rows) + LANES), np.float32)
    columns[:, : len(rows)] = rows[:, : ETA + 1].T
    places = np.ascontiguousarray(rows[:, :PLACE_WIDTH])
    rows[:, block.CHARGE] = charge
    rows[:, [SIZE_U, SIZE_V]] -= 1.0
    return columns, places, rows


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def search_scored(  # type: ignore[no-untyped-def]
    begin, end,
    columns, places, clusters, distance2, order, layer, module, starts, span, along_is_z,
    first_window, window_outer, bounds, reaches, base, low, scale, table, best, cut,
):  # fmt: skip
    """Pairs (2, n) int32 and scores (n,) of inner hits with a place in [begin, end).

    Hits are sorted into cells: columns (5, n + LANES), places and clusters (`hit_tables`),
    distance2 (x^2 + y^2 + z^2), layer, module; order gives the original rows, which the pairs
    hold. The windows of inner layer m are first_window[m] to first_window[m + 1] of window_outer,
    bounds (n, 8, 2) of which the four of geometry count, reaches (`window_reach`), base (n,), low
    and scale (n, n_variables), table (n, n_variables * N_BINS); best (n,) is the most that the
    tables of the outer cluster add to a score.
    """
    capacity = 4096
    pairs = np.empty((2, capacity), np.int32)
    scores = np.empty(capacity, np.float32)
    n_pairs = 0
    chosen = np.empty(4 * BLOCK, np.uint32)  # hits that pass the windows
    mask = np.empty(4 * BLOCK, np.bool_)
    partners = np.empty(BLOCK, np.uint32)
    scratch = np.zeros(SCRATCH, np.float32)
    xs, ys, zs, rs, etas = columns[0], columns[1], columns[2], columns[3], columns[4]
    for i in range(begin, end):
        xi, yi, zi, ri, eta = xs[i], ys[i], zs[i], rs[i], etas[i]
        phi_place = (np.arctan2(yi, xi) + np.pi) * _TURN
        steep, long = np.sinh(np.float64(eta)), np.cosh(np.float64(eta))
        for window in range(first_window[layer[i]], first_window[layer[i] + 1]):
            m = window_outer[window]
            if span[m, 0] > span[m, 1]:
                continue
            z0_lo, z0_hi = bounds[window, Z0, 0], bounds[window, Z0, 1]
            lowest, highest = reach(
                zi, ri, z0_lo, z0_hi,
                steep * reaches[window, 2] + long * reaches[window, 4],
                steep * reaches[window, 3] + long * reaches[window, 5],
                span, m, along_is_z[m],
            )  # fmt: skip
            if not lowest <= highest:
                continue
            along_lo = along_bin(lowest, span, m, along_is_z[m])
            along_hi = along_bin(highest, span, m, along_is_z[m])
            phi_lo = int(np.floor(phi_place + reaches[window, 0]))
            phi_hi = min(int(np.floor(phi_place + reaches[window, 1])), phi_lo + PHI_BINS - 1)
            sine_lo, sine_hi = bounds[window, SIN_DPHI, 0], bounds[window, SIN_DPHI, 1]
            bend_lo = bounds[window, CURVATURE, 0] * np.float32(0.5)
            bend_hi = bounds[window, CURVATURE, 1] * np.float32(0.5)
            eta_lo = eta + bounds[window, DETA, 0]
            eta_hi = eta + bounds[window, DETA, 1]
            n_chosen = 0
            for along in range(along_lo, along_hi + 1):
                cells = (m * ALONG_BINS + along) * PHI_BINS
                for wrap in range(-1, 2):
                    bin_lo = max(phi_lo - wrap * PHI_BINS, 0)
                    bin_hi = min(phi_hi - wrap * PHI_BINS, PHI_BINS - 1)
                    if bin_lo > bin_hi:
                        continue
                    j_lo, j_hi = starts[cells + bin_lo], starts[cells + bin_hi + 1]
                    # whole vectors only: columns reach LANES beyond the last hit
                    count = (j_hi - j_lo + LANES - 1) // LANES * LANES
                    if n_chosen + count > len(chosen):
                        grown = np.empty(2 * (n_chosen + count), np.uint32)
                        grown[:n_chosen] = chosen[:n_chosen]
                        chosen = grown
                        mask = np.empty(len(grown), np.bool_)
                    for k in range(np.uint64(count)):
                        j = np.uint64(j_lo) + k
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
            place = zi if along_is_z[layer[i]] else ri
            start = (
                base[window]
                + table[window, values.table_bin(place, low[window, 0], scale[window, 0])]
            )
            partners_along = Z if along_is_z[m] else R
            for first in range(0, n_chosen, BLOCK):
                n = min(BLOCK, n_chosen - first)
                partners[:n] = chosen[first : first + n]
                n = block.score_block(
                    scratch, partners, n, i, places, clusters, partners_along, start,
                    low[window], scale[window], table[window], best[window], cut,
                )  # fmt: skip
                if n_pairs + n > capacity:
                    capacity *= 2
                    pairs_before, scores_before = pairs, scores
                    pairs = np.empty((2, capacity), np.int32)
                    scores = np.empty(capacity, np.float32)
                    pairs[:, :n_pairs] = pairs_before[:, :n_pairs]
                    scores[:n_pairs] = scores_before[:n_pairs]
                for k in range(n):
                    j = partners[k]
                    if distance2[j] < distance2[i]:
                        continue
                    if distance2[j] == distance2[i] and order[j] <= order[i]:
                        continue
                    if module[j] == module[i]:
                        continue
                    if xi * xs[j] + yi * ys[j] < 0:
                        continue
                    pairs[0, n_pairs] = order[i]
                    pairs[1, n_pairs] = order[j]
                    scores[n_pairs] = scratch[SCORE_AT + k]
                    n_pairs += 1
    return pairs[:, :n_pairs].copy(), scores[:n_pairs].copy()
