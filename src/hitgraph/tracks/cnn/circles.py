"""How far hits lie from the helices through seeds: the coordinates of bent images.

The circle through the three hits of a seed goes through the first one along the unit vector t; its
centre is 1 / k away along the unit vector n, to the left of t. A hit at u from there is off the
circle by d, and s along it:

    a = k u^2 - 2 n u,   d = a / (1 + sqrt(1 + k a)),   tan(k s) = k t u / (1 - k n u)

which hold for straight lines too, k = 0. Along z the helix is a straight line in s.
"""

from typing import NamedTuple

import torch
from torch import Tensor

STRAIGHT = 1e-9  # 1/mm


class Circles(NamedTuple):
    """Helices through seeds, float64."""

    start: Tensor  # (n_seeds, 2) mm, where s = 0: the first hit
    along: Tensor  # (n_seeds, 2) t
    aside: Tensor  # (n_seeds, 2) n
    curvature: Tensor  # (n_seeds,) k, 1/mm
    z0: Tensor  # (n_seeds,) mm, at the start
    slope: Tensor  # (n_seeds,) dz/ds

    def ways(self, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """d, z off the line, and s (mm), each (n_seeds, n), of hits (n_seeds or 1, n, 3) mm.

        s is negative behind the first hit, and on the half of the circle that lies behind it.
        """
        d, s = self._off_and_along(position)
        return d, position[..., 2] - self.z0[:, None] - self.slope[:, None] * s, s

    def _off_and_along(self, position: Tensor) -> tuple[Tensor, Tensor]:
        u, k = position[..., :2] - self.start[:, None], self.curvature[:, None]
        forward, inward = ((u * way[:, None]).sum(-1) for way in (self.along, self.aside))
        a = k * u.square().sum(-1) - 2 * inward
        bent = torch.where(k.abs() < STRAIGHT, STRAIGHT, k)
        s = torch.atan2(bent * forward, 1 - bent * inward) / bent
        return a / (1 + (1 + k * a).clamp_min(0).sqrt()), s

    def to(self, dtype: torch.dtype) -> "Circles":
        return Circles(*(one.to(dtype) for one in self))


def circles_through(seeds: Tensor) -> Circles:
    """Of three hits each, (n_seeds, 3, 3) mm, inner to outer; z by least squares."""
    place, z = seeds.double()[..., :2], seeds.double()[..., 2]
    u = place[:, 1:] - place[:, :1]
    # k u^2 = 2 n u for both other hits: (n, k / 2) is perpendicular to both (u, -u^2)
    rows = torch.cat([u, -u.square().sum(2, keepdim=True)], dim=2)
    found = torch.linalg.cross(rows[:, 0], rows[:, 1])
    found = found / found[:, :2].norm(dim=1, keepdim=True).clamp_min(1e-12)
    along = torch.stack([found[:, 1], -found[:, 0]], dim=1)
    outward = torch.where((along * u[:, 0]).sum(1) < 0, -1.0, 1.0).double()
    found, along = found * outward[:, None], along * outward[:, None]
    nothing = torch.zeros_like(outward)
    circles = Circles(place[:, 0], along, found[:, :2], 2 * found[:, 2], nothing, nothing)
    s = circles._off_and_along(seeds.double())[1]
    ds = s - s.mean(1, keepdim=True)
    slope = (ds * z).sum(1) / ds.square().sum(1).clamp_min(1e-12)
    return circles._replace(z0=z.mean(1) - slope * s.mean(1), slope=slope)
