"""What tracks of seeds are taught on: the hits of each particle, layer by layer."""

import torch
from torch import Tensor

from hitgraph.lessons.samples import Sample
from hitgraph.tracks.seeded import SEED_HITS


def true_members(sample: Sample) -> Tensor:
    """(n_particles, n) int64 hits of each target in the order of its flight, then -1.

    Of several hits on a layer the first; targets with hits on more layers than a seed has.
    """
    rows = torch.nonzero(sample.target & (sample.particle_id != 0)).squeeze(1)
    rows = rows[torch.argsort(sample.step[rows], stable=True)]
    particle = torch.unique(sample.particle_id[rows], return_inverse=True)[1]
    order = torch.argsort(particle, stable=True)
    rows, particle = rows[order], particle[order]
    rows, particle = _first_on_each_layer(rows, particle, sample.hits.layer)
    size = torch.bincount(particle)
    place = torch.arange(len(rows)) - (torch.cumsum(size, 0) - size)[particle]
    members = torch.full((len(size), int(size.max()) if len(size) else 0), -1)
    members[particle, place] = rows
    return members[size > SEED_HITS]


def _first_on_each_layer(rows: Tensor, particle: Tensor, layer: Tensor) -> tuple[Tensor, Tensor]:
    """Those of the rows that are the first ones of their particle on their layer."""
    if not len(rows):
        return rows, particle
    key = particle * (int(layer.max()) + 1) + layer[rows]
    _, group = torch.unique(key, return_inverse=True)
    first = torch.full((int(group.max()) + 1,), len(rows))
    first.scatter_reduce_(0, group, torch.arange(len(rows)), "amin")
    kept = torch.sort(first).values
    return rows[kept], particle[kept]
