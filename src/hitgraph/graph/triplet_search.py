"""Triplets of hits: which pairs of edges continue each other, and how well. Kernels.

Edges e = (i, j) and f = (j, k) share the middle hit j. The circle through the beam line, P_i and
P_k, x^2 + y^2 = a x + b y, has with c = x_i y_k - x_k y_i (the transverse product)

    a c = r_i^2 y_k - r_k^2 y_i,    b c = x_i r_k^2 - x_k r_i^2,

so that the middle hit misses it by (r_j^2 c - a c x_j - b c y_j) / sqrt((a c)^2 + (b c)^2): a
length, without trigonometry, and free of the short baseline that makes the curvature of a pair of
overlapping modules meaningless. Along z the miss is that of the straight line through i and k at
the share |ij| / (|ij| + |jk|) of the way, times the cosine of its slope.

Work is dealt out by middle hit: all that is written belongs to the edges of that hit alone.
"""

import numpy as np
from numba import njit

from hitgraph.graph.pair_geometry import FAST

N_TRIPLET_INPUTS = 15
LANES = 64  # triplets that the network judges at a time
NO_TRIPLET = np.float32(-12.0)  # logit of an edge's best triplet where it has none
SUM_FLOOR = np.float32(1e-5)  # added to the sum of odds before its logarithm

# Columns of an edge row.
CURVATURE, SLOPE, Z0, LENGTH, SAME_LAYER, LOGIT = range(6)

_CURVATURE_UNIT = np.float32(0.1)  # 1/m
_SLOPE_UNIT = np.float32(0.02)
_Z0_UNIT = np.float32(0.02)  # 100 mm
_PER_MISS = np.float32(10.0)  # 1/mm
_ONE = np.float32(1.0)
_TINY = np.float32(1e-3)  # mm


@njit(fastmath=FAST, inline="always", error_model="numpy")
def _squash(x, unit):  # type: ignore[no-untyped-def]
    return x / (abs(x) + unit)


@njit(fastmath=FAST, inline="always", error_model="numpy")
def _root(x):  # type: ignore[no-untyped-def]
    return np.sqrt(x) if x > 0 else -np.sqrt(-x)


@njit(fastmath=FAST, inline="always", error_model="numpy")
def judge(  # type: ignore[no-untyped-def]
    i, j, k, e, f, position, edge_rows, reach_phi, reach_z, out, lane
):
    """Whether a triplet is within reach; if so its inputs go to out[:, lane].

    Signs are taken relative to the turn of the track and to its direction along z, so that
    mirror images of a triplet look the same.
    """
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
    turn = _ONE if c >= 0 else -_ONE
    up = _ONE if rise >= 0 else -_ONE
    chord = np.sqrt((xk - xi) * (xk - xi) + (yk - yi) * (yk - yi)) + _TINY
    one, other = edge_rows[e], edge_rows[f]
    out[0, lane] = turn * _root(_PER_MISS * miss / np.sqrt(size))
    out[1, lane] = up * _root(_PER_MISS * miss_z / np.sqrt(stretch))
    out[2, lane] = turn * _squash(other[CURVATURE] - one[CURVATURE], _CURVATURE_UNIT)
    out[3, lane] = up * _squash(other[SLOPE] - one[SLOPE], _SLOPE_UNIT)
    out[4, lane] = up * _squash(other[Z0] - one[Z0], _Z0_UNIT)
    out[5, lane] = np.float32(2000.0) * abs(c) / (np.sqrt(ri * rk) * chord)
    out[6, lane] = np.float32(0.5) * abs(one[SLOPE] + other[SLOPE])
    out[7, lane] = one[LOGIT]
    out[8, lane] = other[LOGIT]
    out[9, lane] = _TINY * np.sqrt(rj)
    out[10, lane] = _TINY * abs(zj)
    out[11, lane] = one[LENGTH]
    out[12, lane] = other[LENGTH]
    out[13, lane] = one[SAME_LAYER]
    out[14, lane] = other[SAME_LAYER]
    return True


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def list_triplets(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    position, edge_rows, reach_phi, reach_z,
):  # fmt: skip
    """Triplets with middle hits in [first_hit, last_hit): (n, 2) edges e, f and (n, 15) inputs."""
    capacity, n = 1 << 12, 0
    edges = np.empty((capacity, 2), np.int32)
    inputs = np.empty((N_TRIPLET_INPUTS, capacity), np.float32)
    for j in range(first_hit, last_hit):
        for p in range(into_start[j], into_start[j + 1]):
            e = into[p]
            for q in range(from_start[j], from_start[j + 1]):
                f = out_of[q]
                if n == capacity:
                    more_edges = np.empty((2 * capacity, 2), np.int32)
                    more_inputs = np.empty((N_TRIPLET_INPUTS, 2 * capacity), np.float32)
                    more_edges[:n], more_inputs[:, :n] = edges, inputs
                    edges, inputs, capacity = more_edges, more_inputs, 2 * capacity
                if judge(
                    source[e], j, target[f], e, f,
                    position, edge_rows, reach_phi, reach_z, inputs, n,
                ):  # fmt: skip
                    edges[n, 0], edges[n, 1] = e, f
                    n += 1
    return edges[:n].copy(), inputs[:, :n].T.copy()


