"""Triplets of hits: which pairs of edges continue each other, and what says how well. Kernels.

Edges e = (i, j) and f = (j, k) share the middle hit j. The circle through the beam line, P_i and
P_k, x^2 + y^2 = a x + b y, has with c = x_i y_k - x_k y_i (the transverse product)

    a c = r_i^2 y_k - r_k^2 y_i,    b c = x_i r_k^2 - x_k r_i^2,

so that the middle hit misses it by (r_j^2 c - a c x_j - b c y_j) / sqrt((a c)^2 + (b c)^2): a
length, without trigonometry, and free of the short baseline that makes the curvature of a pair of
overlapping modules meaningless. Along z the miss is that of the straight line through i and k at
the share |ij| / (|ij| + |jk|) of the way, times the cosine of its slope.

The outer hits of a middle hit are tested side by side; what passes is listed, and the inputs of
LANES triplets at a time are computed side by side. Points are rows x, y, z, x^2 + y^2.
"""

import numpy as np

from hitgraph.graph.triplets.rows import CURVATURE, LANES, LENGTH, LOGIT, SAME_LAYER, SLOPE, Z0
from hitgraph.kernels.jit import formula, kernel, step
from hitgraph.kernels.lanes import LANES as VECTOR
from hitgraph.kernels.lanes import take_above, take_rows_4, take_rows_8

N_TRIPLET_INPUTS = 15

_CURVATURE_UNIT = np.float32(0.1)  # 1/m
_SLOPE_UNIT = np.float32(0.02)
_Z0_UNIT = np.float32(0.02)  # 100 mm
_PER_MISS = np.float32(10.0)  # 1/mm
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
_TINY = np.float32(1e-3)  # mm
_PER_METRE = np.float32(1e-3)

# Runs of LANES numbers in the scratch: what is known of a batch of triplets, then their inputs.
_I, _J, _K = 0, 4 * LANES, 8 * LANES  # points of the three hits
_E, _F = 12 * LANES, 20 * LANES  # rows of the two edges
INPUTS = 28 * LANES
SCRATCH = INPUTS + N_TRIPLET_INPUTS * LANES
_SIDE = 64  # edges on either side of a hit that are looked at together


@kernel
def triplets_within_reach(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    points, reach_phi, reach_z,
):  # fmt: skip
    """Triplets with middle hits in [first_hit, last_hit): edges (n + LANES,) uint32 each, and n.

    Behind the last triplet the first one (or edge 0) fills a batch.
    """
    edges = np.zeros((2, _SIDE), np.uint32)
    sides, left = np.empty((2, 5 * _SIDE), np.float32), np.empty(_SIDE * _SIDE, np.float32)
    scratch = (edges[0], edges[1], np.zeros(_SIDE, np.uint32), sides[0], sides[1], left)
    first_edges, second_edges = np.empty(1 << 12, np.uint32), np.empty(1 << 12, np.uint32)
    j, n = first_hit, 0
    while True:
        j, n = _search(
            j, last_hit, source, target, into_start, into, from_start, out_of, points,
            reach_phi, reach_z, scratch, first_edges, second_edges, n,
        )  # fmt: skip
        if j == last_hit:
            break
        first_before, second_before = first_edges, second_edges
        first_edges = np.empty(2 * len(first_before), np.uint32)
        second_edges = np.empty(len(first_edges), np.uint32)
        first_edges[:n], second_edges[:n] = first_before[:n], second_before[:n]
    for k in range(n, n + LANES):
        first_edges[k] = first_edges[0] if n else 0
        second_edges[k] = second_edges[0] if n else 0
    return first_edges, second_edges, n


