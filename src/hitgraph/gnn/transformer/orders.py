"""In which order hits stand, so that those of one track are near each other.

By azimuth, as in arXiv 2411.07149; or by hashes that are alike for hits that are near each other in
direction (LSH): E2LSH, h(x) = floor((a x + b) / w) with random a, two hashes together, as in arXiv
2402.12535, and of the coordinates of hits, as in arXiv 2606.20437. Cells of the first hash have
equally many hits here, and within one the second one orders them, forth and back, so that
neighbouring cells join.
"""

import torch
from torch import Tensor

__all__ = ["by_azimuth", "by_hashes", "random_directions"]

AZIMUTH = 10.0  # how much an azimuth counts beside a pseudorapidity


def by_azimuth(position: Tensor) -> Tensor:
    """(n_hits,) int64 hits, of r, phi, z (n_hits, 3) in mm and rad, one after another."""
    return torch.argsort(position[:, 1], stable=True)


def random_directions(n: int) -> Tensor:
    """(n, 2, 3) unit vectors, two for each of n orders by hashes."""
    return torch.nn.functional.normalize(torch.randn(n, 2, 3), dim=2)


def by_hashes(position: Tensor, directions: Tensor, window: int) -> Tensor:
    """(n_hits,) int64 hits, of r, phi, z (n_hits, 3) in mm and rad, one after another.

    `directions` (2, 3) are of pseudorapidity and the azimuth as a point on a circle. There are as
    many cells as there are blocks of `window` hits in each.
    """
    r, phi, z = position.unbind(1)
    eta = torch.asinh(z / r.clamp_min(1.0))
    place = torch.stack([eta, AZIMUTH * phi.cos(), AZIMUTH * phi.sin()])
    first, second = (directions[:, :, None] * place).sum(dim=1)  # in 32 bits, whatever the network
    n_hits = len(position)
    n_cells = max(round((n_hits / window) ** 0.5), 1)
    cell = torch.argsort(torch.argsort(first, stable=True)) * n_cells // max(n_hits, 1)
    forth = torch.argsort(torch.argsort(torch.where(cell % 2 == 0, second, -second), stable=True))
    return torch.argsort(cell * n_hits + forth)
