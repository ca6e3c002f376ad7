"""The search of the scored windows: cells and windows, then the score of what passes.

Cells and windows are those of windows.cpu. A pair that passes the windows gets a score
(scored.block), a sum of table entries, one for each of SCORE_VARIABLES.
"""

import numpy as np
from numpy.typing import NDArray

from hitgraph.graph.scored import block, values
from hitgraph.graph.scored.block import BLOCK, PLACE_WIDTH, SCORE_AT, SCRATCH
from hitgraph.graph.windows.cpu import (
    ALONG_BINS,
    CURVATURE,
    DETA,
    PHI_BINS,
    SIN_DPHI,
    Z0,
    along_bin,
    reach,
)
from hitgraph.graph.windows.lanes import fitting
from hitgraph.hits import Hits
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.jit import exact, kernel, step
from hitgraph.kernels.lanes import LANES, list_bits
from hitgraph.kernels.scalars import within
from hitgraph.pairs.geometry import ETA, SIZE_U, SIZE_V, R, Z

Float32 = NDArray[np.float32]

_HITS = 4096  # what is worth a task
_TURN = PHI_BINS / (2.0 * np.pi)  # bins a radian
_STEEPEST = 30.0  # pseudorapidity difference; a window that is open ends here


def window_reach(bounds: Float32) -> NDArray[np.float64]:
    """(n_windows, 6) what windows (n_windows, 8, 2) mean for the cells: see `search_scored`.

    Lowest and highest difference of azimuth in bins, cosh of the lowest and of the highest
    difference of pseudorapidity, then sinh of both.
    """
    sine, deta = (bounds[:, k].astype(np.float64) for k in (SIN_DPHI, DETA))
    margin = np.array([-1e-5, 1e-5])
    sine, deta = np.nan_to_num(sine), np.nan_to_num(deta)
    turn = (np.arcsin(np.clip(sine, -1.0, 1.0)) + margin) * _TURN
    deta = np.clip(deta, -_STEEPEST, _STEEPEST)
    return np.concatenate([turn, np.cosh(deta), np.sinh(deta)], axis=1)


def sorted_hits(
    order: NDArray[np.int32], rows: Float32, hits: Hits
) -> tuple[NDArray[np.generic], ...]:
    """Hits in an order, as `search_scored` wants them, from rows (n_hits, 16) of hit_rows.

    Columns (6, n_hits + LANES) x, y, z, r, eta and 1 / r; places (n_hits, 8), the first of a row;
    clusters (n_hits, 16), a row with the charge for eta and sizes that count from zero; distance2
    (x^2 + y^2 + z^2, float64) from the origin, order, layer and module.
    """
    n = len(order)
    tensors = hits.charge.contiguous(), hits.position.contiguous(), hits.layer, hits.module
    given = rows, *(one.numpy() for one in tensors)
    columns = np.zeros((ETA + 2, n + LANES), np.float32)
    tables = np.empty((n, PLACE_WIDTH), np.float32), np.empty((n, rows.shape[1]), np.float32)
    layer, module = np.empty((2, n), np.int64)
    filled = (columns, *tables, np.empty(n), order, layer, module)

    def task(begin: int, end: int) -> None:
        _fill_sorted(begin, end, given, filled)

    in_blocks(task, n, _HITS)
    return filled


@exact
def _fill_sorted(begin, end, given, filled):  # type: ignore[no-untyped-def]
    rows, charge, position, layer_of, module_of = given
    columns, places, clusters, distance2, order, layer, module = filled
    for k in range(begin, end):
        hit = order[k]
        for column in range(rows.shape[1]):
            clusters[k, column] = rows[hit, column]
        for column in range(places.shape[1]):
            places[k, column] = rows[hit, column]
        for column in range(ETA + 1):
            columns[column, k] = rows[hit, column]
        columns[ETA + 1, k] = np.float32(1.0) / rows[hit, R]  # infinite on the beam line
        clusters[k, block.CHARGE] = charge[hit]
        clusters[k, SIZE_U] -= np.float32(1.0)
        clusters[k, SIZE_V] -= np.float32(1.0)
        x, y, z = position[hit]
        x, y, z = np.float64(x), np.float64(y), np.float64(z)
        distance2[k] = x * x + y * y + z * z
        layer[k], module[k] = layer_of[hit], module_of[hit]


