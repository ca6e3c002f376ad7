"""What a pair of hits says about the particle that could have made both: the scalar formulas.

A particle from the beam line moves on a circle through the origin of the transverse plane. Two
hits P_i, P_j fix that circle. With d = P_j - P_i (transverse), r = |P|, c = P_i x d and the
inscribed-angle theorem (all without trigonometry):

    curvature         k = 2 sin(dphi) / |d| = 2 c / (r_i r_j |d|)           1/mm, signed
    tangent at i      cos a_i = P_j . d / (r_j |d|),  sin a_i = c / (r_j |d|)
    tangent at j      cos a_j = P_i . d / (r_i |d|),  sin a_j = c / (r_i |d|)

where a is the angle from the hit's radial direction to the flight direction. The arc between the
hits is |d| asin(h) / h with h = sin(dphi), and cot(theta) = dz / arc.

The tangent, turned into the frame of a module (u, v, w; w is the normal), predicts the cluster
there: it crosses |t_u / t_w| * thickness along u, and the same along v.
"""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.hits import Hits
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.jit import exact, formula
from hitgraph.kernels.scalars import log

Float32 = NDArray[np.float32]

# Columns of a hit row: one cache line of 16 float32.
X, Y, Z, R, ETA, SIZE_U, SIZE_V = range(7)  # mm, mm, mm, mm, -, channels, channels
PER_U, PER_V, NORMAL = 7, 10, 13  # three columns each, see hit_rows

_SERIES_2 = np.float32(1.0 / 6.0)
_SERIES_4 = np.float32(3.0 / 40.0)
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
_HITS = 4096  # what is worth a task
MAX_Z0 = np.float32(10.0)  # 100 mm; pairs at equal radius point nowhere on the beam line
SHORTEST = np.float32(1e-3)  # mm; transverse lengths that are divided by are no less


def hit_rows(hits: Hits, detector: Detector) -> Float32:
    """(n_hits, 16) float32: straightened position, eta, cluster size in channels, module frame.

    The frame is given by three vectors: a flight direction t crosses
    |t . per_u| / |t . normal| channels along u (of the sensitive thickness), and so for v.
    Without cluster features the sizes are zero.
    """
    module, position = hits.module.cpu().numpy(), hits.straight.cpu().numpy()
    rows = np.zeros((len(hits), 16), dtype=np.float32)
    length, width = (
        np.ascontiguousarray(hits.column(name).cpu().numpy()) if hits.has_clusters else rows[:0, 0]
        for name in ("lx", "ly")
    )
    pitches = detector.pitch_u, detector.pitch_v
    frames = module_frames(detector)

    def task(begin: int, end: int) -> None:
        _fill_rows(begin, end, position, module, length, width, *pitches, frames, rows)

    in_blocks(task, len(rows), _HITS)
    return rows


@exact
def _fill_rows(  # type: ignore[no-untyped-def]
    begin, end, position, module, length, width, pitch_u, pitch_v, frames, rows
):
    for k in range(begin, end):
        x, y, z = position[k, 0], position[k, 1], position[k, 2]
        r = np.hypot(x, y)
        rows[k, X], rows[k, Y], rows[k, Z], rows[k, R] = x, y, z, r
        rows[k, ETA] = np.arcsinh(z / max(r, SHORTEST))
        m = module[k]
        if len(length):
            rows[k, SIZE_U] = length[k] / pitch_u[m]
            rows[k, SIZE_V] = width[k] / pitch_v[m]
        for column in range(frames.shape[1]):
            rows[k, PER_U + column] = frames[m, column]


def module_frames(detector: Detector) -> Float32:
    """(n_modules, 9): u axis x thickness / pitch_u, v axis x thickness / pitch_v, normal."""
    thickness = detector.sensitive_thickness
    per_u = detector.rotation[:, :, 0] * (thickness / detector.pitch_u)[:, None]
    per_v = detector.rotation[:, :, 1] * (thickness / detector.pitch_v)[:, None]
    frames = np.concatenate([per_u, per_v, detector.rotation[:, :, 2]], axis=1)
    return frames.astype(np.float32)


