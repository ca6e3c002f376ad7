"""How many space points of an event are ghosts, and how many crossings of particles are found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.cluster_tables import NO_ROW, cluster_rows, require_clusters
from hitgraph.event.double_sided import NO_SIDE, other_sides
from hitgraph.event.event import Event
from hitgraph.event.space_points import ghosts

STIFF = 1.0  # GeV; particles of less may miss space points (hits.strips.points)


@dataclass(frozen=True)
class Crossed:
    """Counts of one event."""

    clusters: int
    pairs: int  # hits of two clusters
    ghosts: int  # of them, of clusters of different origin
    crossings: int  # of a particle above STIFF and a module, seen on both its sides
    found: int  # of them, those that are a hit


def count_crossed(event: Event) -> Crossed | None:
    """The counts; None where the event has no clusters, or lacks truth, particles or detector."""
    if event.clusters is None or event.detector is None:
        return None
    if event.truth is None or event.particles is None:
        return None
    clusters, _ = require_clusters(event)
    rows = cluster_rows(event)
    pair = rows[:, 1] != NO_ROW
    crossed = ghosts(event)
    stiff = np.hypot(event.particles.px, event.particles.py) > STIFF
    ids = event.particles.particle_id[stiff]
    modules = clusters.volume_id, clusters.layer_id, clusters.module_id
    module = event.detector.module_index(*modules)
    side = other_sides(event.detector)[module]
    wanted = (side != NO_SIDE) & np.isin(clusters.particle_id, ids)
    key = np.minimum(module, side) * len(ids)  # of the module and the particle
    key[wanted] += np.searchsorted(ids, clusters.particle_id[wanted])

    def keys(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.unique(key[chosen & wanted])

    both = np.intersect1d(keys(module < side), keys(module > side))
    in_hit = np.zeros(len(clusters), bool)
    in_hit[rows[pair & ~crossed, 0]] = True
    found = np.intersect1d(both, keys(in_hit))
    return Crossed(len(clusters), int(pair.sum()), int(crossed.sum()), len(both), len(found))