@kernel
def search_scored(begin, end, hits, windows):  # type: ignore[no-untyped-def]
    """Pairs (2, n) int32 and scores (n,) of inner hits with a place in [begin, end).

    hits and windows are tuples of what `_search` names. Hits are sorted into cells: columns
    (6, n + LANES), places, clusters, distance2, order, layer and module of `sorted_hits`, of whose
    order the pairs hold the rows. The windows of inner layer m are
    first_window[m] to first_window[m + 1] of window_outer, bounds (n, 8, 2) of which the four of
    geometry count, reaches (`window_reach`), base (n,), low and scale (n, n_variables), table
    (n, n_variables * N_BINS); best (n,) is the most that the tables of the outer cluster add to a
    score, cut the lowest score.
    """
    _, _, _, _, _, _, _, starts, _, _ = hits
    longest = _longest_list(starts)
    chosen, scratch = np.empty(longest, np.uint32), np.zeros(SCRATCH, np.float32)
    pairs, scores = np.empty((2, 4096), np.int32), np.empty(4096, np.float32)
    i, n_pairs = begin, 0
    while True:
        i, n_pairs = _search(i, end, hits, windows, chosen, scratch, pairs, scores, n_pairs)
        if i == end:
            return pairs[:, :n_pairs].copy(), scores[:n_pairs].copy()
        pairs_before, scores_before = pairs, scores
        pairs = np.empty((2, 2 * len(scores)), np.int32)
        scores = np.empty(2 * len(scores), np.float32)
        pairs[:, :n_pairs] = pairs_before[:, :n_pairs]
        scores[:n_pairs] = scores_before[:n_pairs]


@step
def _longest_list(starts):  # type: ignore[no-untyped-def]
    """Of hits on one layer, and a vector beyond."""
    cells, longest = ALONG_BINS * PHI_BINS, 0
    for first in range(0, len(starts) - 1, cells):
        longest = max(longest, starts[first + cells] - starts[first])
    return longest + LANES


@step
def _search(  # type: ignore[no-untyped-def]
    begin, end, hits, windows, chosen, scratch, pairs, scores, n_pairs
):
    """Append the pairs of inner hits from `begin` on until there is no more room.

    Returns the hit at which it stopped, and the number of pairs.
    """
    columns, places, clusters, distance2, order, layer, module, starts, span, along_is_z = hits
    first_window, window_outer, bounds, reaches, base, low, scale, table, best, cut = windows
    xs, ys, zs, rs, etas = columns[0], columns[1], columns[2], columns[3], columns[4]
    length = columns.shape[1]
    for i in range(begin, end):
        n_before = n_pairs
        xi, yi, zi, ri, eta = xs[i], ys[i], zs[i], rs[i], etas[i]
        hit = xi, yi, zi, ri, columns[5, i]
        phi_place = within((np.arctan2(yi, xi) + np.pi) * _TURN, 0.0, np.float64(PHI_BINS))
        steep = np.float64(zi) / np.float64(ri)  # sinh of eta
        long = np.sqrt(1.0 + steep * steep)  # cosh
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
            n_bins = int(np.floor(phi_place + reaches[window, 1])) - phi_lo + 1
            n_bins = max(0, min(n_bins, PHI_BINS))  # none where a window is upside down
            phi_lo %= PHI_BINS
            n_before_pi = min(n_bins, PHI_BINS - phi_lo)
            sine_lo, sine_hi = bounds[window, SIN_DPHI, 0], bounds[window, SIN_DPHI, 1]
            bend_lo = bounds[window, CURVATURE, 0] * np.float32(0.5)
            bend_hi = bounds[window, CURVATURE, 1] * np.float32(0.5)
            eta_lo = eta + bounds[window, DETA, 0]
            eta_hi = eta + bounds[window, DETA, 1]
            limits = sine_lo, sine_hi, bend_lo, bend_hi, z0_lo, z0_hi, eta_lo, eta_hi
            n_chosen = 0
            for along in range(along_lo, along_hi + 1):
                cells = (m * ALONG_BINS + along) * PHI_BINS
                for part in range(1 if n_before_pi == n_bins else 2):
                    if part == 0:
                        first, last = phi_lo, phi_lo + n_before_pi
                    else:
                        first, last = 0, n_bins - n_before_pi
                    j_lo, j_hi = starts[cells + first], starts[cells + last]
                    for top in range(j_lo, j_hi, LANES):  # columns reach as far beyond the last hit
                        bits = fitting(columns, length, top, hit, limits)
                        bits &= (1 << min(LANES, j_hi - top)) - 1
                        n_chosen += list_bits(chosen, n_chosen, top, bits)
            place = zi if along_is_z[layer[i]] else ri
            start = (
                base[window]
                + table[window, values.table_bin(place, low[window, 0], scale[window, 0])]
            )
            partners_along = Z if along_is_z[m] else R
            for first in range(0, n_chosen, BLOCK):
                n = min(BLOCK, n_chosen - first)
                n = block.score_block(
                    scratch, chosen, first, n, i, places, clusters, partners_along, start,
                    low, scale, table, window, best[window], cut,
                )  # fmt: skip
                if n_pairs + n > len(scores):
                    return i, n_before
                for k in range(n):
                    j = chosen[first + k]
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
    return end, n_pairs