@njit(fastmath=FAST, inline="always", error_model="numpy")
def _layer(weight, bias, inputs, out, relu):  # type: ignore[no-untyped-def]
    for row in range(weight.shape[0]):
        for lane in range(LANES):
            out[row, lane] = bias[row]
        for column in range(weight.shape[1]):
            w = weight[row, column]
            for lane in range(LANES):
                out[row, lane] += w * inputs[column, lane]
        if relu:
            for lane in range(LANES):
                out[row, lane] = max(out[row, lane], np.float32(0.0))


@njit(fastmath=FAST, error_model="numpy", nogil=True)
def _flush(  # type: ignore[no-untyped-def]
    n, inputs, pairs, mean, per_std, w1, b1, w2, b2, w3, b3, one, two, logit, inner, outer
):
    """Logits of `n` triplets into the best and the sum of odds of their edges."""
    for column in range(N_TRIPLET_INPUTS):
        for lane in range(LANES):
            value = (inputs[column, lane] - mean[column]) * per_std[column]
            inputs[column, lane] = min(max(value, np.float32(-8.0)), np.float32(8.0))
    _layer(w1, b1, inputs, one, True)
    _layer(w2, b2, one, two, True)
    _layer(w3, b3, two, logit, False)
    for lane in range(n):
        value = logit[0, lane]
        odds = np.exp(min(value, np.float32(8.0)))
        e, f = pairs[lane, 0], pairs[lane, 1]
        outer[e, 0] = max(outer[e, 0], value)
        outer[e, 1] += odds
        inner[f, 0] = max(inner[f, 0], value)
        inner[f, 1] += odds


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def support_edges(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    position, edge_rows, reach_phi, reach_z,
    mean, per_std, w1, b1, w2, b2, w3, b3, inner, outer,
):  # fmt: skip
    """The triplets of `list_triplets`, judged by a network as they are found.

    inner, outer (n_edges, 2): the best logit and the sum of odds over the triplets that lead from
    inside into an edge, and over those that lead on from it outward.
    """
    inputs = np.zeros((N_TRIPLET_INPUTS, LANES), np.float32)
    pairs = np.empty((LANES, 2), np.int32)
    one = np.empty((len(b1), LANES), np.float32)
    two = np.empty((len(b2), LANES), np.float32)
    logit = np.empty((1, LANES), np.float32)
    n = 0
    for j in range(first_hit, last_hit):
        for p in range(into_start[j], into_start[j + 1]):
            e = into[p]
            for q in range(from_start[j], from_start[j + 1]):
                f = out_of[q]
                if judge(
                    source[e], j, target[f], e, f,
                    position, edge_rows, reach_phi, reach_z, inputs, n,
                ):  # fmt: skip
                    pairs[n, 0], pairs[n, 1] = e, f
                    n += 1
                    if n == LANES:
                        _flush(n, inputs, pairs, mean, per_std, w1, b1, w2, b2, w3, b3,
                               one, two, logit, inner, outer)  # fmt: skip
                        n = 0
    _flush(n, inputs, pairs, mean, per_std, w1, b1, w2, b2, w3, b3,
           one, two, logit, inner, outer)  # fmt: skip
