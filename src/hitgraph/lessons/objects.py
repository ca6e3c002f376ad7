"""Which particle, as an object with a number, each hit is of."""

import torch
from torch import Tensor

from hitgraph.lessons.samples import Sample

NOISE, NEUTRAL = -1, -2  # in place of an object's number


def objects_of(sample: Sample) -> Tensor:
    """(n_hits,) int64 from 0 without gaps, NOISE, or NEUTRAL for particles that are no target."""
    found = torch.full_like(sample.particle_id, NEUTRAL)
    found[sample.particle_id == 0] = NOISE
    target = sample.target & (sample.particle_id != 0)
    found[target] = torch.unique(sample.particle_id[target], return_inverse=True)[1]
    return found
