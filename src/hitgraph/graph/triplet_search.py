"""Triplets of hits: which pairs of edges continue each other, and how well. Kernels.

Edges e = (i, j) and f = (j, k) share the middle hit j. The circle through the beam line, P_i and
P_k, x^2 + y^2 = a x + b y, has with c = x_i y_k - x_k y_i (the transverse product)

    a c = r_i^2 y_k - r_k^2 y_i,    b c = x_i r_k^2 - x_k r_i^2,

so that the middle hit misses it by (r_j^2 c - a c x_j - b c y_j) / sqrt((a c)^2 + (b c)^2): a
length, without trigonometry, and free of the short baseline that makes the curvature of a pair of
overlapping modules meaningless. Along z the miss is that of the straight line through i and k at
the share |ij| / (|ij| + |jk|) of the way, times the cosine of its slope.

Work is dealt out by middle hit: all that is written belongs to the edges of that hit alone. What
passes is gathered LANES triplets at a time, whose inputs and logits are computed side by side.
"""

import numpy as np
from numba import njit

from hitgraph.graph.pair_geometry import FAST, circle_through
from hitgraph.kernels.tiles import COLUMNS, ROWS, relu_tile

N_TRIPLET_INPUTS = 15
N_EDGE_INPUTS = 13
LANES = 64  # triplets or edges judged at a time
NO_TRIPLET = np.float32(-12.0)  # logit of an edge's best triplet where it has none
SUM_FLOOR = np.float32(1e-5)  # added to the sum of odds before its logarithm

# Columns of an edge row.
CURVATURE, SLOPE, Z0, LENGTH, SAME_LAYER, LOGIT = range(6)

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

# Rows of what is known of a triplet within reach, before its inputs are computed.
_MISS, _SIZE, _MISS_Z, _STRETCH, _CROSS, _RISE, _CHORD, _RADII, _R, _Z = range(10)
_E, _F = 10, 16  # the edge rows of both edges
_N_KNOWN = 22


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


@njit(fastmath=FAST, inline="always", error_model="numpy")
def _within_reach(  # type: ignore[no-untyped-def]
    i, j, k, e, f, position, edge_rows, reach_phi, reach_z, known, lane
):
    """Whether a triplet is within reach; if so, what is known of it goes to known[:, lane]."""
    xi, yi, zi = position[i, 0], position[i, 1], position[i, 2]
    xj, yj, zj = position[j, 0], position[j, 1], position[j, 2]
    xk, yk, zk = position[k, 0], position[k, 1], position[k, 2]
    ri, rj, rk = xi * xi + yi * yi, xj * xj + yj * yj, xk * xk + yk * yk
    c = xi * yk - xk * yi
    a = ri * yk - rk * yi
    b = xi * rk - xk * ri
    miss = rj * c - a * xj - b * yj
    size = a * a + b * b + _TINY  # hits one behind the other along z are on no circle
    if miss * miss > reach_phi * reach_phi * size:
        return False
    first = np.sqrt((xj - xi) * (xj - xi) + (yj - yi) * (yj - yi))
    second = np.sqrt((xk - xj) * (xk - xj) + (yk - yj) * (yk - yj))
    way = first + second + _TINY
    rise = zk - zi
    miss_z = (zj - zi) * way - rise * first
    stretch = way * way + rise * rise
    if miss_z * miss_z > reach_z * reach_z * stretch:
        return False
    known[_MISS, lane], known[_SIZE, lane] = miss, size
    known[_MISS_Z, lane], known[_STRETCH, lane] = miss_z, stretch
    known[_CROSS, lane], known[_RISE, lane] = c, rise
    known[_CHORD, lane] = (xk - xi) * (xk - xi) + (yk - yi) * (yk - yi)
    known[_RADII, lane] = ri * rk
    known[_R, lane], known[_Z, lane] = rj, zj
    for column in range(6):
        known[_E + column, lane] = edge_rows[e, column]
        known[_F + column, lane] = edge_rows[f, column]
    return True


