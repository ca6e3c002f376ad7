"""Pairs of hits on two layers within cuts on azimuth and z0, in torch, on any device.

Hits are sorted by layer and azimuth. What lies within a limit of azimuth of a hit is then a range
of the hits of a layer, or two where the limit reaches over pi.
"""

from math import pi

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.ranges import expand, expand_in_parts
from hitgraph.pairs.geometry import SHORTEST

R, PHI, Z = range(3)  # columns of `columns_of`
MARGIN = 1e-5  # rad, by which a range of azimuth is wider than its limit
PAIRS = 1 << 22  # pairs tested at a time
_TURN = 8 * pi  # between the azimuths of one layer and those of the next


def columns_of(hits: Hits) -> Tensor:
    """(3, n_hits) float32: r, phi and z of the straightened hits."""
    x, y, z = hits.straight.unbind(dim=1)
    return torch.stack([torch.hypot(x, y), torch.atan2(y, x), z])


def pair_values(columns: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
    """(n_pairs, 3) float32: dphi, dphi / dr in 1/mm, and z0 in mm; all finite."""
    a, b = columns[:, inner], columns[:, outer]
    dphi = b[PHI] - a[PHI]
    dphi = torch.where(dphi > pi, dphi - 2 * pi, torch.where(dphi < -pi, dphi + 2 * pi, dphi))
    dr, shortest = b[R] - a[R], float(SHORTEST)
    dr = torch.where(dr.abs() < shortest, torch.where(dr < 0, -shortest, shortest), dr)
    return torch.stack([dphi, dphi / dr, a[Z] - a[R] * ((b[Z] - a[Z]) / dr)], dim=1)


def sort_hits(hits: Hits, n_layers: int) -> tuple[Tensor, Tensor, Tensor]:
    """Columns (3, n_hits) and rows (n_hits,) of hits by layer and azimuth; where layers begin."""
    columns = columns_of(hits)
    order = torch.argsort(columns[PHI], stable=True)
    order = order[torch.argsort(hits.layer[order], stable=True)]
    layers = torch.arange(n_layers + 1, device=order.device)
    return columns[:, order], order, torch.searchsorted(hits.layer[order], layers)


def search(hits: Hits, first: Tensor, outer: Tensor, limits: Tensor) -> Tensor:
    """The edges of LayerPairBuilder; pairs of inner layer m are first[m] to first[m + 1]."""
    columns = columns_of(hits)
    start = hits.layer.double() * _TURN
    turns = (-2 * pi, 0.0, 2 * pi)
    keys, place = torch.cat([start + columns[PHI].double() + turn for turn in turns]).sort()
    row = place % max(len(hits), 1)
    i, pair = expand(first[hits.layer], first[hits.layer + 1])
    middle = outer[pair].double() * _TURN + columns[PHI, i].double()
    reach = limits[pair, 0].double().clamp_max(pi - 1e-4) + MARGIN
    low = torch.searchsorted(keys, middle - reach)
    high = torch.searchsorted(keys, middle + reach, right=True)
    far = squared_distance(hits.position)
    found = [torch.empty(2, 0, dtype=torch.int64, device=row.device)]
    for at, where in expand_in_parts(low, high, PAIRS):
        a, b, k = i[at], row[where], pair[at]
        outward = (far[b] > far[a]) | ((far[b] == far[a]) & (b > a))
        outward &= hits.module[a] != hits.module[b]
        a, b, k = a[outward], b[outward], k[outward]
        fits = (pair_values(columns, a, b).abs() <= limits[k]).all(dim=1)
        found.append(torch.stack([a[fits], b[fits]]))
    return torch.cat(found, dim=1)
