"""How good seeds are: hits of one particle, and a seed for every particle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.ratio import Ratio
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.truth import NOISE, require_truth, summarise_particles


@dataclass(frozen=True)
class SeedQuality:
    """Of one event, or added up over several."""

    purity: Ratio  # seeds whose hits are all of one particle / seeds
    efficiency: Ratio  # particles with such a seed / reconstructable particles of the selection

    def __add__(self, other: "SeedQuality") -> "SeedQuality":
        return SeedQuality(self.purity + other.purity, self.efficiency + other.efficiency)


def seed_quality(
    event: Event, seeds: NDArray[np.int64], selection: Selection = SELECTED
) -> SeedQuality:
    """Judge seeds (n_seeds, n_hits of a seed), rows of the event's hits.

    Raises InputError without truth.
    """
    particle_id = require_truth(event).particle_id[seeds]
    first = particle_id[:, 0]
    pure = (particle_id == first[:, None]).all(axis=1) & (first != NOISE)
    particles = summarise_particles(event)
    wanted = particles.particle_id[selection.reconstructable(particles)]
    found = np.isin(wanted, first[pure])
    return SeedQuality(Ratio(int(pure.sum()), len(seeds)), Ratio(int(found.sum()), len(wanted)))
