"""The collisions of a simulated event, and where on the beam line they were."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.event import Event
from hitgraph.event.truth import COLLISION_BITS, is_primary, require_particles

VERTEX_BITS = 52  # of particle_id, below the number of the vertex, in events of TrackML


def number_of_collision(particle_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the collision of each particle, from 1; 0 where its number does not tell.

    Events of `hitgraph simulate` have it above 24 bits, those of TrackML and ACTS above 52.
    """
    top = particle_id >> VERTEX_BITS
    number: NDArray[np.int64] = np.where(top > 0, top, particle_id >> COLLISION_BITS)
    return number


def collisions_of(event: Event) -> dict[int, float]:
    """z in mm of each collision with a primary particle, by number.

    It is where most of its primary particles were born: a few come from decays close by. Raises
    InputError without particles.
    """
    particles = require_particles(event)
    primary = is_primary(particles)
    number = number_of_collision(particles.particle_id)
    found = {}
    for one in np.unique(number[primary & (number > 0)]).tolist():
        place, counts = np.unique(particles.vz[primary & (number == one)], return_counts=True)
        found[one] = float(place[counts.argmax()])
    return found
