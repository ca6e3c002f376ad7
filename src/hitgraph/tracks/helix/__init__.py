"""Helices through the beam line, fitted to all tracks of an event at once, on any device.

Along a circle through the beam line, phi = phi_0 + asin(k r / 2) and the arc length is
s = (2 / k) asin(k r / 2), with k the curvature in 1/mm; along the helix z = z_0 + s cot(theta).
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.kernels.groups import group_by_hit
from hitgraph.picks import rows_at
from hitgraph.tracks.helix import cpu, plain
from hitgraph.tracks.helix.plain import arc_length, farthest_hits, half_turn, sum_by_track, wrap

__all__ = ["Helices", "farthest_hits", "fit_helices", "sum_by_track", "wrap"]

_TRACKS = 256  # what is worth a task


class Helices(NamedTuple):
    """Parameters of each track, (n_tracks,) float64."""

    phi0: Tensor  # rad, azimuth of the direction at the beam line
    curvature: Tensor  # 1/mm, signed
    z0: Tensor  # mm
    cot: Tensor  # cot(theta)

    def at(self, track: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        """phi (rad) and z (mm) where the tracks of the given numbers reach the radii r (mm)."""
        phi0, curvature, z0, cot = (rows_at(one, track) for one in self)
        turn = half_turn(curvature, r)
        return phi0 + turn, z0 + cot * arc_length(turn, curvature, r)


def fit_helices(position: Tensor, track: Tensor, backend: Backend = "auto") -> Helices:
    """Least squares over the hits of each track.

    position (n_hits, 3) float64 in mm, track (n_hits,) int64 from 0. Every track needs a hit; with
    one hit, or all hits at one radius, curvature and cot(theta) are zero.
    """
    n_tracks = int(track.max()) + 1 if len(track) else 0
    if not for_host(position, backend):
        return Helices(*plain.fit_helices(position, track, n_tracks))
    start, order = group_by_hit(track.numpy(), n_tracks)
    given, fitted = position.contiguous().numpy(), np.empty((4, n_tracks))

    def task(begin: int, end: int) -> None:
        cpu.fit_helices(begin, end, start, order, given, fitted)

    in_blocks(task, n_tracks, _TRACKS)
    return Helices(*torch.from_numpy(fitted))
