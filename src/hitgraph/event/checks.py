"""From the columns of the files to an Event that keeps what its docstring guarantees."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, printable
from hitgraph.event.archive import Place
from hitgraph.event.cluster_tables import with_clusters
from hitgraph.event.detector import MAX_ID, Detector
from hitgraph.event.event import (
    CellTable,
    ClusterTable,
    Event,
    HitTable,
    Int64,
    ParticleTable,
    SpacePointTable,
    Table,
    TruthTable,
    column_types,
)
from hitgraph.event.numbers import one_each, require_hits, rows_of, sorted_by_id
from hitgraph.event.positions import check_positions
from hitgraph.event.table_errors import Columns, refuse, row_name
from hitgraph.event.tables import read_columns

TABLES: dict[str, type[Table]] = {
    "hits": HitTable,
    "cells": CellTable,
    "particles": ParticleTable,
    "truth": TruthTable,
    "clusters": ClusterTable,
    "spacepoints": SpacePointTable,
}
CHANNEL_BITS = 21  # row of the hit and both channels sort as one 64-bit number
# The first files of the challenge have no particle_type. Nothing needs nhits: hits are counted.
# Weights that are missing are computed from truth and particles.
OPTIONAL: dict[str, dict[str, float]] = {
    "particles": {"particle_type": 0, "nhits": 0},
    "truth": {"weight": np.nan},
    "clusters": {"n_cells": 0, "particle_id": 0},
}
FILL = {"truth": {"weight": np.nan}}

# What can be, whatever the detector: beyond are wrong units, columns mixed up and damaged bits.
_LENGTH = (-1e5, 1e5, "a length in mm, at most 100 m,")
_VERTEX = (-1e7, 1e7, "a length in mm, at most 10 km,")  # cosmic particles come from far
_MOMENTUM = (-1e6, 1e6, "a momentum in GeV, at most 1,000 TeV,")
_CHARGE = (-1e9, 1e9, "a charge of at most 1e9")
_ID = (0, MAX_ID - 1, f"a number from 0 to {MAX_ID - 1}")
_IDS = dict.fromkeys(("volume_id", "layer_id", "module_id"), _ID)
_LARGEST = 2**62  # of numbers of clusters
RANGES: dict[str, dict[str, tuple[float, float, str]]] = {
    "hits": dict.fromkeys("xyz", _LENGTH) | _IDS,
    "cells": {"value": _CHARGE}
    | dict.fromkeys(
        ("ch0", "ch1"),
        (0, (1 << CHANNEL_BITS) - 1, f"a channel number from 0 to {(1 << CHANNEL_BITS) - 1}"),
    ),
    "particles": dict.fromkeys(("vx", "vy", "vz"), _VERTEX)
    | dict.fromkeys(("px", "py", "pz"), _MOMENTUM)
    | {"q": (-200, 200, "a charge in elementary charges"), "nhits": (0, 2**31 - 1, "a count")},
    "truth": dict.fromkeys(("tx", "ty", "tz"), _LENGTH)
    | dict.fromkeys(("tpx", "tpy", "tpz"), _MOMENTUM)
    | {"weight": (0, 1e6, "a weight from 0")},
    "clusters": {"cluster_id": (1, _LARGEST, "a number from 1")}
    | dict.fromkeys("xyz", _LENGTH)
    | _IDS
    | {"n_cells": (0, 2**31 - 1, "a count")},
    "spacepoints": {
        "cluster_1": (1, _LARGEST, "the number of a cluster, from 1,"),
        "cluster_2": (0, _LARGEST, "the number of a cluster, or 0 where there is none,"),
    },
}
MAX_WITHOUT_CELLS = 0.03  # share of hits; above, the table of cells is not that of the hits

_log = logging.getLogger(__name__)


def read_tables(name: str, files: Mapping[str, Place], detector: Detector | None) -> Event:
    """The event whose tables stand in `files`, read in that order and checked.

    Raises InputError naming file, row and column for anything that breaks Event's guarantees.
    """
    if "hits" not in files:
        there = ", ".join(str(place) for place in files.values())
        raise InputError(f"{name}: has no table of hits beside {there}: add it, or remove these")
    columns = {
        table: read_columns(
            place,
            column_types(TABLES[table]),
            OPTIONAL.get(table),
            FILL.get(table),
            {name: expected for name, (_, _, expected) in RANGES[table].items()},
        )
        for table, place in files.items()
    }
    return checked_event(name, columns, files, detector)


def checked_event(
    name: str,
    columns: Mapping[str, Columns],
    files: Mapping[str, Place],
    detector: Detector | None,
) -> Event:
    """The event made of the columns of each table, sorted and checked; `files` are for messages.

    Logs a warning where what is there is allowed but likely damaged.
    """
    for table, values in columns.items():
        _require_in_range(values, RANGES[table], files[table])
    if detector is not None and "cells" in columns:
        detector.require_pitches(str(files["cells"]))
    hits = sorted_by_id(columns["hits"], "hit_id", files["hits"])
    module = None if detector is None else _known_modules(hits, columns, files["hits"], detector)
    cells = truth = particles = None
    if "cells" in columns:
        cells = CellTable(**_checked_cells(columns["cells"], files["cells"], hits["hit_id"]))
        _tell_hits_without_cells(name, cells, len(hits["hit_id"]), files["cells"])
    if "truth" in columns:
        truth = TruthTable(**_checked_truth(columns["truth"], files["truth"], hits["hit_id"]))
    if "particles" in columns:
        particles = ParticleTable(**_checked_particles(columns["particles"], files["particles"]))
        for table in ("truth", "clusters"):
            if table in columns:
                _require_known_particles(columns[table], particles.particle_id, files, table)
    event = Event(name, HitTable(**hits), cells, particles, truth, detector)
    if "clusters" in columns or "spacepoints" in columns:
        event = with_clusters(event, columns, files)
    if not event.n_hits:
        _log.warning("%s", printable(f"{name}: {files['hits']} has no hits"))
    check_positions(event, str(files["hits"]), module=module)
    return _with_weights(event)


def _require_in_range(
    columns: Columns, ranges: Mapping[str, tuple[float, float, str]], place: Place
) -> None:
    for name, (low, high, expected) in ranges.items():
        values = columns[name]
        if len(values) and not (values.min() >= low and values.max() <= high):  # NaN too
            refuse((values < low) | (values > high), place, name, values, expected)


def _with_weights(event: Event) -> Event:
    """The event with weights computed where its truth has none, zero where nothing tells them."""
    truth = event.truth
    if truth is None or not np.isnan(truth.weight).any():
        return event
    if event.particles is None:
        return replace(event, truth=replace(truth, weight=np.zeros(len(truth), np.float32)))
    from hitgraph.event.truth import hit_weights  # compiles its kernels; nobody else waits for it

    return replace(event, truth=replace(truth, weight=hit_weights(event)))


def _known_modules(
    hits: Columns, columns: Mapping[str, Columns], place: Place, detector: Detector
) -> Int64:
    """(n_hits,) module of each of the (sorted) hits in the detector, which has to have it."""
    module = detector.find_modules(hits["volume_id"], hits["layer_id"], hits["module_id"])
    if (module < 0).any():
        hit = int(np.argmax(module < 0))
        row = int(np.flatnonzero(columns["hits"]["hit_id"] == hits["hit_id"][hit])[0])
        raise InputError(
            f"{row_name(place, row)}: module (volume {hits['volume_id'][hit]}, layer "
            f"{hits['layer_id'][hit]}, module {hits['module_id'][hit]}) is not in the "
            f"detectors table ({detector.n_modules} modules; {int((module < 0).sum())} of "
            f"{len(module)} hits are on unknown modules): give the table of this detector "
            "with --detectors"
        )
    return module


def _checked_cells(cells: Columns, place: Place, hit_id: Int64) -> Columns:
    return sorted_cells(cells, require_hits(cells["hit_id"], place, hit_id))


def sorted_cells(cells: Columns, row: NDArray[np.integer[Any]]) -> Columns:
    """The cells sorted by the row of their hit, (n_cells,), then by channel; values in RANGES."""
    key = row.astype(np.int64) << 2 * CHANNEL_BITS
    for name, shift in (("ch0", CHANNEL_BITS), ("ch1", 0)):
        key |= cells[name].astype(np.int64) << shift
    if (key[1:] >= key[:-1]).all():
        return cells
    order = np.argsort(key, kind="stable")
    return {name: values[order] for name, values in cells.items()}


def _tell_hits_without_cells(name: str, cells: CellTable, n_hits: int, place: Place) -> None:
    """Log it where more than a few hits have no cells: their clusters have no shape."""
    seen = int((np.diff(cells.hit_id) != 0).sum()) + bool(len(cells))
    without = n_hits - seen
    if without > MAX_WITHOUT_CELLS * n_hits:
        _log.warning(
            "%s",
            printable(
                f"{name}: {without} of {n_hits} hits ({without / n_hits:.0%}) have no cells in "
                f"{place}, so their clusters have no shape: the file may be cut short; copy or "
                "download it again, or remove it and take a pipeline without cluster features"
            ),
        )


def _checked_truth(truth: Columns, place: Place, hit_id: Int64) -> Columns:
    without = np.isnan(truth["weight"])
    if not without.all():
        refuse(without, place, "weight", truth["weight"], "a weight (or none in any row)")
    return one_each(
        truth,
        place,
        hit_id,
        "truth",
        "every hit needs a row, with particle_id 0 for noise; without any truth table the event "
        "is read as one without truth",
    )


def _checked_particles(particles: Columns, place: Place) -> Columns:
    noise = particles["particle_id"] == 0
    if noise.any():
        raise InputError(
            f"{row_name(place, int(np.argmax(noise)))}: particle_id is 0, which stands for noise "
            "in the truth: leave the row out if it is no particle; where particles are counted "
            "from 0, add 1 to particle_id in all tables"
        )
    return sorted_by_id(particles, "particle_id", place)


def _require_known_particles(
    truth: Columns, particle_id: Int64, files: Mapping[str, Place], table: str
) -> None:
    unknown = (rows_of(truth["particle_id"], particle_id) < 0) & (truth["particle_id"] != 0)
    if unknown.any():
        row = int(np.argmax(unknown))
        noise = (truth["particle_id"][unknown] < 0).all()
        raise InputError(
            f"{row_name(files[table], row)}: particle_id {truth['particle_id'][row]} is not in "
            f"{files['particles']} ({int(unknown.sum())} such rows): "
            + (
                "if it stands for noise, write 0: noise has particle_id 0"
                if noise
                else "the two tables must be of the same event; without any particles table the "
                "truth alone is read"
            )
        )
