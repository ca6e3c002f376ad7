"""Helices through the beam line, fitted to all tracks of an event at once, on any device.

Along a circle through the beam line, phi = phi_0 + asin(k r / 2) and the arc length is
s = (2 / k) asin(k r / 2), with k the curvature in 1/mm; along the helix z = z_0 + s cot(theta).
"""

from math import pi
from typing import NamedTuple

import torch
from torch import Tensor

ITERATIONS = 3  # asin(h) - h is taken from the curvature of the iteration before
LARGEST_SINE = 0.99  # of half the turning angle; a hit farther out is not on the circle


class Helices(NamedTuple):
    """Parameters of each track, (n_tracks,) float64."""

    phi0: Tensor  # rad, azimuth of the direction at the beam line
    curvature: Tensor  # 1/mm, signed
    z0: Tensor  # mm
    cot: Tensor  # cot(theta)

    def at(self, track: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        """phi (rad) and z (mm) where the tracks of the given numbers reach the radii r (mm)."""
        curvature = self.curvature[track]
        turn = _half_turn(curvature, r)
        return self.phi0[track] + turn, self.z0[track] + self.cot[track] * _arc(turn, curvature, r)


def fit_helices(position: Tensor, track: Tensor) -> Helices:
    """Least squares over the hits of each track.

    position (n_hits, 3) float64 in mm, track (n_hits,) int64 from 0. Every track needs a hit; with
    one hit, or all hits at one radius, curvature and cot(theta) are zero.
    """
    n_tracks = int(track.max()) + 1 if len(track) else 0
    n = torch.bincount(track, minlength=n_tracks)
    x, y, z = position.unbind(1)
    r, phi = torch.hypot(x, y), torch.atan2(y, x)
    start = phi[farthest_hits(r, track, n_tracks)]
    turned = wrap(phi - start[track])
    curvature = offset = r.new_zeros(n_tracks)
    for _ in range(ITERATIONS):
        half = (curvature[track] * r / 2).clamp(-LARGEST_SINE, LARGEST_SINE)
        offset, slope = _lines(r, turned - (torch.asin(half) - half), track, n)
        curvature = 2 * slope
    turn = _half_turn(curvature[track], r)
    z0, cot = _lines(_arc(turn, curvature[track], r), z, track, n)
    return Helices(wrap(start + offset), curvature, z0, cot)


def farthest_hits(distance: Tensor, track: Tensor, n_tracks: int) -> Tensor:
    """(n_tracks,) the hit of each track with the largest distance (n_hits,), ties to the last."""
    most = distance.new_full((n_tracks,), -torch.inf).scatter_reduce_(0, track, distance, "amax")
    rows = torch.arange(len(track), device=track.device)
    rows = torch.where(distance == most[track], rows, -1)
    return track.new_full((n_tracks,), -1).scatter_reduce_(0, track, rows, "amax")


def sum_by_track(value: Tensor, track: Tensor, n_tracks: int) -> Tensor:
    """(n_tracks,) sums of the values (n_hits,) of each track's hits."""
    return value.new_zeros(n_tracks).index_add_(0, track, value)


def wrap(angle: Tensor) -> Tensor:
    """The same angle in [-pi, pi)."""
    return torch.remainder(angle + pi, 2 * pi) - pi


def _half_turn(curvature: Tensor, r: Tensor) -> Tensor:
    return torch.asin((curvature * r / 2).clamp(-LARGEST_SINE, LARGEST_SINE))


def _arc(turn: Tensor, curvature: Tensor, r: Tensor) -> Tensor:
    straight = turn.abs() < 1e-6
    return torch.where(straight, r, 2 * turn / torch.where(straight, 1.0, curvature))


def _lines(u: Tensor, v: Tensor, track: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    """Offset and slope of the straight line v(u) of each track, which has n (n_tracks,) hits."""
    mean_u = sum_by_track(u, track, len(n)) / n
    mean_v = sum_by_track(v, track, len(n)) / n
    du, dv = u - mean_u[track], v - mean_v[track]
    spread = sum_by_track(du * du, track, len(n))
    flat = spread < 1e-9
    slope = sum_by_track(du * dv, track, len(n)) / torch.where(flat, 1.0, spread)
    slope = torch.where(flat, 0.0, slope)
    return mean_v - slope * mean_u, slope
