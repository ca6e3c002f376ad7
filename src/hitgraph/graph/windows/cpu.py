"""The search behind the window builder: cells of hits, and the pairs that pass every window.

Hits are sorted into cells: layer, then bins along the layer (z of a barrel layer, r of a disk),
then bins in phi. For an inner hit and an outer layer, the dphi and z0 windows bound the cells
that can hold a partner; every hit of those cells is tested against every window.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.groups import group_by_hit
from hitgraph.kernels.growth import doubled
from hitgraph.kernels.jit import exact, formula, kernel
from hitgraph.kernels.scalars import within
from hitgraph.pairs.geometry import (
    ETA,
    SIZE_U,
    SIZE_V,
    R,
    X,
    Y,
    Z,
    circle,
    crossing,
    on_beam_line,
)

# Columns of a window table; a pair passes when lo <= value <= hi in every one.
VARIABLES = (
    "sin_dphi",  # sine of the azimuth difference
    "z0",  # mm, straight line in (r, z) through both hits, at the beam line
    "curvature",  # 1/mm, of the circle through the beam line and both hits
    "deta",  # difference of pseudorapidity
    "inner_u",  # channels, cluster size minus the one predicted by the pair's direction, along u
    "inner_v",
    "outer_u",
    "outer_v",
)
SIN_DPHI, Z0, CURVATURE, DETA, INNER_U, INNER_V, OUTER_U, OUTER_V = range(len(VARIABLES))
N_GEOMETRY = 4  # the first four need no clusters

PHI_BINS = 128
ALONG_BINS = 8
_HITS = 4096  # what is worth a task

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


@kernel
def pair_values(rows, first, second):  # type: ignore[no-untyped-def]
    """(n_pairs, 8) float32 values of VARIABLES; rows as of hit_rows, first is the inner hit."""
    values = np.empty((len(first), 8), np.float32)
    for k in range(len(first)):
        a, b = rows[first[k]], rows[second[k]]
        _, sine, curvature, arc, cos_i, sin_i, cos_j, sin_j = circle(a, b)
        dz = b[Z] - a[Z]
        cot = dz / arc
        values[k, SIN_DPHI] = sine
        values[k, Z0] = on_beam_line(a[Z], a[R], b[Z], b[R])
        values[k, CURVATURE] = curvature
        values[k, DETA] = b[ETA] - a[ETA]
        u, v, w = crossing(a, cos_i, sin_i, cot)
        values[k, INNER_U] = a[SIZE_U] - u / w
        values[k, INNER_V] = a[SIZE_V] - v / w
        u, v, w = crossing(b, cos_j, sin_j, cot)
        values[k, OUTER_U] = b[SIZE_U] - u / w
        values[k, OUTER_V] = b[SIZE_V] - v / w
    return values


def sort_into_cells(
    rows: Float32, layer: Int64, along_is_z: NDArray[np.bool_], n_layers: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], Float32]:
    """Order of the hits by cell, the first hit of each cell, and the span of each layer.

    Returns order (n_hits,), starts (n_layers * ALONG_BINS * PHI_BINS + 1,), span (n_layers, 4) with
    columns r_min, r_max, z_min, z_max.
    """
    span = _span_of_layers(rows, layer, n_layers)
    cell = np.empty(len(rows), np.int32)

    def task(begin: int, end: int) -> None:
        _find_cells(begin, end, rows, layer, span, along_is_z, cell)

    in_blocks(task, len(rows), _HITS)
    starts, order = group_by_hit(cell, n_layers * ALONG_BINS * PHI_BINS)
    return order, starts.astype(np.int32), span


@exact
def _span_of_layers(rows, layer, n_layers):  # type: ignore[no-untyped-def]
    span = np.empty((n_layers, 4), np.float32)
    span[:, 0] = span[:, 2] = np.inf
    span[:, 1] = span[:, 3] = -np.inf
    for k in range(len(rows)):
        m = layer[k]
        span[m, 0] = min(span[m, 0], rows[k, R])
        span[m, 1] = max(span[m, 1], rows[k, R])
        span[m, 2] = min(span[m, 2], rows[k, Z])
        span[m, 3] = max(span[m, 3], rows[k, Z])
    return span


@exact
def _find_cells(begin, end, rows, layer, span, along_is_z, cell):  # type: ignore[no-untyped-def]
    for k in range(begin, end):
        m = layer[k]
        t = rows[k, Z] if along_is_z[m] else rows[k, R]
        along = along_bin(t, span, m, along_is_z[m])
        phi = phi_bin(np.arctan2(rows[k, Y], rows[k, X]))
        cell[k] = (m * ALONG_BINS + along) * PHI_BINS + phi


@njit(inline="always")
def along_bin(t, span, layer, is_z):  # type: ignore[no-untyped-def]
    low = span[layer, 2] if is_z else span[layer, 0]
    high = span[layer, 3] if is_z else span[layer, 1]
    place = (t - low) * (ALONG_BINS / max(high - low, np.float32(1e-3)))
    return int(within(place, 0.0, ALONG_BINS - 1.0))


@njit(inline="always")
def phi_bin(phi):  # type: ignore[no-untyped-def]
    return int(within((phi + np.pi) * (PHI_BINS / (2.0 * np.pi)), 0.0, PHI_BINS - 1.0))


@kernel
def search_block(  # type: ignore[no-untyped-def]
    begin,
    end,
    rows,
    columns,
    distance2,
    order,
    layer,
    starts,
    span,
    along_is_z,
    first_window,
    window_outer,
    bounds,
    use_shape,
):
    """Pairs (2, n) int32 whose inner hit has a place in [begin, end) of the sorted hits.

    rows (n, 16) and columns (5, n: x, y, z, r, eta) are sorted, as are distance2 (x^2+y^2+z^2)
    and layer; order gives the original rows, which the pairs hold. Windows of inner layer m are
    first_window[m] to first_window[m + 1] of window_outer and bounds (n, 8, 2).
    """
    pairs = np.empty((2, 1024), np.int32)
    n_pairs = 0
    mask = np.empty(1024, np.bool_)
    xs, ys, zs, rs, etas = columns[0], columns[1], columns[2], columns[3], columns[4]
    two_pi = 2.0 * np.pi
    for i in range(begin, end):
        a = rows[i]
        xi, yi, zi, ri, eta = a[X], a[Y], a[Z], a[R], a[ETA]
        phi = np.arctan2(yi, xi)
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
            limits = sine_lo, sine_hi, bend_lo, bend_hi, z0_lo, z0_hi, eta_lo, eta_hi
            low, high = reach(
                zi, ri, z0_lo, z0_hi, np.sinh(eta_lo), np.sinh(eta_hi), span, m, along_is_z[m]
            )
            if low > high:
                continue
            along_lo = along_bin(low, span, m, along_is_z[m])
            along_hi = along_bin(high, span, m, along_is_z[m])
            # a bound beyond one, by its margin for rounding, is no sine
            turn_lo = np.arcsin(within(sine_lo, np.float32(-1.0), np.float32(1.0)))
            turn_hi = np.arcsin(within(sine_hi, np.float32(-1.0), np.float32(1.0)))
            place_lo = (phi + turn_lo - 1e-5 + np.pi) * (PHI_BINS / two_pi)
            place_hi = (phi + turn_hi + 1e-5 + np.pi) * (PHI_BINS / two_pi)
            phi_lo = int(np.floor(within(place_lo, -2.0 * PHI_BINS, 2.0 * PHI_BINS)))
            phi_hi = int(np.floor(within(place_hi, -2.0 * PHI_BINS, 2.0 * PHI_BINS)))
            phi_hi = min(phi_hi, phi_lo + PHI_BINS - 1)
            for along in range(along_lo, along_hi + 1):
                cells = (m * ALONG_BINS + along) * PHI_BINS
                for wrap in range(-1, 2):
                    bin_lo = max(phi_lo - wrap * PHI_BINS, 0)
                    bin_hi = min(phi_hi - wrap * PHI_BINS, PHI_BINS - 1)
                    if bin_lo > bin_hi:
                        continue
                    j_lo, j_hi = starts[cells + bin_lo], starts[cells + bin_hi + 1]
                    count = j_hi - j_lo
                    if count > len(mask):
                        mask = np.empty(2 * count, np.bool_)
                    for k in range(count):
                        j = j_lo + k
                        dx = xs[j] - xi
                        dy = ys[j] - yi
                        sine = (xi * dy - yi * dx) / (ri * rs[j])
                        mask[k] = passes(sine, dx, dy, zi, ri, zs[j], rs[j], etas[j], limits)
                    for k in range(count):
                        if not mask[k]:
                            continue
                        j = j_lo + k
                        if distance2[j] < distance2[i]:
                            continue
                        if distance2[j] == distance2[i] and order[j] <= order[i]:
                            continue
                        if xi * xs[j] + yi * ys[j] < 0:
                            continue
                        if use_shape and not shape_fits(a, rows[j], bounds[window]):
                            continue
                        if n_pairs == pairs.shape[1]:
                            pairs = doubled(pairs)
                        pairs[0, n_pairs] = order[i]
                        pairs[1, n_pairs] = order[j]
                        n_pairs += 1
    return pairs[:, :n_pairs].copy()


@formula
def passes(sine, dx, dy, zi, ri, zj, rj, eta, limits):  # type: ignore[no-untyped-def]
    """Whether a pair passes the windows of geometry, by the eta of its outer hit.

    sine is that of the azimuth difference; the bend is half the curvature. Unlike
    pairs.geometry.circle_through nothing is limited here: what is not a number passes no window.
    """
    sine_lo, sine_hi, bend_lo, bend_hi, z0_lo, z0_hi, eta_lo, eta_hi = limits
    bend = sine / np.sqrt(dx * dx + dy * dy)
    z0 = on_beam_line(zi, ri, zj, rj)
    return (
        (sine >= sine_lo)
        & (sine <= sine_hi)
        & (bend >= bend_lo)
        & (bend <= bend_hi)
        & (z0 >= z0_lo)
        & (z0 <= z0_hi)
        & (eta >= eta_lo)
        & (eta <= eta_hi)
    )


@formula
def shape_fits(a, b, bounds):  # type: ignore[no-untyped-def]
    """Whether the clusters of both hits fit the pair's direction."""
    _, _, _, arc, cos_i, sin_i, cos_j, sin_j = circle(a, b)
    cot = (b[Z] - a[Z]) / arc
    u, v, w = crossing(a, cos_i, sin_i, cot)
    gap_u, gap_v = a[SIZE_U] * w - u, a[SIZE_V] * w - v
    if not (bounds[INNER_U, 0] * w <= gap_u <= bounds[INNER_U, 1] * w):
        return False
    if not (bounds[INNER_V, 0] * w <= gap_v <= bounds[INNER_V, 1] * w):
        return False
    u, v, w = crossing(b, cos_j, sin_j, cot)
    gap_u, gap_v = b[SIZE_U] * w - u, b[SIZE_V] * w - v
    if not (bounds[OUTER_U, 0] * w <= gap_u <= bounds[OUTER_U, 1] * w):
        return False
    return bounds[OUTER_V, 0] * w <= gap_v <= bounds[OUTER_V, 1] * w


