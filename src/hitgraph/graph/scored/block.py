"""The score of the partners of a hit, a block at a time, for the search of the scored windows.

A block lies in `scratch`, one run of BLOCK numbers after the other, as in pairs.block: places that
are known constants let the compiler use vector registers. What is picked by number, a partner's
row or a table's entry, comes from hitgraph.kernels.lanes. First comes what geometry and the inner
cluster say, then the outer clusters, only of the pairs that the best of them could lift above the
cut. (Geometry alone settles too few of the pairs that pass the windows.)
"""

from hitgraph.graph.scored.values import N_BINS, N_GEOMETRY, cluster_values, geometry_values
from hitgraph.kernels.jit import formula
from hitgraph.kernels.lanes import LANES, add_entries, take_above, take_rows_8, take_rows_16
from hitgraph.pairs.geometry import ETA, SIZE_U, SIZE_V, R, X, Y, Z
from hitgraph.pairs.geometry import PER_U as FRAME

BLOCK = 128  # pairs

# Rows of clusters are those of hit_rows, with the charge for eta and sizes that count from zero;
# rows of places are the first PLACE_WIDTH columns of hit_rows.
CHARGE = ETA
PLACE_WIDTH = 8

# Runs of the scratch; the first 16 hold rows of the partners, one column a run.
_COT, _COS_I, _SIN_I, _COS_J, _SIN_J, _SCORE, _VALUE = range(16 * BLOCK, 23 * BLOCK, BLOCK)
SCRATCH = _VALUE + 4 * BLOCK
SCORE_AT = _SCORE  # where the scores begin


@formula
def score_block(  # type: ignore[no-untyped-def]
    s, partners, at, n, i, places, clusters, along, base, low, scale, table, window, best, cut
):
    """Keep of n partners (at most BLOCK) of hit i those above the cut; how many.

    partners[at:] uint32 are rows of places and clusters, with room for whole vectors; the kept
    ones come to its front, their scores to that of s[SCORE_AT:], s (SCRATCH,) float32. `along` is
    the column of places that runs along the partners' layer, base the score before it is looked
    at, best what the tables of the outer cluster can add at most; low, scale (n_windows,
    n_variables) and table (n_windows, n_variables N_BINS) have a row for each layer pair, `window`
    is the one. A part of its caller: to hand over so many arrays takes longer than a short list.
    """
    whole = (n + LANES - 1) // LANES * LANES
    for k in range(n, whole):
        partners[at + k] = i
    xi, yi, zi, ri, eta = places[i, X], places[i, Y], places[i, Z], places[i, R], places[i, ETA]
    take_rows_8(s, 0, BLOCK, places, partners, at, whole)
    for k in range(whole):
        curvature, vertex, impact, cot, cos_i, sin_i, cos_j, sin_j = geometry_values(
            xi, yi, zi, ri,
            s[X * BLOCK + k], s[Y * BLOCK + k], s[Z * BLOCK + k], s[R * BLOCK + k],
        )  # fmt: skip
        s[_COT + k] = cot
        s[_COS_I + k], s[_SIN_I + k] = cos_i, sin_i
        s[_COS_J + k], s[_SIN_J + k] = cos_j, sin_j
        s[_VALUE + k] = curvature
        s[_VALUE + BLOCK + k] = s[ETA * BLOCK + k] - eta
        s[_VALUE + 2 * BLOCK + k] = vertex
        s[_VALUE + 3 * BLOCK + k] = impact
    for k in range(whole):
        s[_SCORE + k] = base
    n_variables = low.shape[1]
    entries = window * n_variables * N_BINS
    add_entries(
        s, _SCORE, s, along * BLOCK, low[window, 1], scale[window, 1],
        table, entries + N_BINS, whole,
    )  # fmt: skip
    for v in range(4):
        add_entries(
            s, _SCORE, s, _VALUE + v * BLOCK, low[window, v + 2], scale[window, v + 2],
            table, entries + (v + 2) * N_BINS, whole,
        )  # fmt: skip
    if n_variables == N_GEOMETRY:
        return _keep(s, partners, at, n, cut)
    x, y, r, charge = clusters[i, X], clusters[i, Y], clusters[i, R], clusters[i, CHARGE]
    size_u, size_v = clusters[i, SIZE_U], clusters[i, SIZE_V]
    u0, u1, u2 = clusters[i, FRAME], clusters[i, FRAME + 1], clusters[i, FRAME + 2]
    v0, v1, v2 = clusters[i, FRAME + 3], clusters[i, FRAME + 4], clusters[i, FRAME + 5]
    w0, w1, w2 = clusters[i, FRAME + 6], clusters[i, FRAME + 7], clusters[i, FRAME + 8]
    for k in range(whole):
        u, v, path = cluster_values(
            x, y, r, charge, size_u, size_v, u0, u1, u2, v0, v1, v2, w0, w1, w2,
            s[_COS_I + k], s[_SIN_I + k], s[_COT + k],
        )  # fmt: skip
        s[_VALUE + k], s[_VALUE + BLOCK + k], s[_VALUE + 2 * BLOCK + k] = u, v, path
    _add_cluster(s, low, scale, table, window, N_GEOMETRY, whole)
    n = _keep(s, partners, at, n, cut - best)
    whole = (n + LANES - 1) // LANES * LANES
    for k in range(n, whole):
        partners[at + k] = i
    take_rows_16(s, 0, BLOCK, clusters, partners, at, whole)
    for k in range(whole):
        u, v, path = cluster_values(
            s[X * BLOCK + k], s[Y * BLOCK + k], s[R * BLOCK + k], s[CHARGE * BLOCK + k],
            s[SIZE_U * BLOCK + k], s[SIZE_V * BLOCK + k], s[FRAME * BLOCK + k],
            s[(FRAME + 1) * BLOCK + k], s[(FRAME + 2) * BLOCK + k], s[(FRAME + 3) * BLOCK + k],
            s[(FRAME + 4) * BLOCK + k], s[(FRAME + 5) * BLOCK + k], s[(FRAME + 6) * BLOCK + k],
            s[(FRAME + 7) * BLOCK + k], s[(FRAME + 8) * BLOCK + k],
            s[_COS_J + k], s[_SIN_J + k], s[_COT + k],
        )  # fmt: skip
        s[_VALUE + k], s[_VALUE + BLOCK + k], s[_VALUE + 2 * BLOCK + k] = u, v, path
    _add_cluster(s, low, scale, table, window, N_GEOMETRY + 3, whole)
    return _keep(s, partners, at, n, cut)


@formula
def _add_cluster(s, low, scale, table, window, first, whole):  # type: ignore[no-untyped-def]
    """Add what the tables of variables first to first + 2 say of the values."""
    entries = (window * low.shape[1] + first) * N_BINS
    for v in range(3):
        add_entries(
            s, _SCORE, s, _VALUE + v * BLOCK, low[window, first + v], scale[window, first + v],
            table, entries + v * N_BINS, whole,
        )  # fmt: skip


@formula
def _keep(s, partners, at, n, cut):  # type: ignore[no-untyped-def]
    """Move the pairs with a score of at least `cut` to the front; how many there are."""
    take_above(partners, at, partners, at, s, _SCORE, cut, n)
    for run in (_COT, _COS_J, _SIN_J):
        take_above(s, run, s, run, s, _SCORE, cut, n)
    return take_above(s, _SCORE, s, _SCORE, s, _SCORE, cut, n)
