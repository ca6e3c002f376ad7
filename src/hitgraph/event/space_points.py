"""Events whose hits are space points: whose they are, and the event of their clusters."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.cluster_tables import NO_ROW, cluster_rows, require_clusters
from hitgraph.event.event import Event, HitTable, Int64, TruthTable
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
