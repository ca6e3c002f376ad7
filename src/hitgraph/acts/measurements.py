"""Hits as ACTS measurements: local positions on modules, and how well they are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.acts.geometry import Geometry, local_hits
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.simulate.digitise import PIXEL_VOLUMES

PIXEL_BARREL = 8

# Spread of the measured position around the true one in units of the pitch, along u and along v,
# for clusters of 1, 2 and at least 3 channels in that direction. Measured on a simulated pile-up
# 200 event of the preset plain; for long pixel clusters, whose charges fluctuate, on a real one.
PIXEL_BARREL_SPREAD = ((0.21, 0.12, 0.05), (0.20, 0.09, 0.05))
PIXEL_ENDCAP_SPREAD = ((0.27, 0.24, 0.05), (0.19, 0.14, 0.05))
STRIP_SPREAD = ((0.21, 0.20, 0.21), (0.26, 0.12, 0.12))
UNKNOWN_SPREAD = 12**-0.5  # one channel, or no cells to tell


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
    table.require_pitches(event.name)
    pitch = np.stack([table.pitch_u, table.pitch_v], axis=1)[module]
    if event.cells is None:
        return UNKNOWN_SPREAD * pitch
    channels = np.clip(_channels(event), 1, 3) - 1
    volume = table.volume_id[module]
    kind = np.where(volume == PIXEL_BARREL, 0, np.where(np.isin(volume, PIXEL_VOLUMES), 1, 2))
    spread = np.array([PIXEL_BARREL_SPREAD, PIXEL_ENDCAP_SPREAD, STRIP_SPREAD])
    return spread[kind[:, None], np.arange(2), channels] * pitch


def _channels(event: Event) -> NDArray[np.int64]:
    """(n_hits, 2) channels that each cluster spans along u and v; 0 without cells."""
    assert event.cells is not None
    row = np.searchsorted(event.hits.hit_id, event.cells.hit_id)
    spans = np.zeros((event.n_hits, 2), np.int64)
    for axis, channel in enumerate((event.cells.ch0, event.cells.ch1)):
        low = np.full(event.n_hits, np.iinfo(np.int64).max)
        high = np.full(event.n_hits, -1, np.int64)
        np.minimum.at(low, row, channel)
        np.maximum.at(high, row, channel)
        spans[:, axis] = np.where(high < 0, 0, high - low + 1)
    return spans
