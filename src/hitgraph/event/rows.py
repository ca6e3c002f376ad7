"""Some of an event's hits, and tables put together."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.event import (
    CellTable,
    ClusterTable,
    Event,
    HitTable,
    ParticleTable,
    SpacePointTable,
    TruthTable,
)
from hitgraph.event.truth import hit_weights, require_truth

Table = TypeVar(
    "Table", HitTable, CellTable, ParticleTable, TruthTable, ClusterTable, SpacePointTable
)


def take_rows(table: Table, keep: NDArray[Any]) -> Table:
    """The rows that `keep` marks, or in the order of its row numbers."""
    return replace(table, **{f.name: getattr(table, f.name)[keep] for f in fields(table)})


def joined(tables: Sequence[Table]) -> Table:
    """The rows of all tables, one table after the other, in the types of the first."""
    columns = {}
    for field in fields(tables[0]):
        parts = [getattr(table, field.name) for table in tables]
        columns[field.name] = np.concatenate([part.astype(parts[0].dtype) for part in parts])
    return replace(tables[0], **columns)


def select_hits(event: Event, keep: NDArray[np.bool_]) -> Event:
    """The event with the hits that `keep` (n_hits,) marks, their cells and their truth as it was.

    All particles stay, and clusters that are in no hit or in one of these.
    """
    cells = event.cells
    if cells is not None:
        cells = take_rows(cells, np.isin(cells.hit_id, event.hits.hit_id[keep]))
    clusters, points = event.clusters, event.spacepoints
    if clusters is not None and points is not None:
        gone, points = take_rows(points, ~keep), take_rows(points, keep)
        left = np.isin(clusters.cluster_id, _numbers(points))
        clusters = take_rows(clusters, left | ~np.isin(clusters.cluster_id, _numbers(gone)))
    return replace(
        event,
        hits=take_rows(event.hits, keep),
        cells=cells,
        truth=None if event.truth is None else take_rows(event.truth, keep),
        clusters=clusters,
        spacepoints=points,
    )


def _numbers(points: SpacePointTable) -> NDArray[np.int64]:
    return np.concatenate([points.cluster_1, points.cluster_2])


def visible(
    event: Event, keep: NDArray[np.bool_], keep_particle: NDArray[np.bool_] | None
) -> Event:
    """The kept hits with their cells, and the kept particles; hit weights are made anew.

    `keep` (n_hits,), `keep_particle` (n_particles,); None: an event without truth.
    """
    selected = select_hits(event, keep)
    if event.truth is None or event.particles is None or keep_particle is None:
        clusters = selected.clusters
        if clusters is not None:
            clusters = replace(clusters, particle_id=np.zeros(len(clusters), np.int64))
        return replace(selected, truth=None, particles=None, clusters=clusters)
    return weighted(replace(selected, particles=take_rows(event.particles, keep_particle)))


def weighted(event: Event) -> Event:
    """The event with hit weights of its own."""
    return replace(event, truth=replace(require_truth(event), weight=hit_weights(event)))