@njit(error_model="numpy")
def reach(zi, ri, z0_lo, z0_hi, steep_lo, steep_hi, span, m, is_z):  # type: ignore[no-untyped-def]
    """Lowest and highest z (barrel) or r (disk) in layer m that the z0 and eta windows allow.

    steep is z / r, the sinh of eta.

    Never excludes a hit that passes both windows; a small margin covers rounding.
    """
    r_lo, r_hi, z_lo, z_hi = span[m, 0], span[m, 1], span[m, 2], span[m, 3]
    if is_z:
        low = min(r_lo * steep_lo, r_hi * steep_lo)
        high = max(r_lo * steep_hi, r_hi * steep_hi)
        if r_lo > ri:
            slope_lo, slope_hi = (zi - z0_hi) / ri, (zi - z0_lo) / ri
            low = max(low, zi + min((r_lo - ri) * slope_lo, (r_hi - ri) * slope_lo))
            high = min(high, zi + max((r_lo - ri) * slope_hi, (r_hi - ri) * slope_hi))
        low, high = max(low, z_lo), min(high, z_hi)
    else:
        low, high = r_lo, r_hi
        if z_lo > 0 and steep_hi > 0:
            low = max(low, z_lo / steep_hi)
            if steep_lo > 0:
                high = min(high, z_hi / steep_lo)
            if z_lo >= zi > z0_hi:
                low = max(low, ri + ri * (z_lo - zi) / (zi - z0_lo))
                high = min(high, ri + ri * (z_hi - zi) / (zi - z0_hi))
        elif z_hi < 0 and steep_lo < 0:
            low = max(low, z_hi / steep_lo)
            if steep_hi < 0:
                high = min(high, z_lo / steep_hi)
            if z_hi <= zi < z0_lo:
                low = max(low, ri + ri * (z_hi - zi) / (zi - z0_hi))
                high = min(high, ri + ri * (z_lo - zi) / (zi - z0_lo))
    margin = np.float32(1e-5) * (abs(low) + abs(high)) + np.float32(1e-3)
    return low - margin, high + margin
