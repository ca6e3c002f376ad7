"""Triplets of hits: which pairs of edges continue each other, and how well. Kernels.

Edges e = (i, j) and f = (j, k) share the middle hit j. The circle through the beam line, P_i and
P_k, x^2 + y^2 = a x + b y, has with c = x_i y_k - x_k y_i (the transverse product)

    a c = r_i^2 y_k - r_k^2 y_i,    b c = x_i r_k^2 - x_k r_i^2,

so that the middle hit misses it by (r_j^2 c - a c x_j - b c y_j) / sqrt((a c)^2 + (b c)^2): a
length, without trigonometry, and free of the short baseline that makes the curvature of a pair of
overlapping modules meaningless. Along z the miss is that of the straight line through i and k at
the share |ij| / (|ij| + |jk|) of the way, times the cosine of its slope.

Work is dealt out by middle hit: all that is written belongs to the edges of that hit alone. The
outer hits of a middle hit are tested side by side; what passes is listed, and the inputs and
logits of LANES triplets at a time are computed side by side. Points are rows x, y, z, x^2 + y^2.
"""

import numpy as np
from numba import njit

from hitgraph.graph.pair_geometry import FAST, circle_through
from hitgraph.kernels.lanes import LANES as VECTOR
from hitgraph.kernels.lanes import take_rows_4, take_rows_8
from hitgraph.kernels.tiles import COLUMNS, ROWS, add_scaled, relu_tile

N_TRIPLET_INPUTS = 15
N_EDGE_INPUTS = 13
LANES = 64  # triplets or edges judged at a time
NO_TRIPLET = np.float32(-12.0)  # logit of an edge's best triplet where it has none
SUM_FLOOR = np.float32(1e-5)  # added to the sum of odds before its logarithm

# Columns of an edge row of EDGE_WIDTH.
CURVATURE, SLOPE, Z0, LENGTH, SAME_LAYER, LOGIT = range(6)
EDGE_WIDTH = 8

_CURVATURE_UNIT = np.float32(0.1)  # 1/m
_SLOPE_UNIT = np.float32(0.02)
_Z0_UNIT = np.float32(0.02)  # 100 mm
_PER_MISS = np.float32(10.0)  # 1/mm
_MAX_Z0 = np.float32(10.0)  # 100 mm, as in hitgraph.graph.pairs
_SHORTEST = np.float32(1e-3)  # 100 mm
_LIMIT = np.float32(8.0)  # of the standardised inputs, as in hitgraph.graph.networks.Standardise
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
_TINY = np.float32(1e-3)  # mm
_PER_METRE = np.float32(1e-3)

