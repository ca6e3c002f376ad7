"""From the columns of the files to an Event that keeps what its docstring guarantees."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.detector import Detector
from hitgraph.event.event import (
    CellTable,
    Event,
    HitTable,
    Int64,
    ParticleTable,
    Table,
    TruthTable,
    column_types,
)
from hitgraph.event.tables import Columns, read_columns, row_name

TABLES: dict[str, type[Table]] = {
    "hits": HitTable,
    "cells": CellTable,
    "particles": ParticleTable,
    "truth": TruthTable,
}
CHANNEL_BITS = 21  # row of the hit and both channels sort as one 64-bit number
OPTIONAL = {"particles": {"particle_type": 0}}  # the first files of the challenge have none


def read_tables(name: str, files: Mapping[str, Place], detector: Detector | None) -> Event:
    """The event whose tables stand in `files`, read in that order and checked.

    Raises InputError naming file, row and column for anything that breaks Event's guarantees.
    """
    if "hits" not in files:
        there = ", ".join(str(place) for place in files.values())
        raise InputError(f"{name}: has no table of hits beside {there}: add it, or remove these")
    columns = {
        table: read_columns(place, column_types(TABLES[table]), OPTIONAL.get(table))
        for table, place in files.items()
    }
    return checked_event(name, columns, files, detector)


def checked_event(
    name: str,
    columns: Mapping[str, Columns],
    files: Mapping[str, Place],
    detector: Detector | None,
) -> Event:
    """The event made of the columns of each table, sorted and checked; `files` are for messages."""
    hits = _checked_hits(columns["hits"], files["hits"], detector)
    cells = truth = particles = None
    if "cells" in columns:
        cells = CellTable(**_checked_cells(columns["cells"], files["cells"], hits["hit_id"]))
    if "truth" in columns:
        truth = TruthTable(**_checked_truth(columns["truth"], files["truth"], hits["hit_id"]))
    if "particles" in columns:
        particles = ParticleTable(**_checked_particles(columns["particles"], files["particles"]))
        if truth is not None:
            _require_known_particles(columns["truth"], particles.particle_id, files)
    return Event(name, HitTable(**hits), cells, particles, truth, detector)


def _checked_hits(hits: Columns, place: Place, detector: Detector | None) -> Columns:
    if not len(hits["hit_id"]):
        raise InputError(f"{place}: the event has no hits")
    ordered = _sorted_by_id(hits, "hit_id", place)
    if detector is not None:
        module = detector.find_modules(hits["volume_id"], hits["layer_id"], hits["module_id"])
        if (module < 0).any():
            row = int(np.argmax(module < 0))
            raise InputError(
                f"{row_name(place, row)}: module (volume {hits['volume_id'][row]}, layer "
                f"{hits['layer_id'][row]}, module {hits['module_id'][row]}) is not in the "
                f"detectors table ({detector.n_modules} modules; {int((module < 0).sum())} of "
                f"{len(module)} hits are on unknown modules): give the table of this detector "
                "with --detectors"
            )
    return ordered


def _checked_cells(cells: Columns, place: Place, hit_id: Int64) -> Columns:
    row = _require_hits(cells["hit_id"], place, hit_id)
    key = row << 2 * CHANNEL_BITS
    for name, shift in (("ch0", CHANNEL_BITS), ("ch1", 0)):
        channel = cells[name].astype(np.int64)
        outside = (channel < 0) | (channel >= 1 << CHANNEL_BITS)
        if outside.any():
            first = int(np.argmax(outside))
            raise InputError(
                f"{row_name(place, first)}: column {name} is {channel[first]} where a channel "
                f"number from 0 to {(1 << CHANNEL_BITS) - 1} is expected"
            )
        key |= channel << shift
    if (key[1:] >= key[:-1]).all():
        return cells
    order = np.argsort(key, kind="stable")
    return {name: values[order] for name, values in cells.items()}


def _checked_truth(truth: Columns, place: Place, hit_id: Int64) -> Columns:
    ordered = _sorted_by_id(truth, "hit_id", place)
    _require_hits(truth["hit_id"], place, hit_id)
    if len(truth["hit_id"]) < len(hit_id):
        lacking = np.setdiff1d(hit_id, truth["hit_id"])
        raise InputError(
            f"{place}: no truth for {len(lacking)} of {len(hit_id)} hits (the first is hit_id "
            f"{lacking[0]}): every hit needs a row, with particle_id 0 for noise; without any "
            "truth table the event is read as one without truth"
        )
    return ordered


def _checked_particles(particles: Columns, place: Place) -> Columns:
    noise = particles["particle_id"] == 0
    if noise.any():
        raise InputError(
            f"{row_name(place, int(np.argmax(noise)))}: particle_id is 0, which stands for noise "
            "in the truth: remove this row"
        )
    return _sorted_by_id(particles, "particle_id", place)


def _require_known_particles(
    truth: Columns, particle_id: Int64, files: Mapping[str, Place]
) -> None:
    unknown = (_rows_of(truth["particle_id"], particle_id) < 0) & (truth["particle_id"] != 0)
    if unknown.any():
        row = int(np.argmax(unknown))
        raise InputError(
            f"{row_name(files['truth'], row)}: particle_id {truth['particle_id'][row]} is not in "
            f"{files['particles']} ({int(unknown.sum())} such hits): the two tables must be of "
            "the same event; without any particles table the truth alone is read"
        )


def _require_hits(wanted: Int64, place: Place, hit_id: Int64) -> Int64:
    """Row of each wanted hit_id among the (rising) hit_id."""
    row = _rows_of(wanted, hit_id)
    unknown = row < 0
    if unknown.any():
        first = int(np.argmax(unknown))
        raise InputError(
            f"{row_name(place, first)}: hit_id {wanted[first]} is not in the table of hits "
            f"({int(unknown.sum())} such rows): the tables must be of the same event"
        )
    return row


def _rows_of(wanted: Int64, ids: Int64) -> Int64:
    """Index of each wanted id among the (rising, different) ids; -1 where it is not there."""
    if not len(ids):
        return np.full(len(wanted), -1)
    first, last = int(ids[0]), int(ids[-1])
    span = last - first + 1
    if span > 8 * len(ids) or max(-first, last) > 2**62:  # sparse, or close to overflow
        row = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        return np.where(ids[row] == wanted, row, -1)
    table = np.full(span + 2, -1)  # one slot before and one behind for ids out of range
    table[ids - (first - 1)] = np.arange(len(ids))
    return table[np.clip(wanted, first - 1, first + span) - (first - 1)]


def _sorted_by_id(columns: Columns, name: str, place: Place) -> Columns:
    """Rows by rising id. Raises InputError if one is there twice."""
    ids: NDArray[Any] = columns[name]
    if (ids[1:] > ids[:-1]).all():
        return columns
    order = np.argsort(ids, kind="stable")
    repeated = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(repeated):
        first, second = order[repeated[0]], order[repeated[0] + 1]
        raise InputError(
            f"{row_name(place, int(second))}: {name} {ids[second]} is already in row {first + 1} "
            f"({len(repeated)} such rows): each may be there once"
        )
    return {name: values[order] for name, values in columns.items()}