@njit(fastmath=FAST, inline="always", error_model="numpy")
def _fill_inputs(known, out):  # type: ignore[no-untyped-def]
    """The network's inputs, out (15, LANES).

    Signs are taken relative to the turn of the track and to its direction along z, so that
    mirror images of a triplet look the same.
    """
    for k in range(LANES):
        turn = _ONE if known[_CROSS, k] >= 0 else -_ONE
        miss = _PER_MISS * known[_MISS, k] / np.sqrt(known[_SIZE, k])
        root = np.sqrt(abs(miss))
        out[0, k] = turn * (root if miss > 0 else -root)
        apart = known[_F + CURVATURE, k] - known[_E + CURVATURE, k]
        out[2, k] = turn * apart / (abs(apart) + _CURVATURE_UNIT)
    for k in range(LANES):
        up = _ONE if known[_RISE, k] >= 0 else -_ONE
        miss = _PER_MISS * known[_MISS_Z, k] / np.sqrt(known[_STRETCH, k])
        root = np.sqrt(abs(miss))
        out[1, k] = up * (root if miss > 0 else -root)
        apart = known[_F + SLOPE, k] - known[_E + SLOPE, k]
        out[3, k] = up * apart / (abs(apart) + _SLOPE_UNIT)
        apart = known[_F + Z0, k] - known[_E + Z0, k]
        out[4, k] = up * apart / (abs(apart) + _Z0_UNIT)
    for k in range(LANES):
        chord = np.sqrt(known[_CHORD, k]) + _TINY
        cross = np.float32(2000.0) * abs(known[_CROSS, k])
        out[5, k] = cross / (np.sqrt(known[_RADII, k]) * chord)
        out[6, k] = np.float32(0.5) * abs(known[_E + SLOPE, k] + known[_F + SLOPE, k])
        out[7, k] = known[_E + LOGIT, k]
        out[8, k] = known[_F + LOGIT, k]
        out[9, k] = _PER_METRE * np.sqrt(known[_R, k])
        out[10, k] = _PER_METRE * abs(known[_Z, k])
    for k in range(LANES):
        out[11, k] = known[_E + LENGTH, k]
        out[12, k] = known[_F + LENGTH, k]
        out[13, k] = known[_E + SAME_LAYER, k]
        out[14, k] = known[_F + SAME_LAYER, k]


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def list_triplets(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    position, edge_rows, reach_phi, reach_z,
):  # fmt: skip
    """Triplets with middle hits in [first_hit, last_hit): (n, 2) edges e, f and (n, 15) inputs."""
    known = np.zeros((_N_KNOWN, LANES), np.float32)
    out = np.empty((N_TRIPLET_INPUTS, LANES), np.float32)
    capacity, n, lane = 1 << 12, 0, 0
    edges = np.empty((capacity, 2), np.int32)
    inputs = np.empty((capacity, N_TRIPLET_INPUTS), np.float32)
    for j in range(first_hit, last_hit + 1):
        ends = j == last_hit  # one more turn, to write what is left
        for p in range(0 if ends else into_start[j], 1 if ends else into_start[j + 1]):
            for q in range(0 if ends else from_start[j], 1 if ends else from_start[j + 1]):
                if not ends:
                    e, f = into[p], out_of[q]
                    if not _within_reach(
                        source[e], j, target[f], e, f,
                        position, edge_rows, reach_phi, reach_z, known, lane,
                    ):  # fmt: skip
                        continue
                    if n + lane == capacity:
                        more_edges = np.empty((2 * capacity, 2), np.int32)
                        more_inputs = np.empty((2 * capacity, N_TRIPLET_INPUTS), np.float32)
                        more_edges[:capacity], more_inputs[:capacity] = edges, inputs
                        edges, inputs, capacity = more_edges, more_inputs, 2 * capacity
                    edges[n + lane, 0], edges[n + lane, 1] = e, f
                    lane += 1
                if lane == LANES or ends:
                    _fill_inputs(known, out)
                    for row in range(lane):
                        for column in range(N_TRIPLET_INPUTS):
                            inputs[n + row, column] = out[column, row]
                    n += lane
                    lane = 0
    return edges[:n].copy(), inputs[:n].copy()


