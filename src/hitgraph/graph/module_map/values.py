"""What a module map looks at: variables of a pair and of a triplet of hits, in torch.

Those of arXiv 2103.00916 and of ModuleMapGraph, which ACTS reads maps with. `cpu` has the same
formulas for its kernels. Differences of r that are divided by count as SHORTEST where they are
less, so that all variables are finite.
"""

from math import pi

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.pairs.geometry import SHORTEST

PAIR_VARIABLES = (
    "z0",  # mm, where the straight line in (r, z) meets the beam line
    "dphi",  # rad, from the inner hit to the outer
    "phi_slope",  # rad/mm, dphi / dr
    "deta",  # of the inner hit less that of the outer
)
TRIPLET_VARIABLES = (
    *(f"{name}_12" for name in PAIR_VARIABLES),
    *(f"{name}_23" for name in PAIR_VARIABLES),
    "diff_dzdr",  # dz/dr of the inner pair less that of the outer
    "diff_phi_slope",  # 1/mm, phi_slope of the inner pair less that of the outer
    "diff_dydx",  # minus the sum of both slopes dy/dx: what ModuleMapGraph computes by this name
)
N_PAIR = len(PAIR_VARIABLES)
Z0, DPHI, PHI_SLOPE, DETA = range(N_PAIR)
DZDR, DPHI_SLOPE, DYDX = range(2 * N_PAIR, len(TRIPLET_VARIABLES))

X, Y, Z, R, PHI, ETA = range(6)  # columns of `columns_of`


def columns_of(hits: Hits) -> Tensor:
    """(6, n_hits) float32: x, y, z, r, phi and eta of the hits as they lie."""
    x, y, z = hits.position.unbind(dim=1)
    r = torch.hypot(x, y)
    return torch.stack([x, y, z, r, torch.atan2(y, x), torch.asinh(z / r.clamp_min(1e-3))])


def pair_values(columns: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
    """(n_pairs, 4) float32 values of PAIR_VARIABLES."""
    a, b = columns[:, inner], columns[:, outer]
    dphi = b[PHI] - a[PHI]
    dphi = torch.where(dphi > pi, dphi - 2 * pi, torch.where(dphi < -pi, dphi + 2 * pi, dphi))
    dr = _no_less(b[R] - a[R])
    z0 = a[Z] - a[R] * ((b[Z] - a[Z]) / dr)
    return torch.stack([z0, dphi, dphi / dr, a[ETA] - b[ETA]], dim=1)


def triplet_values(columns: Tensor, first: Tensor, middle: Tensor, last: Tensor) -> Tensor:
    """(n_triplets, 11) float32 values of TRIPLET_VARIABLES."""
    legs = [pair_values(columns, first, middle), pair_values(columns, middle, last)]
    a, b, c = columns[:, first], columns[:, middle], columns[:, last]
    dzdr = (b[Z] - a[Z]) / _no_less(b[R] - a[R]) - (c[Z] - b[Z]) / _no_less(c[R] - b[R])
    dydx = (b[Y] - a[Y]) / _no_less(b[X] - a[X]) + (c[Y] - b[Y]) / _no_less(c[X] - b[X])
    slopes = legs[0][:, PHI_SLOPE] - legs[1][:, PHI_SLOPE]
    return torch.cat([*legs, torch.stack([dzdr, slopes, -dydx], dim=1)], dim=1)


def _no_less(difference: Tensor) -> Tensor:
    """At least SHORTEST in size; what is zero counts as positive."""
    shortest = float(SHORTEST)
    short = difference.abs() < shortest
    sign = torch.where(difference < 0, -shortest, shortest)
    return torch.where(short, sign, difference)
