"""Events whose hits are space points: whose they are, and the event of their clusters."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.cluster_tables import NO_ROW, cluster_rows, require_clusters
from hitgraph.event.event import (
    NO_CLUSTER,
    ClusterTable,
    Event,
    HitTable,
    Int64,
    ParticleTable,
    SpacePointTable,
    TruthTable,
)
from hitgraph.event.truth import NOISE, hit_weights, require_truth


def particles_of(rows: NDArray[np.int64], particle_id: Int64) -> Int64:
    """(n_hits,) particle of each space point: that of all its clusters, NOISE where they differ.

    `rows` (n_hits, 2) as of `cluster_rows`, `particle_id` (n_clusters,).
    """
    first = particle_id[rows[:, 0]]
    second = np.append(particle_id, NOISE)[rows[:, 1]]  # the last for NO_ROW
    return np.where((rows[:, 1] == NO_ROW) | (first == second), first, NOISE)


def ghosts(event: Event) -> NDArray[np.bool_]:
    """(n_hits,) which space points are made of clusters of different origin.

    Raises InputError where the event has no clusters or no truth.
    """
    clusters, _ = require_clusters(event)
    require_truth(event)
    rows = cluster_rows(event)
    first, second = (clusters.particle_id[rows[:, side]] for side in (0, 1))
    crossed: NDArray[np.bool_] = (rows[:, 1] != NO_ROW) & (first != second)
    return crossed


def event_of_clusters(event: Event) -> Event:
    """The event with its clusters in place of its hits, hit_id being the cluster_id.

    Where there is truth every cluster is its particle's, as if that had crossed it where the
    cluster stands, and weighs as a hit (`hit_weights`).
    """
    clusters, _ = require_clusters(event)
    place = {axis: getattr(clusters, axis) for axis in "xyz"}
    ids = {name: getattr(clusters, name) for name in ("volume_id", "layer_id", "module_id")}
    bare = replace(
        event,
        hits=HitTable(clusters.cluster_id, **place, **ids),
        cells=None,
        truth=None,
        clusters=None,
        spacepoints=None,
    )
    if event.truth is None:
        return bare
    nothing = np.zeros(len(clusters), np.float32)
    truth = TruthTable(
        clusters.cluster_id,
        clusters.particle_id,
        **{f"t{axis}": values for axis, values in place.items()},
        **dict.fromkeys(("tpx", "tpy", "tpz"), nothing),
        weight=nothing,
    )
    told = replace(bare, truth=truth)
    if event.particles is None:
        return told
    return replace(told, truth=replace(truth, weight=hit_weights(told)))


def event_of_pairs(event: Event, rows: NDArray[np.int64], position: NDArray[np.float64]) -> Event:
    """The event whose hits are space points of what are its hits now, clusters.

    `rows` (n_points, 2) those of each point's clusters, NO_ROW for no second, `position`
    (n_points, 3) in mm. Clusters keep their numbers, from hit_id; cells become a count of each.
    Truth is that of docs/files.md: a space point of one particle was made where that crossed its
    first cluster's module, any other is nobody's. Hits are weighed anew, and those of particles
    counted.
    """
    clusters = clusters_of(event)
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


def hits_of(
    clusters: ClusterTable, rows: NDArray[np.int64], position: NDArray[np.float64]
) -> tuple[HitTable, SpacePointTable]:
    """The hits that space points are, numbered from 1, on the module of their first cluster.

    `rows` and `position` as of `event_of_pairs`.
    """
    first, second = rows.T
    hit_id = np.arange(1, len(rows) + 1, dtype=np.int64)
    x, y, z = position.astype(np.float32).T.copy()
    numbers = np.append(clusters.cluster_id, NO_CLUSTER)  # the last for NO_ROW
    module = (getattr(clusters, key)[first] for key in ("volume_id", "layer_id", "module_id"))
    return HitTable(hit_id, x, y, z, *module), SpacePointTable(
        hit_id, clusters.cluster_id[first], numbers[second]
    )


def clusters_of(event: Event) -> ClusterTable:
    """The hits of an event as clusters: their numbers, cells counted, whose they are."""
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