@step
def _search(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of, points,
    reach_phi, reach_z, scratch, first_edges, second_edges, n,
):  # fmt: skip
    """Append the triplets of middle hits from first_hit on until there is no more room.

    Returns the hit at which it stopped, and the number of triplets.
    """
    inner_edges, outer_edges, ends, inner, outer, left = scratch
    for j in range(first_hit, last_hit):
        n_before = n
        for out_begin in range(from_start[j], from_start[j + 1], _SIDE):
            n_outer = min(_SIDE, from_start[j + 1] - out_begin)
            for k in range(n_outer):
                outer_edges[k] = out_of[out_begin + k]
                ends[k] = target[outer_edges[k]]
            whole = _take_side(outer, points, ends, n_outer, j)
            for into_begin in range(into_start[j], into_start[j + 1], _SIDE):
                n_inner = min(_SIDE, into_start[j + 1] - into_begin)
                if n + n_inner * whole + LANES > len(first_edges):
                    return j, n_before
                for k in range(n_inner):
                    inner_edges[k] = into[into_begin + k]
                    ends[k] = source[inner_edges[k]]
                _take_side(inner, points, ends, n_inner, j)
                _test_sides(left, inner, n_inner, outer, whole, points, j, reach_phi, reach_z)
                for p in range(n_inner):
                    for top in range(0, whole, VECTOR):
                        for k in range(VECTOR):
                            first_edges[n + top + k] = inner_edges[p]
                    n += take_above(
                        second_edges, n, outer_edges, 0, left, p * whole, _ZERO, n_outer
                    )
    return last_hit, n


@step
def _take_side(s, points, hits, n, j):  # type: ignore[no-untyped-def]
    """Points of n hits by column, then their transverse distances from hit j; n in vectors."""
    whole = (n + VECTOR - 1) // VECTOR * VECTOR
    take_rows_4(s, 0, _SIDE, points, hits, 0, whole)
    xj, yj = points[j, 0], points[j, 1]
    for k in range(whole):
        dx, dy = s[k] - xj, s[_SIDE + k] - yj
        s[4 * _SIDE + k] = np.sqrt(dx * dx + dy * dy)
    return whole


@step
def _test_sides(left, inner, n_inner, outer, n, points, j, reach_phi, reach_z):  # type: ignore[no-untyped-def]
    """left[p n + k] is not negative where hit j lies within reach of inner hit p and outer hit k.

    The n_inner and n hits of either side lie as `_take_side` leaves them.
    """
    xj, yj, zj, rj = points[j, 0], points[j, 1], points[j, 2], points[j, 3]
    for p in range(n_inner):
        xi, yi, zi = inner[p], inner[_SIDE + p], inner[2 * _SIDE + p]
        ri, way_i = inner[3 * _SIDE + p], inner[4 * _SIDE + p]
        for k in range(n):
            xk, yk, zk = outer[k], outer[_SIDE + k], outer[2 * _SIDE + k]
            rk, way_k = outer[3 * _SIDE + k], outer[4 * _SIDE + k]
            _, miss, size = _off_circle(xi, yi, ri, xj, yj, rj, xk, yk, rk)
            miss_z, stretch = _off_line(zi, zj, zk, way_i, way_k)
            over = reach_phi * reach_phi * size - miss * miss
            over_z = reach_z * reach_z * stretch - miss_z * miss_z
            left[p * n + k] = over if over < over_z else over_z


@formula
def _off_circle(xi, yi, ri, xj, yj, rj, xk, yk, rk):  # type: ignore[no-untyped-def]
    """The product c, and the miss of the circle as miss / sqrt(size); r is x^2 + y^2."""
    c = xi * yk - xk * yi
    a = ri * yk - rk * yi
    b = xi * rk - xk * ri
    # hits one behind the other along z are on no circle
    return c, rj * c - a * xj - b * yj, a * a + b * b + _TINY


@formula
def _off_line(zi, zj, zk, inner, outer):  # type: ignore[no-untyped-def]
    """The miss along z as miss / sqrt(stretch); inner, outer are the edges' transverse lengths."""
    way = inner + outer + _TINY
    rise = zk - zi
    return (zj - zi) * way - rise * inner, way * way + rise * rise