# Runs of LANES numbers in the scratch: what is known of a batch of triplets, then their inputs.
_I, _J, _K = 0, 4 * LANES, 8 * LANES  # points of the three hits
_E, _F = 12 * LANES, 20 * LANES  # rows of the two edges
_INPUTS = 28 * LANES
_SCRATCH = _INPUTS + N_TRIPLET_INPUTS * LANES
_OUTER = 64  # outer hits tested at a time


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def group_by_hit(end, n_hits):  # type: ignore[no-untyped-def]
    """Where the edges of each hit begin (n_hits + 1,), and the edges sorted by hit."""
    start = np.zeros(n_hits + 1, np.int64)
    for edge in range(len(end)):
        start[end[edge] + 1] += 1
    for hit in range(n_hits):
        start[hit + 1] += start[hit]
    place = start[:-1].copy()
    order = np.empty(len(end), np.int32)
    for edge in range(len(end)):
        hit = end[edge]
        order[place[hit]] = edge
        place[hit] += 1
    return start, order


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def fill_edge_rows(lo, hi, source, target, position, layer, logit, rows):  # type: ignore[no-untyped-def]
    """The columns of an edge row, in the units of hitgraph.graph.pairs; the length's logarithm."""
    for e in range(lo, hi):
        i, j = source[e], target[e]
        xi, yi, zi = position[i, 0], position[i, 1], position[i, 2]
        xj, yj, zj = position[j, 0], position[j, 1], position[j, 2]
        ri, rj = np.sqrt(xi * xi + yi * yi), np.sqrt(xj * xj + yj * yj)
        distance, _, curvature, arc, _, _, _, _ = circle_through(xi, yi, ri, xj, yj, rj)
        rise = zj - zi
        z0 = np.float32(0.01) * (zi - rise * ri / (rj - ri))
        z0 = z0 if z0 > -_MAX_Z0 else -_MAX_Z0
        rows[e, Z0] = z0 if z0 < _MAX_Z0 else _MAX_Z0
        rows[e, CURVATURE] = rows[e, SLOPE] = _ZERO  # one hit behind the other along z
        if distance > 0:
            cot = rise / arc
            slope = np.log(abs(cot) + np.sqrt(cot * cot + _ONE))
            rows[e, CURVATURE] = np.float32(1000.0) * curvature
            rows[e, SLOPE] = slope if cot >= 0 else -slope
        length = np.float32(0.01) * np.sqrt(distance * distance + rise * rise)
        rows[e, LENGTH] = np.log(max(length, _SHORTEST))
        rows[e, SAME_LAYER] = _ONE if layer[i] == layer[j] else _ZERO
        rows[e, LOGIT] = logit[e]


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def triplets_within_reach(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    points, reach_phi, reach_z,
):  # fmt: skip
    """Triplets with middle hits in [first_hit, last_hit): edges (n + LANES,) uint32 each, and n.

    Behind the last triplet the first one (or edge 0) fills a batch.
    """
    capacity, n = 1 << 12, 0
    first_edges, second_edges = np.empty(capacity, np.uint32), np.empty(capacity, np.uint32)
    ends = np.zeros(_OUTER, np.uint32)  # hits k
    chosen = np.empty(_OUTER, np.uint32)
    s = np.empty(5 * _OUTER, np.float32)  # their points, and how far they are
    mask = np.empty(_OUTER, np.bool_)
    for j in range(first_hit, last_hit):
        xj, yj, zj, rj = points[j, 0], points[j, 1], points[j, 2], points[j, 3]
        for begin in range(from_start[j], from_start[j + 1], _OUTER):
            n_outer = min(_OUTER, from_start[j + 1] - begin)
            whole = (n_outer + VECTOR - 1) // VECTOR * VECTOR
            for k in range(n_outer):
                ends[k] = target[out_of[begin + k]]
            take_rows_4(s, 0, _OUTER, points, ends, 0, whole)
            for k in range(whole):
                dx, dy = s[k] - xj, s[_OUTER + k] - yj
                s[4 * _OUTER + k] = np.sqrt(dx * dx + dy * dy)
            for p in range(into_start[j], into_start[j + 1]):
                e = into[p]
                i = source[e]
                xi, yi, zi, ri = points[i, 0], points[i, 1], points[i, 2], points[i, 3]
                inner = np.sqrt((xj - xi) * (xj - xi) + (yj - yi) * (yj - yi))
                for k in range(whole):
                    xk, yk, zk = s[k], s[_OUTER + k], s[2 * _OUTER + k]
                    rk, outer = s[3 * _OUTER + k], s[4 * _OUTER + k]
                    _, miss, size = _off_circle(xi, yi, ri, xj, yj, rj, xk, yk, rk)
                    miss_z, stretch = _off_line(zi, zj, zk, inner, outer)
                    mask[k] = (miss * miss <= reach_phi * reach_phi * size) & (
                        miss_z * miss_z <= reach_z * reach_z * stretch
                    )
                n_chosen = 0
                for k in range(n_outer):
                    chosen[n_chosen] = k
                    n_chosen += mask[k]
                if n + n_chosen + LANES > capacity:
                    capacity *= 2
                    first_before, second_before = first_edges, second_edges
                    first_edges = np.empty(capacity, np.uint32)
                    second_edges = np.empty(capacity, np.uint32)
                    first_edges[:n], second_edges[:n] = first_before[:n], second_before[:n]
                for k in range(n_chosen):
                    first_edges[n + k] = e
                    second_edges[n + k] = out_of[begin + chosen[k]]
                n += n_chosen
    for k in range(n, n + LANES):
        first_edges[k] = first_edges[0] if n else 0
        second_edges[k] = second_edges[0] if n else 0
    return first_edges, second_edges, n


