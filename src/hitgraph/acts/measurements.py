"""Hits as ACTS measurements: local positions on modules, and how well they are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.acts.geometry import Geometry, local_hits
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.spread import MOST_CHANNELS, position_spread


@dataclass(frozen=True, eq=False)
class Measurements:
    """What ACTS gets of an event, one row a measurement, sorted by geometry identifier."""

    hit: NDArray[np.int64]  # (n_hits,) row of the event's hit table
    identifier: NDArray[np.int64]  # (n_hits,) ACTS geometry identifier
    local: NDArray[np.float64]  # (n_hits, 2) mm, along u and v
    variance: NDArray[np.float64]  # (n_hits, 2) mm^2

    def __len__(self) -> int:
        return len(self.hit)


def measurements_of(event: Event, geometry: Geometry) -> Measurements:
    """All hits of an event. Raises InputError where they do not lie on the modules of ACTS."""
    module, local = local_hits(event, geometry.table)
    variance = _spread(event, geometry.table, module) ** 2
    order = np.argsort(geometry.identifiers[module], kind="stable")
    return Measurements(
        hit=order.astype(np.int64),
        identifier=geometry.identifiers[module[order]],
        local=local[order],
        variance=variance[order],
    )


def _spread(event: Event, table: Detector, module: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n_hits, 2) mm, standard deviation of the measured position along u and v."""
    spread = position_spread(table, event.name)
    channels = np.minimum(_channels(event), MOST_CHANNELS)
    return spread[module[:, None], np.arange(2), channels]


def _channels(event: Event) -> NDArray[np.int64]:
    """(n_hits, 2) channels that each cluster spans along u and v; 0 without cells."""
    spans = np.zeros((event.n_hits, 2), np.int64)
    if event.cells is None:
        return spans
    row = np.searchsorted(event.hits.hit_id, event.cells.hit_id)
    for axis, channel in enumerate((event.cells.ch0, event.cells.ch1)):
        low = np.full(event.n_hits, np.iinfo(np.int64).max)
        high = np.full(event.n_hits, -1, np.int64)
        np.minimum.at(low, row, channel)
        np.maximum.at(high, row, channel)
        spans[:, axis] = np.where(high < 0, 0, high - low + 1)
    return spans
