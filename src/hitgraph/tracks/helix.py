"""Helices through the beam line, fitted to all tracks of an event at once.

Along a circle through the beam line, phi = phi_0 + asin(k r / 2) and the arc length is
s = (2 / k) asin(k r / 2), with k the curvature in 1/mm; along the helix z = z_0 + s cot(theta).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

ITERATIONS = 3  # asin(h) - h is taken from the curvature of the iteration before
LARGEST_SINE = 0.99  # of half the turning angle; a hit farther out is not on the circle


@dataclass(frozen=True, eq=False)
class Helices:
    """Parameters of each track, arrays (n_tracks,)."""

    phi0: Float64  # rad, azimuth of the direction at the beam line
    curvature: Float64  # 1/mm, signed
    z0: Float64  # mm
    cot: Float64  # cot(theta)

    def at(self, track: Int64, r: Float64) -> tuple[Float64, Float64]:
        """phi (rad) and z (mm) where the tracks of the given numbers reach the radii r (mm)."""
        turn = _half_turn(self.curvature[track], r)
        phi = self.phi0[track] + turn
        return phi, self.z0[track] + self.cot[track] * _arc(turn, self.curvature[track], r)


def fit_helices(position: Float64, track: Int64) -> Helices:
    """Least squares over the hits of each track; position (n_hits, 3) mm, track (n_hits,) from 0.

    Every track needs a hit; with one hit, or all hits at one radius, curvature and cot(theta)
    are zero.
    """
    n_tracks = int(track.max()) + 1 if len(track) else 0
    r = np.hypot(position[:, 0], position[:, 1])
    phi = np.arctan2(position[:, 1], position[:, 0])
    outermost = np.empty(n_tracks, np.int64)
    by_radius = np.argsort(r, kind="stable")
    outermost[track[by_radius]] = by_radius
    start = phi[outermost]
    turned = wrap(phi - start[track])
    curvature = np.zeros(n_tracks)
    offset = np.zeros(n_tracks)
    for _ in range(ITERATIONS):
        half = np.clip(curvature[track] * r / 2, -LARGEST_SINE, LARGEST_SINE)
        offset, slope = _lines(r, turned - (np.arcsin(half) - half), track, n_tracks)
        curvature = 2 * slope
    turn = _half_turn(curvature[track], r)
    z0, cot = _lines(_arc(turn, curvature[track], r), position[:, 2], track, n_tracks)
    return Helices(wrap(start + offset), curvature, z0, cot)


def wrap(angle: Float64) -> Float64:
    """The same angle in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _half_turn(curvature: Float64, r: Float64) -> Float64:
    return np.arcsin(np.clip(curvature * r / 2, -LARGEST_SINE, LARGEST_SINE))


def _arc(turn: Float64, curvature: Float64, r: Float64) -> Float64:
    straight = np.abs(turn) < 1e-6
    return np.where(straight, r, 2 * turn / np.where(straight, 1.0, curvature))


def _lines(u: Float64, v: Float64, track: Int64, n_tracks: int) -> tuple[Float64, Float64]:
    """Offset and slope of the straight line v(u) of each track."""
    n = np.bincount(track, minlength=n_tracks)
    mean_u = np.bincount(track, u, n_tracks) / n
    mean_v = np.bincount(track, v, n_tracks) / n
    du, dv = u - mean_u[track], v - mean_v[track]
    spread = np.bincount(track, du * du, n_tracks)
    flat = spread < 1e-9
    slope = np.bincount(track, du * dv, n_tracks) / np.where(flat, 1.0, spread)
    slope[flat] = 0.0
    return mean_v - slope * mean_u, slope
