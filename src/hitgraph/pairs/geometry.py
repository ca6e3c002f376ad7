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
from hitgraph.kernels.jit import formula

Float32 = NDArray[np.float32]

# Columns of a hit row: one cache line of 16 float32.
X, Y, Z, R, ETA, SIZE_U, SIZE_V = range(7)  # mm, mm, mm, mm, -, channels, channels
PER_U, PER_V, NORMAL = 7, 10, 13  # three columns each, see hit_rows

_SERIES_2 = np.float32(1.0 / 6.0)  # asin(h) / h = 1 + h^2/6 + 3 h^4/40 + ...
_SERIES_4 = np.float32(3.0 / 40.0)
SHORTEST = np.float32(1e-3)  # mm; transverse lengths that are divided by are no less


def hit_rows(hits: Hits, detector: Detector) -> Float32:
    """(n_hits, 16) float32: straightened position, eta, cluster size in channels, module frame.

    The frame is given by three vectors: a flight direction t crosses
    |t . per_u| / |t . normal| channels along u (of the sensitive thickness), and so for v.
    Without cluster features the sizes are zero.
    """
    module = hits.module.cpu().numpy()
    position = hits.straight.cpu().numpy()
    rows = np.zeros((len(hits), 16), dtype=np.float32)
    rows[:, X : Z + 1] = position
    rows[:, R] = np.hypot(position[:, 0], position[:, 1])
    rows[:, ETA] = np.arcsinh(position[:, 2] / np.maximum(rows[:, R], 1e-3))
    if hits.has_clusters:
        rows[:, SIZE_U] = hits.column("lx").cpu().numpy() / detector.pitch_u[module]
        rows[:, SIZE_V] = hits.column("ly").cpu().numpy() / detector.pitch_v[module]
    rows[:, PER_U:] = module_frames(detector)[module]
    return rows


def module_frames(detector: Detector) -> Float32:
    """(n_modules, 9): u axis x thickness / pitch_u, v axis x thickness / pitch_v, normal."""
    thickness = detector.sensitive_thickness
    per_u = detector.rotation[:, :, 0] * (thickness / detector.pitch_u)[:, None]
    per_v = detector.rotation[:, :, 1] * (thickness / detector.pitch_v)[:, None]
    frames = np.concatenate([per_u, per_v, detector.rotation[:, :, 2]], axis=1)
    return frames.astype(np.float32)


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
    per_i = np.float32(1.0) / (ri * distance)
    per_j = np.float32(1.0) / (rj * distance)
    cross = xi * dy - yi * dx
    sine = cross / (ri * rj)
    curvature = np.float32(2.0) * sine / distance
    square = sine * sine
    arc = distance * (np.float32(1.0) + square * (_SERIES_2 + _SERIES_4 * square))
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
    tx = (cosine * hit[X] - sine * hit[Y]) / r
    ty = (cosine * hit[Y] + sine * hit[X]) / r
    u = abs(tx * hit[PER_U] + ty * hit[PER_U + 1] + cot * hit[PER_U + 2])
    v = abs(tx * hit[PER_V] + ty * hit[PER_V + 1] + cot * hit[PER_V + 2])
    w = abs(tx * hit[NORMAL] + ty * hit[NORMAL + 1] + cot * hit[NORMAL + 2])
    return u, v, w
