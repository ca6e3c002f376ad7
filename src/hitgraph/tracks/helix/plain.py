"""The helix fit in torch on any device, and what else is asked of hits by track."""

from math import pi

import torch
from torch import Tensor

from hitgraph.tracks.helix.cpu import ITERATIONS, LARGEST_SINE, STRAIGHT


def fit_helices(position: Tensor, track: Tensor, n_tracks: int) -> tuple[Tensor, ...]:
    """phi0, curvature, z0 and cot(theta) of tracks, see hitgraph.tracks.helix."""
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
    turn = half_turn(curvature[track], r)
    z0, cot = _lines(arc_length(turn, curvature[track], r), z, track, n)
    return wrap(start + offset), curvature, z0, cot


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


def half_turn(curvature: Tensor, r: Tensor) -> Tensor:
    """asin(k r / 2), by how much the direction turns (rad) up to radii r (mm), halved."""
    return torch.asin((curvature * r / 2).clamp(-LARGEST_SINE, LARGEST_SINE))


def arc_length(turn: Tensor, curvature: Tensor, r: Tensor) -> Tensor:
    """Length of the arc (mm) up to radii r, from `half_turn` there."""
    straight = turn.abs() < STRAIGHT
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