@njit(fastmath=FAST, inline="always", error_model="numpy")
def _network(  # type: ignore[no-untyped-def]
    inputs, mean, per_std, w1, b1, w2, b2, last, last_bias, zeros, same_row, layers, logit
):
    """Logits (LANES,) of rows of inputs (n_inputs, LANES), which are standardised in place.

    Weights are transposed and padded to whole tiles; zeros and layers are scratch of such widths.
    """
    for column in range(len(mean)):
        for lane in range(LANES):
            value = (inputs[column, lane] - mean[column]) * per_std[column]
            inputs[column, lane] = min(max(value, -_LIMIT), _LIMIT)
    width, after = len(zeros), ROWS * len(zeros)
    for top in range(0, LANES, ROWS):
        for j in range(0, len(b1), COLUMNS):
            relu_tile(
                layers, j, width, b1, same_row, zeros, same_row, j,
                inputs, top, 1, LANES, w1, j, len(b1), len(mean),
            )  # fmt: skip
        for j in range(0, len(b2), COLUMNS):
            relu_tile(
                layers, after + j, width, b2, same_row, zeros, same_row, j,
                layers, 0, width, 1, w2, j, len(b2), len(b1),
            )  # fmt: skip
        for row in range(ROWS):
            total = last_bias
            for j in range(len(b2)):
                total += layers[after + row * width + j] * last[j]
            logit[top + row] = total


@njit(error_model="numpy")
def _scratch(b1, b2):  # type: ignore[no-untyped-def]
    """What `_network` works in: zeros, same_row, layers and the logits."""
    width = max(len(b1), len(b2))
    return (
        np.zeros(width, np.float32),
        np.zeros(ROWS, np.intp),
        np.empty(2 * ROWS * width, np.float32),
        np.empty(LANES, np.float32),
    )


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def support_edges(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    position, edge_rows, reach_phi, reach_z,
    mean, per_std, w1, b1, w2, b2, last, last_bias, inner, outer,
):  # fmt: skip
    """The triplets of `list_triplets`, judged by a network as they are found.

    inner, outer (n_edges, 2): the best logit and the sum of odds over the triplets that lead from
    inside into an edge, and over those that lead on from it outward.
    """
    known = np.zeros((_N_KNOWN, LANES), np.float32)
    inputs = np.empty((N_TRIPLET_INPUTS, LANES), np.float32)
    pairs = np.empty((LANES, 2), np.int32)
    zeros, same_row, layers, logit = _scratch(b1, b2)
    lane = 0
    for j in range(first_hit, last_hit + 1):
        ends = j == last_hit  # one more turn, to judge what is left
        for p in range(0 if ends else into_start[j], 1 if ends else into_start[j + 1]):
            for q in range(0 if ends else from_start[j], 1 if ends else from_start[j + 1]):
                if not ends:
                    e, f = into[p], out_of[q]
                    if not _within_reach(
                        source[e], j, target[f], e, f,
                        position, edge_rows, reach_phi, reach_z, known, lane,
                    ):  # fmt: skip
                        continue
                    pairs[lane, 0], pairs[lane, 1] = e, f
                    lane += 1
                if lane < LANES and not ends:
                    continue
                _fill_inputs(known, inputs)
                _network(
                    inputs, mean, per_std, w1, b1, w2, b2, last, last_bias,
                    zeros, same_row, layers, logit,
                )  # fmt: skip
                for k in range(lane):
                    value = logit[k]
                    odds = np.exp(min(value, _LIMIT))
                    e, f = pairs[k, 0], pairs[k, 1]
                    outer[e, 0] = max(outer[e, 0], value)
                    outer[e, 1] += odds
                    inner[f, 0] = max(inner[f, 0], value)
                    inner[f, 1] += odds
                lane = 0


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
    inputs = np.zeros((N_EDGE_INPUTS, LANES), np.float32)
    zeros, same_row, layers, logit = _scratch(b1, b2)
    for begin in range(lo, hi, LANES):
        end = min(begin + LANES, hi)
        fill_edge_inputs(begin, end, source, target, position, edge_rows, inner, outer, inputs)
        _network(
            inputs, mean, per_std, w1, b1, w2, b2, last, last_bias, zeros, same_row, layers, logit
        )
        for e in range(begin, end):
            judged[e] = edge_rows[e, LOGIT] + logit[e - begin]
