"""Crossings of strips in torch."""

import torch
from torch import Tensor

from hitgraph.kernels.ranges import expand


def cross(
    centre: Tensor,
    half: Tensor,
    module: Tensor,
    other_centre: Tensor,
    other_half: Tensor,
    other_module: Tensor,
    origin: Tensor,
    tolerance: Tensor,
) -> tuple[Tensor, Tensor]:
    """As `cross_strips`, of the columns of the first strips and of the second."""
    begin = torch.searchsorted(other_module, module)
    end = torch.searchsorted(other_module, module, right=True)
    first, second = expand(begin, end)
    s, t = centre[first] - origin, other_centre[second] - origin
    q, r = half[first], other_half[second]
    m = _along(s, q, torch.linalg.cross(r, t))
    n = _along(t, r, torch.linalg.cross(q, s))
    # not a number, and so nowhere, where strips are parallel
    missed = tolerance[first]
    inside = (m.abs() <= _limit(q, missed)) & (n.abs() <= _limit(r, missed))
    position = centre[first] + m.clamp(-1.0, 1.0)[:, None] * q
    return torch.stack([first, second])[:, inside], position[inside]


def _along(centre: Tensor, half: Tensor, normal: Tensor) -> Tensor:
    """(n,) in half lengths from the centre, where strips meet the planes through the origin."""
    place: Tensor = -torch.linalg.vecdot(centre, normal) / torch.linalg.vecdot(half, normal)
    return place


def _limit(half: Tensor, tolerance: Tensor) -> Tensor:
    limit: Tensor = 1.0 + tolerance / torch.linalg.vector_norm(half, dim=1)
    return limit
