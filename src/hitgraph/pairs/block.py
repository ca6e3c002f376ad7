"""Features of a block of pairs at a time, in an order that suits vector registers.

The features of hitgraph.pairs by the formulas of pairs.geometry. A block lies in `scratch`, one run
of BLOCK numbers after the other: what is known of the inner hits, of the outer hits, then the
features. Places that are known constants let the compiler see that nothing overlaps, which it must
to use vector registers.
"""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.hits import Hits
from hitgraph.kernels.jit import formula, step
from hitgraph.pairs.geometry import (
    ETA,
    NORMAL,
    PER_U,
    PER_V,
    SHORTEST,
    SIZE_U,
    SIZE_V,
    R,
    X,
    Y,
    Z,
    circle_through,
    crossing_of,
    hit_rows,
    limited_z0,
    slope_of,
)

BLOCK = 64  # pairs; all that belongs to a block fits into the first-level cache
N_GEOMETRY, N_FEATURES = 13, 25  # without and with cluster shape
_CELLS, _CHARGE, _LAYER, _N_COLUMNS = 16, 17, 18, 20  # columns of hit_table after hit_rows
_OUTER = _N_COLUMNS * BLOCK
FEATURES_AT = 2 * _N_COLUMNS * BLOCK  # where in the scratch the features begin

_MAX_SIZE = np.float32(30.0)  # channels; a direction along the module's plane has no finite size
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
_TINY = np.float32(1e-6)


def hit_table(hits: Hits, detector: Detector) -> NDArray[np.float32]:
    """(n_hits, 20) float32: hit_rows, then cell count, charge (or zeros), layer and nothing."""
    table = np.zeros((len(hits), _N_COLUMNS), np.float32)
    table[:, :_CELLS] = hit_rows(hits, detector)
    if hits.has_clusters:
        table[:, _CELLS] = hits.column("cell_count").cpu().numpy()
    table[:, _CHARGE] = hits.charge.cpu().numpy()
    table[:, _LAYER] = hits.layer.cpu().numpy()
    return table


@formula
def _shape(s, hit, out, k, cosine, sine, cot, length):  # type: ignore[no-untyped-def]
    """The six cluster features of one end of pair k; its hit begins at `hit` in the scratch."""
    x, y, r = s[hit + X * BLOCK + k], s[hit + Y * BLOCK + k], s[hit + R * BLOCK + k]
    per_r = _ONE / (r if r > SHORTEST else SHORTEST)
    u, v, w = crossing_of(
        x, y, per_r, s[hit + PER_U * BLOCK + k], s[hit + (PER_U + 1) * BLOCK + k],
        s[hit + (PER_U + 2) * BLOCK + k], s[hit + PER_V * BLOCK + k],
        s[hit + (PER_V + 1) * BLOCK + k], s[hit + (PER_V + 2) * BLOCK + k],
        s[hit + NORMAL * BLOCK + k], s[hit + (NORMAL + 1) * BLOCK + k],
        s[hit + (NORMAL + 2) * BLOCK + k], cosine, sine, cot,
    )  # fmt: skip
    # not min and max, which keep the compiler from vector registers
    inverse = _ONE / (w if w > _TINY else _TINY)
    size_u, size_v = u * inverse, v * inverse
    size_u = size_u if size_u < _MAX_SIZE else _MAX_SIZE
    size_v = size_v if size_v < _MAX_SIZE else _MAX_SIZE
    s[out + k] = s[hit + SIZE_U * BLOCK + k] - size_u
    s[out + BLOCK + k] = s[hit + SIZE_V * BLOCK + k] - size_v
    s[out + 2 * BLOCK + k] = size_u
    s[out + 3 * BLOCK + k] = size_v
    s[out + 4 * BLOCK + k] = s[hit + _CHARGE * BLOCK + k] * w / length
    s[out + 5 * BLOCK + k] = s[hit + _CELLS * BLOCK + k]


@step
def fill_block(s, table, first, second, begin, end, with_shape):  # type: ignore[no-untyped-def]
    """Features of pairs begin to end (BLOCK at most) into the scratch s, from FEATURES_AT on.

    Where there are fewer pairs, the last one fills the block. Column f of pair k is number
    FEATURES_AT + f BLOCK + k - begin, in the order of hitgraph.pairs.PAIR_FEATURES.
    """
    for k in range(BLOCK):
        pair = min(begin + k, end - 1)
        i, j = first[pair], second[pair]
        for column in range(_LAYER + 1):
            s[column * BLOCK + k] = table[i, column]
            s[_OUTER + column * BLOCK + k] = table[j, column]
    f = FEATURES_AT
    for k in range(BLOCK):
        ri, zi = s[R * BLOCK + k], s[Z * BLOCK + k]
        rj, zj = s[_OUTER + R * BLOCK + k], s[_OUTER + Z * BLOCK + k]
        distance, sine, curvature, arc, cos_i, sin_i, cos_j, sin_j = circle_through(
            s[X * BLOCK + k], s[Y * BLOCK + k], ri,
            s[_OUTER + X * BLOCK + k], s[_OUTER + Y * BLOCK + k], rj,
        )  # fmt: skip
        dz = zj - zi
        dr = rj - ri
        cot = dz / arc
        length = np.sqrt(cot * cot + _ONE)
        s[f + k] = np.float32(1000.0) * curvature
        s[f + BLOCK + k] = limited_z0(zi, ri, zj, rj)
        s[f + 2 * BLOCK + k] = slope_of(cot)
        s[f + 3 * BLOCK + k] = np.float32(10.0) * sine
        s[f + 4 * BLOCK + k] = s[_OUTER + ETA * BLOCK + k] - s[ETA * BLOCK + k]
        s[f + 5 * BLOCK + k] = np.float32(0.01) * dr
        s[f + 6 * BLOCK + k] = np.float32(0.01) * dz
        s[f + 7 * BLOCK + k] = np.float32(0.01) * np.sqrt(distance * distance + dz * dz)
        s[f + 8 * BLOCK + k] = np.float32(0.001) * ri
        s[f + 9 * BLOCK + k] = np.float32(0.001) * zi
        s[f + 10 * BLOCK + k] = np.float32(0.001) * rj
        s[f + 11 * BLOCK + k] = np.float32(0.001) * zj
        same = s[_LAYER * BLOCK + k] == s[_OUTER + _LAYER * BLOCK + k]
        s[f + 12 * BLOCK + k] = _ONE if same else _ZERO
        if with_shape:
            _shape(s, 0, f + 13 * BLOCK, k, cos_i, sin_i, cot, length)
            _shape(s, _OUTER, f + 19 * BLOCK, k, cos_j, sin_j, cot, length)
