"""How far hits lie from the helices through seeds: the coordinates of bent images.

The circle through the three hits of a seed goes through the first one along the unit vector t; its
centre is 1 / k away along the unit vector n, to the left of t. A hit at u from there is off the
circle by d, to the right, and s along it:

    a = k u^2 - 2 n u,   d = a / (1 + sqrt(1 + k a)),   tan(k s) = k t u / (1 - k n u)

which hold for straight lines too, k = 0. Along z the helix is a straight line in s.
"""

from typing import NamedTuple

import torch
from torch import Tensor

STRAIGHT = 1e-9  # 1/mm


class Circles(NamedTuple):
    """Helices through seeds, (n, ...) each."""

    start: Tensor  # (n, 2) mm, where s = 0: the first hit
    along: Tensor  # (n, 2) t
    aside: Tensor  # (n, 2) n
    curvature: Tensor  # (n,) k, 1/mm
    z0: Tensor  # (n,) mm, at the start
    slope: Tensor  # (n,) dz/ds

    def at(self, rows: Tensor) -> "Circles":
        """Those of the given numbers."""
        return Circles(*(one[rows] for one in self))

    def near(self, position: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs of a seed and a hit, (n_pairs,) int64 each, that may be less than reach (n_hits,)
        mm off the circle; position (n_hits, 3) mm. All that are, and few others."""
        k, place = self.curvature[:, None], position[:, :2].to(self.start)
        # a, written out in x^2 + y^2, x, y and 1
        back = k * self.start + self.aside
        rest = (k * self.start + 2 * self.aside).mul(self.start).sum(1, keepdim=True)
        ones = torch.ones_like(place[:, :1])
        rows = torch.cat([place.square().sum(1, keepdim=True), place, ones], dim=1)
        a = (torch.cat([k, -2 * back, rest], dim=1).float() @ rows.float().T).abs_()
        # of a hit that is d off the circle a = 2 d + k d^2
        most = 2 * reach + k.float().abs() * reach.square() + 0.01
        seed, hit = torch.nonzero(a < most, as_tuple=True)
        return seed, hit

    def ways(self, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """d, z off the line, and s, (n,) mm each, of a hit (n, 3) mm of each helix.

        s is negative on the half of the circle that lies behind the first hit of the seed.
        """
        u, k = position[:, :2] - self.start, self.curvature
        forward, inward = ((u * way).sum(1) for way in (self.along, self.aside))
        a = k * u.square().sum(1) - 2 * inward
        bent = torch.where(k.abs() < STRAIGHT, STRAIGHT, k)
        s = torch.atan2(bent * forward, 1 - bent * inward) / bent
        d = a / (1 + (1 + k * a).clamp_min(0).sqrt())
        return d, position[:, 2] - self.z0 - self.slope * s, s


def circles_through(seeds: Tensor) -> Circles:
    """Of three hits each, (n_seeds, 3, 3) mm, inner to outer; float64, z by least squares."""
    seeds = seeds.double()
    u = seeds[:, 1:, :2] - seeds[:, :1, :2]
    # k u^2 = 2 n u for both other hits: (n, k / 2) is perpendicular to both (u, -u^2)
    rows = torch.cat([u, -u.square().sum(2, keepdim=True)], dim=2)
    found = torch.linalg.cross(rows[:, 0], rows[:, 1])
    found = found / found[:, :2].norm(dim=1, keepdim=True).clamp_min(1e-12)
    along = torch.stack([found[:, 1], -found[:, 0]], dim=1)
    outward = torch.where((along * u[:, 0]).sum(1) < 0, -1.0, 1.0).double()
    found, along = found * outward[:, None], along * outward[:, None]
    nothing = torch.zeros_like(outward)
    flat = Circles(seeds[:, 0, :2], along, found[:, :2], 2 * found[:, 2], nothing, nothing)
    s = torch.stack([flat.ways(hits)[2] for hits in seeds.unbind(1)], dim=1)
    z, ds = seeds[..., 2], s - s.mean(1, keepdim=True)
    slope = (ds * z).sum(1) / ds.square().sum(1).clamp_min(1e-12)
    return flat._replace(z0=z.mean(1) - slope * s.mean(1), slope=slope)
