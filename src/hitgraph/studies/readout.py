"""The same event read out by other sensors: digital, with another gain, with larger pixels.

Pixels measure charge and strips do not (hitgraph.simulate.digitise), so only pixels change.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.clusters import modules_of_hits
from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event
from hitgraph.studies.changes import moved_hits

Float64 = NDArray[np.float64]


def with_digital_readout(event: Event, detector: Detector) -> Event:
    """Every cell has the charge 1; hits lie at the mean of their channels.

    Raises InputError for an event without cells.
    """
    cells = _cells(event)
    digital = replace(cells, value=np.ones_like(cells.value))
    return _measured_again(event, detector, detector, digital)


def with_scaled_charge(event: Event, detector: Detector, factor: float) -> Event:
    """The charge of every pixel times `factor`: positions stay as they are.

    Raises InputError for an event without cells.
    """
    cells = _cells(event)
    on_pixels = detector.is_pixel[modules_of_hits(event, detector)][_row(event, cells)]
    value = np.where(on_pixels, cells.value * np.float32(factor), cells.value)
    return replace(event, cells=replace(cells, value=value))


def with_coarser_pixels(event: Event, detector: Detector) -> tuple[Event, Detector]:
    """The event with two by two pixels read out as one, and the module table that says so.

    Charges of cells that become one are added; hits lie at the centre of charge of the larger
    pixels. Raises InputError for an event without cells.
    """
    cells = _cells(event)
    coarse = detector.is_pixel
    pitch_u, pitch_v = (
        np.where(coarse, 2 * pitch, pitch) for pitch in (detector.pitch_u, detector.pitch_v)
    )
    table = replace(detector, pitch_u=pitch_u, pitch_v=pitch_v)
    row = _row(event, cells)
    merging = coarse[modules_of_hits(event, detector)][row]
    ch0, ch1 = (np.where(merging, ch // 2, ch) for ch in (cells.ch0, cells.ch1))
    order = np.lexsort((ch1, ch0, row))
    places = np.stack([row, ch0, ch1], axis=1)[order]
    first = np.flatnonzero(np.append(True, (np.diff(places, axis=0) != 0).any(axis=1)))
    value = np.add.reduceat(cells.value[order].astype(np.float64), first)
    kept = order[first]
    merged = CellTable(cells.hit_id[kept], ch0[kept], ch1[kept], value.astype(np.float32))
    changed = _measured_again(event, detector, table, merged)
    return replace(changed, detector=table), table


def _cells(event: Event) -> CellTable:
    if event.cells is None or not len(event.cells):
        raise InputError(f"{event.name}: has no cells, so its read-out cannot be changed")
    return event.cells


def _row(event: Event, cells: CellTable) -> NDArray[np.int64]:
    """(n_cells,) row of the hit of each cell."""
    return np.searchsorted(event.hits.hit_id, cells.hit_id)


def _measured_again(event: Event, old: Detector, new: Detector, cells: CellTable) -> Event:
    """The event with other cells; hits move as far as their centres of charge do.

    So whatever was done to the positions besides (drift of the charge) stays.
    """
    module = modules_of_hits(event, old)
    shift = _centres(event, new, cells, module) - _centres(event, old, _cells(event), module)
    along = np.einsum("nij,nj->ni", old.rotation[module][:, :, :2], shift)
    return moved_hits(replace(event, cells=cells), along)


def _centres(
    event: Event, detector: Detector, cells: CellTable, module: NDArray[np.int64]
) -> Float64:
    """(n_hits, 2) mm along u and v from the corner of the module; 0 for a hit without cells."""
    row, n_hits = _row(event, cells), event.n_hits
    total = np.bincount(row, cells.value, n_hits)
    sides = [
        np.bincount(row, cells.value * (channel + 0.5), n_hits)
        / np.where(total > 0, total, 1.0)
        * pitch[module]
        for channel, pitch in ((cells.ch0, detector.pitch_u), (cells.ch1, detector.pitch_v))
    ]
    return np.stack(sides, axis=1)
