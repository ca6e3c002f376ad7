"""The collisions of a simulated event: where on the beam line they were, what was born there."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.event import Event, ParticleTable
from hitgraph.event.truth import (
    COLLISION_BITS,
    PRIMARY_RADIUS,
    particle_rows,
    require_particles,
)

VERTEX_BITS = 52  # of particle_id, below the number of the vertex, in events of TrackML
WIDTH = 3.0  # standard deviations of the beam spot along the beam, in which primaries are born


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
    return _places(particles, is_primary(particles))


def is_primary(particles: ParticleTable) -> NDArray[np.bool_]:
    """(n_particles,) born in the beam spot: within PRIMARY_RADIUS of the beam, and near along it.

    Near is within WIDTH standard deviations of the collisions of the event from their mean, so any
    place where less than two collisions are numbered.
    """
    radius = np.hypot(particles.vx.astype(np.float64), particles.vy)
    primary: NDArray[np.bool_] = radius <= PRIMARY_RADIUS
    places = list(_places(particles, primary).values())
    if len(places) > 1:
        primary &= np.abs(particles.vz - np.mean(places)) <= WIDTH * np.std(places, ddof=1)
    return primary


def of_primaries(event: Event) -> NDArray[np.bool_]:
    """(n_hits,) whether a hit counts in the score of primaries; one of no particle does.

    Raises InputError without truth or particles.
    """
    counts: NDArray[np.bool_] = np.append(is_primary(require_particles(event)), True)
    return counts[particle_rows(event)]


def _places(particles: ParticleTable, chosen: NDArray[np.bool_]) -> dict[int, float]:
    """z in mm where most of the chosen particles, (n_particles,), of each collision were born."""
    number = number_of_collision(particles.particle_id)
    found = {}
    for one in np.unique(number[chosen & (number > 0)]).tolist():
        place, counts = np.unique(particles.vz[chosen & (number == one)], return_counts=True)
        found[one] = float(place[counts.argmax()])
    return found
