"""The helix fit on a CPU, track by track. Kernels."""

import numpy as np

from hitgraph.kernels.jit import exact

ITERATIONS = 3  # asin(h) - h is taken from the curvature of the iteration before
LARGEST_SINE = 0.99  # of half the turning angle; a hit farther out is not on the circle
STRAIGHT = 1e-6  # half a turning angle below which a radius and its arc are the same
_FLAT = 1e-9  # mm2, spread of hits through which no line is drawn


@exact
def fit_helices(begin, end, start, order, position, fitted):  # type: ignore[no-untyped-def]
    """Columns [begin, end) of fitted (4, n_tracks): phi0, curvature, z0, cot(theta).

    The hits of a track are order[start[track]:start[track + 1]], rows of position (n_hits, 3).
    """
    most = 0
    for track in range(begin, end):
        most = max(most, start[track + 1] - start[track])
    r, z, turned, v = np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    for track in range(begin, end):
        first, n = start[track], start[track + 1] - start[track]
        far, x_far, y_far = -1.0, 0.0, 0.0
        for k in range(n):
            x, y, z[k] = position[order[first + k]]
            r[k] = np.sqrt(x * x + y * y)
            if r[k] >= far:
                far, x_far, y_far = r[k], x, y
        for k in range(n):  # azimuths from that of the hit farthest out
            x, y, _ = position[order[first + k]]
            turned[k] = np.arctan2(x_far * y - y_far * x, x_far * x + y_far * y)
        curvature = offset = 0.0
        for _ in range(ITERATIONS):
            for k in range(n):
                half = min(max(curvature * r[k] / 2, -LARGEST_SINE), LARGEST_SINE)
                v[k] = turned[k] - (np.arcsin(half) - half)
            offset, slope = _line(r, v, n)
            curvature = 2 * slope
        for k in range(n):
            turn = np.arcsin(min(max(curvature * r[k] / 2, -LARGEST_SINE), LARGEST_SINE))
            v[k] = r[k] if abs(turn) < STRAIGHT else 2 * turn / curvature
        z0, cot = _line(v, z, n)
        phi0 = np.arctan2(y_far, x_far) + offset
        fitted[0, track] = (phi0 + np.pi) % (2 * np.pi) - np.pi
        fitted[1, track], fitted[2, track], fitted[3, track] = curvature, z0, cot


@exact
def _line(u, v, n):  # type: ignore[no-untyped-def]
    """Offset and slope of the straight line v(u) through the first n points."""
    mean_u = mean_v = 0.0
    for k in range(n):
        mean_u += u[k] / n
        mean_v += v[k] / n
    spread = covariance = 0.0
    for k in range(n):
        spread += (u[k] - mean_u) ** 2
        covariance += (u[k] - mean_u) * (v[k] - mean_v)
    slope = covariance / spread if spread >= _FLAT else 0.0
    return mean_v - slope * mean_u, slope
