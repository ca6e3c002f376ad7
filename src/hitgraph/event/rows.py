"""Some of an event's hits, and tables put together."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.event import CellTable, Event, HitTable, ParticleTable, TruthTable
from hitgraph.event.truth import hit_weights, require_truth

Table = TypeVar("Table", HitTable, CellTable, ParticleTable, TruthTable)


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

    All particles stay.
    """
    cells = event.cells
    if cells is not None:
        cells = take_rows(cells, np.isin(cells.hit_id, event.hits.hit_id[keep]))
    return replace(
        event,
        hits=take_rows(event.hits, keep),
        cells=cells,
        truth=None if event.truth is None else take_rows(event.truth, keep),
    )


def visible(
    event: Event, keep: NDArray[np.bool_], keep_particle: NDArray[np.bool_] | None
) -> Event:
    """The kept hits with their cells, and the kept particles; hit weights are made anew.

    `keep` (n_hits,), `keep_particle` (n_particles,); None: an event without truth.
    """
    selected = select_hits(event, keep)
    if event.truth is None or event.particles is None or keep_particle is None:
        return replace(selected, truth=None, particles=None)
    return weighted(replace(selected, particles=take_rows(event.particles, keep_particle)))


def weighted(event: Event) -> Event:
    """The event with hit weights of its own."""
    return replace(event, truth=replace(require_truth(event), weight=hit_weights(event)))
