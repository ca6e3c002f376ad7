"""An event of clusters -> the event of the space points that they make."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.cluster_tables import NO_ROW, refuse_clusters
from hitgraph.event.detector import Detector
from hitgraph.event.event import ClusterTable, Event, HitTable, ParticleTable, TruthTable
from hitgraph.event.space_points import particles_of
from hitgraph.event.truth import NOISE, hit_weights
from hitgraph.hits.strips.points import TOLERANCE, hits_of, space_points


def event_of_points(event: Event, detector: Detector, tolerance: float = TOLERANCE) -> Event:
    """The event whose hits are the space points of what are its hits now, clusters.

    Clusters keep their numbers, from hit_id; cells become a count of each cluster. Truth is that of
    docs/files.md: a space point of one particle was made where that crossed its first cluster's
    module, any other is nobody's. Hits are weighed anew, and hits of particles counted. Raises
    InputError for an event that has space points already, and as `space_points`.
    """
    refuse_clusters(event, "are so already")
    clusters = _clusters(event)
    rows, position = space_points(clusters, detector, tolerance=tolerance)
    hits, points = hits_of(clusters, rows, position)
    made = replace(event, hits=hits, cells=None, clusters=clusters, spacepoints=points)
    if event.truth is None:
        return made
    truth = _truth(event.truth, hits, rows)
    made = replace(made, truth=truth)
    if event.particles is None:
        return made
    made = replace(made, particles=_counted(event.particles, truth))
    return replace(made, truth=replace(truth, weight=hit_weights(made)))


def _clusters(event: Event) -> ClusterTable:
    hits, n_hits = event.hits, event.n_hits
    n_cells = np.zeros(n_hits, np.int32)
    if event.cells is not None:
        row = np.searchsorted(hits.hit_id, event.cells.hit_id)
        n_cells = np.bincount(row, minlength=n_hits).astype(np.int32)
    nobody = np.full(n_hits, NOISE, np.int64)
    return ClusterTable(
        hits.hit_id,
        hits.x,
        hits.y,
        hits.z,
        hits.volume_id,
        hits.layer_id,
        hits.module_id,
        n_cells,
        nobody if event.truth is None else event.truth.particle_id,
    )


def _truth(truth: TruthTable, hits: HitTable, rows: NDArray[np.int64]) -> TruthTable:
    """Of space points, from that of their clusters; weights are still to be made."""
    first = rows[:, 0]
    particle_id = particles_of(rows, truth.particle_id)
    known = (rows[:, 1] == NO_ROW) | (particle_id != NOISE)
    measured = {"tx": hits.x, "ty": hits.y, "tz": hits.z}
    columns = {
        name: np.where(known, getattr(truth, name)[first], measured.get(name, np.float32(0)))
        for name in ("tx", "ty", "tz", "tpx", "tpy", "tpz")
    }
    return TruthTable(hits.hit_id, particle_id, **columns, weight=np.zeros(len(hits), np.float32))


def _counted(particles: ParticleTable, truth: TruthTable) -> ParticleTable:
    known, counts = np.unique(truth.particle_id, return_counts=True)
    slot = np.minimum(np.searchsorted(known, particles.particle_id), max(len(known) - 1, 0))
    there = np.append(known, NOISE)[slot] == particles.particle_id
    n_hits = np.where(there, np.append(counts, 0)[slot], 0)
    return replace(particles, nhits=n_hits.astype(np.int32))
