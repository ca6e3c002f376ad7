"""A space in which hits of a track lie near each other, made without a network.

Four numbers a hit: cosine and sine of its azimuth, its pseudorapidity, and the logarithm of its
distance from the origin, each in units of its spread between the hits of true edges.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.hits import Hits
from hitgraph.lessons.material import Material, true_edges_near
from hitgraph.pairs.geometry import SHORTEST

N_COORDINATES = 4
LEAST_SPREAD = 1e-4


def coordinates(hits: Hits) -> Tensor:
    """(n_hits, 4) float32, before they are divided by their spreads."""
    x, y, z = hits.straight.unbind(dim=1)
    r, phi = torch.hypot(x, y), torch.atan2(y, x)
    eta = torch.asinh(z / r.clamp_min(float(SHORTEST)))
    depth = torch.hypot(r, z).clamp_min(1.0).log()
    return torch.stack([phi.cos(), phi.sin(), eta, depth], dim=1)


def learn_spreads(differences: Tensor) -> Tensor:
    """(4,) float32 root mean squares of differences (n, 4) between hits of true edges.

    Cosine and sine share one, so that a turn about the beam keeps distances.
    """
    square = differences.square().mean(dim=0)
    square[:2] = square[:2].mean()
    return square.sqrt().clamp_min(LEAST_SPREAD)


def true_differences(material: Material, max_radius: float) -> Tensor:
    """(n, 4) of the true edges of all training events, of particles born within that radius.

    Raises InputError where there are none.
    """
    found = torch.cat(list(_differences(material, max_radius)))
    if not len(found):
        raise InputError("there are no true edges to learn from: are these events empty?")
    return found


def _differences(material: Material, max_radius: float) -> Iterable[Tensor]:
    for hits, (inner, outer) in true_edges_near(material.train, max_radius):
        points = coordinates(hits)
        yield points[outer] - points[inner]