@step
def fill_inputs(s, hits, first_edges, second_edges, begin, source, target, points, edge_rows):  # type: ignore[no-untyped-def]
    """The network's inputs of LANES triplets from `begin` on, to s[INPUTS:], (15, LANES).

    Signs are taken relative to the turn of the track and to its direction along z, so that
    mirror images of a triplet look the same. hits (3 LANES,) uint32 is scratch.
    """
    for k in range(LANES):
        e, f = first_edges[begin + k], second_edges[begin + k]
        hits[k], hits[LANES + k], hits[2 * LANES + k] = source[e], target[e], target[f]
    take_rows_4(s, _I, LANES, points, hits, 0, LANES)
    take_rows_4(s, _J, LANES, points, hits, LANES, LANES)
    take_rows_4(s, _K, LANES, points, hits, 2 * LANES, LANES)
    take_rows_8(s, _E, LANES, edge_rows, first_edges, begin, LANES)
    take_rows_8(s, _F, LANES, edge_rows, second_edges, begin, LANES)
    out = INPUTS
    for k in range(LANES):
        xi, yi, ri = s[_I + k], s[_I + LANES + k], s[_I + 3 * LANES + k]
        xj, yj, rj = s[_J + k], s[_J + LANES + k], s[_J + 3 * LANES + k]
        xk, yk, rk = s[_K + k], s[_K + LANES + k], s[_K + 3 * LANES + k]
        zi, zj, zk = s[_I + 2 * LANES + k], s[_J + 2 * LANES + k], s[_K + 2 * LANES + k]
        cross, miss, size = _off_circle(xi, yi, ri, xj, yj, rj, xk, yk, rk)
        inner = np.sqrt((xj - xi) * (xj - xi) + (yj - yi) * (yj - yi))
        outer = np.sqrt((xk - xj) * (xk - xj) + (yk - yj) * (yk - yj))
        miss_z, stretch = _off_line(zi, zj, zk, inner, outer)
        turn = _ONE if cross >= 0 else -_ONE
        up = _ONE if zk - zi >= 0 else -_ONE
        miss = _PER_MISS * miss / np.sqrt(size)
        root = np.sqrt(abs(miss))
        s[out + k] = turn * (root if miss > 0 else -root)
        miss_z = _PER_MISS * miss_z / np.sqrt(stretch)
        root = np.sqrt(abs(miss_z))
        s[out + LANES + k] = up * (root if miss_z > 0 else -root)
        apart = s[_F + CURVATURE * LANES + k] - s[_E + CURVATURE * LANES + k]
        s[out + 2 * LANES + k] = turn * apart / (abs(apart) + _CURVATURE_UNIT)
        apart = s[_F + SLOPE * LANES + k] - s[_E + SLOPE * LANES + k]
        s[out + 3 * LANES + k] = up * apart / (abs(apart) + _SLOPE_UNIT)
        apart = s[_F + Z0 * LANES + k] - s[_E + Z0 * LANES + k]
        s[out + 4 * LANES + k] = up * apart / (abs(apart) + _Z0_UNIT)
        chord = np.sqrt((xk - xi) * (xk - xi) + (yk - yi) * (yk - yi)) + _TINY
        s[out + 5 * LANES + k] = np.float32(2000.0) * abs(cross) / (np.sqrt(ri * rk) * chord)
        s[out + 6 * LANES + k] = np.float32(0.5) * abs(
            s[_E + SLOPE * LANES + k] + s[_F + SLOPE * LANES + k]
        )
        s[out + 7 * LANES + k] = s[_E + LOGIT * LANES + k]
        s[out + 8 * LANES + k] = s[_F + LOGIT * LANES + k]
        s[out + 9 * LANES + k] = _PER_METRE * np.sqrt(rj)
        s[out + 10 * LANES + k] = _PER_METRE * abs(zj)
        s[out + 11 * LANES + k] = s[_E + LENGTH * LANES + k]
        s[out + 12 * LANES + k] = s[_F + LENGTH * LANES + k]
        s[out + 13 * LANES + k] = s[_E + SAME_LAYER * LANES + k]
        s[out + 14 * LANES + k] = s[_F + SAME_LAYER * LANES + k]


@kernel
def list_triplets(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    points, edge_rows, reach_phi, reach_z,
):  # fmt: skip
    """Triplets with middle hits in [first_hit, last_hit): (n, 2) edges e, f and (n, 15) inputs."""
    first_edges, second_edges, n = triplets_within_reach(
        first_hit, last_hit, source, target, into_start, into, from_start, out_of,
        points, reach_phi, reach_z,
    )  # fmt: skip
    scratch, hits = np.empty(SCRATCH, np.float32), np.empty(3 * LANES, np.uint32)
    edges = np.empty((n, 2), np.int32)
    inputs = np.empty((n, N_TRIPLET_INPUTS), np.float32)
    for begin in range(0, n, LANES):
        fill_inputs(
            scratch, hits, first_edges, second_edges, begin, source, target, points, edge_rows
        )
        for k in range(min(LANES, n - begin)):
            edges[begin + k, 0], edges[begin + k, 1] = (
                first_edges[begin + k], second_edges[begin + k],
            )  # fmt: skip
            for column in range(N_TRIPLET_INPUTS):
                inputs[begin + k, column] = scratch[INPUTS + column * LANES + k]
    return edges, inputs
