"""Where the strips that fired on the two sides of double-sided modules cross.

A strip tells a place across it only. A particle that comes from `origin`, the beam spot, and
crosses both strips lies in the plane of the origin and either strip. With s and t, the centres of
the strips seen from the origin, and q and r, half their lengths as vectors, it crosses the first at
s + m q with m = -s.(r x t) / q.(r x t), the second at t + n r with n = -t.(q x s) / r.(q x s). So
do ATLAS and the SpacePointBuilder of ACTS bridge the gap between the sides. The strips cross where
neither |m| nor |n| is above 1: inside both.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hitgraph.hits.strips import cpu, plain
from hitgraph.kernels.choice import Backend, for_host

__all__ = ["Strips", "cross_strips"]


@dataclass(frozen=True, eq=False)
class Strips:
    """Strips that fired on one side of double-sided modules, sorted by module."""

    centre: Tensor  # (n_strips, 3) float64, mm
    half: Tensor  # (n_strips, 3) float64, mm, from the centre to one end
    module: Tensor  # (n_strips,) int64, number of the double-sided module, rising

    def __len__(self) -> int:
        return len(self.module)


def cross_strips(
    first: Strips,
    second: Strips,
    tolerance: Tensor,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    backend: Backend = "auto",
) -> tuple[Tensor, Tensor]:
    """Every pair of strips of one module that cross, the pairs of no one particle (ghosts) too.

    Rows (2, n_pairs) int64 of a first and a second strip, by rising rows, and position (n_pairs, 3)
    float64 in mm, on the first strip. Strips may miss each other by `tolerance` (n_first,) float64
    in mm beyond their ends, for particles that are not straight from `origin`; such a point lies at
    the end of the first.
    """
    place = torch.tensor(origin, dtype=torch.float64, device=first.centre.device)
    columns = (first.centre, first.half, first.module, second.centre, second.half, second.module)
    if for_host(first.centre, backend):
        found = cpu.cross(*(one.numpy() for one in (*columns, place, tolerance)))
        pairs, position = (torch.from_numpy(one) for one in found)
        return pairs, position
    return plain.cross(*columns, place, tolerance)