@formula
def arc_of(square):  # type: ignore[no-untyped-def]
    """Arc over chord, asin(h) / h = 1 + h^2/6 + 3 h^4/40 + ..., of h^2."""
    return _ONE + square * (_SERIES_2 + _SERIES_4 * square)


@formula
def on_beam_line(zi, ri, zj, rj):  # type: ignore[no-untyped-def]
    """z (mm) where the straight line in (r, z) through two hits meets the beam line."""
    return zi - (zj - zi) * ri / (rj - ri)


@formula
def limited_z0(zi, ri, zj, rj):  # type: ignore[no-untyped-def]
    """`on_beam_line` in units of 100 mm, within MAX_Z0."""
    z0 = np.float32(0.01) * on_beam_line(zi, ri, zj, rj)
    # written so that a pair at equal radius (infinite or not a number) gets a limit too
    z0 = z0 if z0 > -MAX_Z0 else -MAX_Z0
    return z0 if z0 < MAX_Z0 else MAX_Z0


@formula
def slope_of(cot):  # type: ignore[no-untyped-def]
    """asinh(cot theta), the pseudorapidity of a direction."""
    slope = log(abs(cot) + np.sqrt(cot * cot + _ONE))
    return slope if cot >= _ZERO else -slope


@formula
def circle_through(xi, yi, ri, xj, yj, rj):  # type: ignore[no-untyped-def]
    """Circle through the beam line and two hits.

    Returns |d|, sin(dphi), curvature (1/mm), arc (mm), cos a_i, sin a_i, cos a_j, sin a_j.
    All are finite: |d| and r count as SHORTEST where they are less (one hit behind the other along
    z, or a hit on the beam line), which leaves curvature and tangents zero.
    """
    dx = xj - xi
    dy = yj - yi
    distance = np.sqrt(dx * dx + dy * dy)
    distance = distance if distance > SHORTEST else SHORTEST
    ri = ri if ri > SHORTEST else SHORTEST
    rj = rj if rj > SHORTEST else SHORTEST
    per_i = _ONE / (ri * distance)
    per_j = _ONE / (rj * distance)
    cross = xi * dy - yi * dx
    sine = cross / (ri * rj)
    curvature = np.float32(2.0) * sine / distance
    arc = distance * arc_of(sine * sine)
    cos_i = (xj * dx + yj * dy) * per_j
    cos_j = (xi * dx + yi * dy) * per_i
    return distance, sine, curvature, arc, cos_i, cross * per_j, cos_j, cross * per_i


@formula
def circle(a, b):  # type: ignore[no-untyped-def]
    """`circle_through` of two rows of hit_rows."""
    return circle_through(a[X], a[Y], a[R], b[X], b[Y], b[R])


@formula
def crossing(hit, cosine, sine, cot):  # type: ignore[no-untyped-def]
    """|t . per_u|, |t . per_v|, |t . normal| of the flight direction t at a hit.

    `hit` is a row of hit_rows; t = cosine * radial + sine * azimuthal + cot * z, so that its
    transverse part has length one.
    """
    r = hit[R] if hit[R] > SHORTEST else SHORTEST
    return crossing_of(
        hit[X], hit[Y], _ONE / r, hit[PER_U], hit[PER_U + 1], hit[PER_U + 2],
        hit[PER_V], hit[PER_V + 1], hit[PER_V + 2],
        hit[NORMAL], hit[NORMAL + 1], hit[NORMAL + 2], cosine, sine, cot,
    )  # fmt: skip


@formula
def crossing_of(  # type: ignore[no-untyped-def]
    x, y, per_r, u0, u1, u2, v0, v1, v2, w0, w1, w2, cosine, sine, cot
):
    """`crossing` at a point with the frame u, v, w of its module."""
    tx = (cosine * x - sine * y) * per_r
    ty = (cosine * y + sine * x) * per_r
    u = abs(tx * u0 + ty * u1 + cot * u2)
    v = abs(tx * v0 + ty * v1 + cot * v2)
    w = abs(tx * w0 + ty * w1 + cot * w2)
    return u, v, w