@njit(fastmath=FAST, inline="always", error_model="numpy")
def _off_circle(xi, yi, ri, xj, yj, rj, xk, yk, rk):  # type: ignore[no-untyped-def]
    """The product c, and the miss of the circle as miss / sqrt(size); r is x^2 + y^2."""
    c = xi * yk - xk * yi
    a = ri * yk - rk * yi
    b = xi * rk - xk * ri
    # hits one behind the other along z are on no circle
    return c, rj * c - a * xj - b * yj, a * a + b * b + _TINY


@njit(fastmath=FAST, inline="always", error_model="numpy")
def _off_line(zi, zj, zk, inner, outer):  # type: ignore[no-untyped-def]
    """The miss along z as miss / sqrt(stretch); inner, outer are the edges' transverse lengths."""
    way = inner + outer + _TINY
    rise = zk - zi
    return (zj - zi) * way - rise * inner, way * way + rise * rise


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def _fill_inputs(s, hits, first_edges, second_edges, begin, source, target, points, edge_rows):  # type: ignore[no-untyped-def]
    """The network's inputs of LANES triplets from `begin` on, to s[_INPUTS:], (15, LANES).

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
    out = _INPUTS
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


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def list_triplets(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    points, edge_rows, reach_phi, reach_z,
):  # fmt: skip
    """Triplets with middle hits in [first_hit, last_hit): (n, 2) edges e, f and (n, 15) inputs."""
    first_edges, second_edges, n = triplets_within_reach(
        first_hit, last_hit, source, target, into_start, into, from_start, out_of,
        points, reach_phi, reach_z,
    )  # fmt: skip
    scratch, hits = np.empty(_SCRATCH, np.float32), np.empty(3 * LANES, np.uint32)
    edges = np.empty((n, 2), np.int32)
    inputs = np.empty((n, N_TRIPLET_INPUTS), np.float32)
    for begin in range(0, n, LANES):
        _fill_inputs(
            scratch, hits, first_edges, second_edges, begin, source, target, points, edge_rows
        )
        for k in range(min(LANES, n - begin)):
            edges[begin + k, 0], edges[begin + k, 1] = (
                first_edges[begin + k], second_edges[begin + k],
            )  # fmt: skip
            for column in range(N_TRIPLET_INPUTS):
                inputs[begin + k, column] = scratch[_INPUTS + column * LANES + k]
    return edges, inputs


@njit(fastmath=FAST, inline="always", error_model="numpy")
def _network(  # type: ignore[no-untyped-def]
    inputs, at, mean, per_std, w1, b1, w2, b2, last, last_bias, rows, zeros, same_row, layers, logit
):
    """Logits (LANES,) of inputs[at:], (n_inputs, LANES), which are standardised in place.

    Neurons are the rows of a tile and triplets or edges its columns; rows, zeros, same_row and
    layers are scratch (`_scratch`).
    """
    for column in range(len(mean)):
        shift, scale = mean[column], per_std[column]
        for lane in range(LANES):
            value = (inputs[at + column * LANES + lane] - shift) * scale
            value = value if value > -_LIMIT else -_LIMIT  # min, max keep loops from vectors
            inputs[at + column * LANES + lane] = value if value < _LIMIT else _LIMIT
    after = len(w1) * LANES
    for top in range(0, LANES, COLUMNS):
        for j in range(0, len(w1), ROWS):
            for r in range(ROWS):
                rows[r] = (j + r) * COLUMNS
            relu_tile(
                layers, j * LANES + top, LANES, b1, rows, zeros, same_row, 0,
                w1, j * len(mean), len(mean), 1, inputs, at + top, LANES, len(mean),
            )  # fmt: skip
        for j in range(0, len(w2), ROWS):
            for r in range(ROWS):
                rows[r] = (j + r) * COLUMNS
            relu_tile(
                layers, after + j * LANES + top, LANES, b2, rows, zeros, same_row, 0,
                w2, j * len(w1), len(w1), 1, layers, top, LANES, len(w1),
            )  # fmt: skip
    for lane in range(LANES):
        logit[lane] = last_bias
    for j in range(len(w2)):
        add_scaled(logit, 0, last[j], layers, after + j * LANES, LANES)


@njit(error_model="numpy")
def _scratch(w1, w2):  # type: ignore[no-untyped-def]
    """What `_network` works in: rows, zeros, same_row, layers and the logits."""
    return (
        np.zeros(ROWS, np.intp),
        np.zeros(COLUMNS, np.float32),
        np.zeros(ROWS, np.intp),
        np.empty((len(w1) + len(w2)) * LANES, np.float32),
        np.empty(LANES, np.float32),
    )


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def support_edges(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    points, edge_rows, reach_phi, reach_z,
    mean, per_std, w1, b1, w2, b2, last, last_bias, inner, outer,
):  # fmt: skip
    """The triplets of `list_triplets`, judged by a network.

    inner, outer (n_edges, 2): the best logit and the sum of odds over the triplets that lead from
    inside into an edge, and over those that lead on from it outward.
    """
    first_edges, second_edges, n = triplets_within_reach(
        first_hit, last_hit, source, target, into_start, into, from_start, out_of,
        points, reach_phi, reach_z,
    )  # fmt: skip
    scratch, hits = np.empty(_SCRATCH, np.float32), np.empty(3 * LANES, np.uint32)
    rows, zeros, same_row, layers, logit = _scratch(w1, w2)
    odds = np.empty(LANES, np.float32)
    for begin in range(0, n, LANES):
        _fill_inputs(
            scratch, hits, first_edges, second_edges, begin, source, target, points, edge_rows
        )
        _network(
            scratch, _INPUTS, mean, per_std, w1, b1, w2, b2, last, last_bias,
            rows, zeros, same_row, layers, logit,
        )  # fmt: skip
        for k in range(LANES):
            odds[k] = np.exp(logit[k] if logit[k] < _LIMIT else _LIMIT)
        for k in range(min(LANES, n - begin)):
            e, f = first_edges[begin + k], second_edges[begin + k]
            outer[e, 0] = max(outer[e, 0], logit[k])
            outer[e, 1] += odds[k]
            inner[f, 0] = max(inner[f, 0], logit[k])
            inner[f, 1] += odds[k]


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def fill_edge_inputs(lo, hi, source, target, position, edge_rows, inner, outer, out):  # type: ignore[no-untyped-def]
    """What the edge network reads of the edges [lo, hi), out (13, hi - lo)."""
    for e in range(lo, hi):
        i, j, k = source[e], target[e], e - lo
        out[0, k] = edge_rows[e, LOGIT]
        out[1, k], out[2, k] = inner[e, 0], inner[e, 1]
        out[3, k], out[4, k] = outer[e, 0], outer[e, 1]
        out[5, k] = abs(edge_rows[e, CURVATURE])
        out[6, k] = abs(edge_rows[e, SLOPE])
        out[7, k] = abs(edge_rows[e, LENGTH])
        out[8, k] = edge_rows[e, SAME_LAYER]
        xi, yi, xj, yj = position[i, 0], position[i, 1], position[j, 0], position[j, 1]
        out[9, k] = _PER_METRE * np.sqrt(xi * xi + yi * yi)
        out[10, k] = _PER_METRE * abs(position[i, 2])
        out[11, k] = _PER_METRE * np.sqrt(xj * xj + yj * yj)
        out[12, k] = _PER_METRE * abs(position[j, 2])


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def judge_edges(  # type: ignore[no-untyped-def]
    lo, hi, source, target, position, edge_rows, inner, outer,
    mean, per_std, w1, b1, w2, b2, last, last_bias, judged,
):  # fmt: skip
    """New logits judged[lo:hi]: the old ones and what the edge network adds to them."""
    flat = np.zeros(N_EDGE_INPUTS * LANES, np.float32)
    inputs = flat.reshape(N_EDGE_INPUTS, LANES)
    rows, zeros, same_row, layers, logit = _scratch(w1, w2)
    for begin in range(lo, hi, LANES):
        end = min(begin + LANES, hi)
        fill_edge_inputs(begin, end, source, target, position, edge_rows, inner, outer, inputs)
        _network(
            flat, 0, mean, per_std, w1, b1, w2, b2, last, last_bias,
            rows, zeros, same_row, layers, logit,
        )  # fmt: skip
        for e in range(begin, end):
            judged[e] = edge_rows[e, LOGIT] + logit[e - begin]
