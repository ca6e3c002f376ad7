"""What the scored windows look at: the variables of a pair of hits. Scalar formulas."""

import numpy as np

from hitgraph.kernels.jit import formula, kernel
from hitgraph.kernels.scalars import within
from hitgraph.pairs.geometry import arc_of, circle_through, crossing_of

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

# Rows of `columns`, (18, n_hits) float32: mm, pseudorapidity, charge, z or r along the layer, size
# in channels minus one, and from FRAME_ on the module's frame of pairs.geometry.hit_rows
X_, Y_, Z_, R_, ETA_, CHARGE_, ALONG_, SIZE_U_, SIZE_V_, FRAME_ = range(10)
N_COLUMNS = 18

_VERTEX_SCALE = np.float32(100.0)
_ONE = np.float32(1.0)
_TINY = np.float32(1e-6)


@formula
def geometry_values(xi, yi, zi, ri, xj, yj, zj, rj):  # type: ignore[no-untyped-def]
    """Curvature, vertex and impact of SCORE_VARIABLES, then cot(theta) and the tangents.

    The tangents are cos a_i, sin a_i, cos a_j, sin a_j of pairs.geometry.
    """
    _, _, curvature, arc, cos_i, sin_i, cos_j, sin_j = circle_through(xi, yi, ri, xj, yj, rj)
    dz = zj - zi
    dr = rj - ri
    cot = dz / arc
    z0 = zi - cot * ri * arc_of(sin_i * sin_i)
    vertex = z0 / (_VERTEX_SCALE + abs(z0))
    impact = (zi * rj - zj * ri) / np.sqrt(dr * dr + dz * dz)
    return curvature, vertex, impact, cot, cos_i, sin_i, cos_j, sin_j


@formula
def cluster_values(  # type: ignore[no-untyped-def]
    x, y, r, charge, size_u, size_v, u0, u1, u2, v0, v1, v2, w0, w1, w2, cosine, sine, cot
):
    """Size along u and v minus the predicted ones, charge over path length; of one hit.

    u, v, w are the three vectors of the module's frame (pairs.geometry.hit_rows).
    """
    u, v, w = crossing_of(x, y, _ONE / r, u0, u1, u2, v0, v1, v2, w0, w1, w2, cosine, sine, cot)
    inverse = _ONE / (w if w > _TINY else _TINY)  # not max, which keeps loops from vectors
    path = charge * w / np.sqrt(_ONE + cot * cot)
    return size_u - u * inverse, size_v - v * inverse, path


@formula
def _cluster_of(columns, hit, cosine, sine, cot):  # type: ignore[no-untyped-def]
    return cluster_values(
        columns[X_, hit], columns[Y_, hit], columns[R_, hit], columns[CHARGE_, hit],
        columns[SIZE_U_, hit], columns[SIZE_V_, hit], columns[FRAME_, hit],
        columns[FRAME_ + 1, hit], columns[FRAME_ + 2, hit], columns[FRAME_ + 3, hit],
        columns[FRAME_ + 4, hit], columns[FRAME_ + 5, hit], columns[FRAME_ + 6, hit],
        columns[FRAME_ + 7, hit], columns[FRAME_ + 8, hit], cosine, sine, cot,
    )  # fmt: skip


@formula
def table_bin(value, low, scale):  # type: ignore[no-untyped-def]
    """Bin of a value; the first and the last bin hold all that lies beyond."""
    place = (value - low) * scale
    return np.uint32(within(place, np.float32(0.0), np.float32(N_BINS - 1)))


@kernel
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
            u, v, charge = _cluster_of(columns, i, cos_i, sin_i, cot)
            values[6, k], values[7, k], values[8, k] = u, v, charge
            u, v, charge = _cluster_of(columns, j, cos_j, sin_j, cot)
            values[9, k], values[10, k], values[11, k] = u, v, charge
    return values
