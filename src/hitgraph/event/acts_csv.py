"""Events as the CSV writers of ACTS leave them: measurements, cells, simulated hits, particles."""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, printable
from hitgraph.event.acts_modules import module_ids
from hitgraph.event.acts_points import with_space_points
from hitgraph.event.archive import Place
from hitgraph.event.checks import checked_event
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event, Int64
from hitgraph.event.known_detectors import (
    ENDCAP_RINGS,
    is_generic,
    may_be_generic,
    trackml_module_numbers,
)
from hitgraph.event.table_errors import Columns, refuse, row_name
from hitgraph.event.tables import header_names, read_columns

MEASUREMENTS = "measurements"
_CELLS, _MAP = "cells", "measurement-simhit-map"
SPACE_POINT_FILES = ("spacepoints", "spacepoint")
SIMHIT_FILES = ("simhits", "hits", "truth")  # the last is the default of acorn's reader

FILE_NAME = re.compile(
    r"(?s)(?P<event>.+)-(?P<table>measurements|cells|measurement-simhit-map|hits|simhits|truth"
    r"|particles(_[a-z]+)?|spacepoints?)\.csv(\.gz)?"
)
# Of several particle files the first of these is read: only particles of the simulation have
# those that were made in the detector.
PARTICLE_FILES = ("particles_simulated", "particles_initial", "particles", "particles_generated")
END_POINTS = "particles_final"  # where particles stopped: no vertices, no initial momenta

BARCODE = tuple(f"particle_id_{part}" for part in ("pv", "sv", "part", "gen", "subpart"))
BARCODE_BITS = (12, 12, 16, 8, 16)  # of the 64-bit barcode that older versions write
MAX_OFF_MODULE = 1.0  # mm
NO_PARTICLE = -1  # as particle_id: ACTS's are not negative
MAX_UNMAPPED = 0.03  # share of measurements, the last ones, that a whole map may leave out
MAX_INDEX = 2**62  # of a measurement or simulated hit

Types = dict[str, np.dtype[Any]]

_INT, _FLOAT, _IDENTIFIER = np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.uint64)

_log = logging.getLogger(__name__)


def prefixes(files: Iterable[Place]) -> set[Path]:
    """Folder and name of each event that is there with measurements: those are of ACTS."""
    found = set()
    for place in files:
        match = FILE_NAME.fullmatch(place.name)
        if match is not None and match["table"] == MEASUREMENTS:
            found.add(place.folder / match["event"])
    return found


def read_acts_tables(name: str, files: Mapping[str, Place], detector: Detector | None) -> Event:
    """The event whose tables stand in `files`, checked; hit_id is measurement_id + 1.

    Modules of the generic detector get TrackML's numbers, so that pipelines know them. Where
    measurements have no global position it comes from the local one and the module table. A
    measurement merged from several simulated hits keeps the first of them as its truth. Where
    space points have two measurements, hits are space points and measurements their clusters.
    Raises InputError naming file, row and column.
    """
    place = files[MEASUREMENTS]
    hits, geometry_id = _hits(place, detector)
    columns, places = {"hits": hits}, {"hits": place}
    if _CELLS in files:
        columns["cells"], places["cells"] = _cells(files[_CELLS]), files[_CELLS]
    simhits = next((files[table] for table in SIMHIT_FILES if table in files), None)
    if simhits is not None and _MAP in files:
        truth = _truth(hits, geometry_id, files[_MAP], simhits)
        columns["truth"], places["truth"] = truth, simhits
        particles = _particle_file(files)
        if particles is not None:
            columns["particles"] = _particles(particles, truth["particle_id"])
            places["particles"] = particles
    _tell_what_is_not_read(name, files, simhits)
    event = checked_event(name, columns, places, detector)
    if detector is not None and event.n_hits:
        _require_on_modules(event, detector, place)
    points = next((files[table] for table in SPACE_POINT_FILES if table in files), None)
    return event if points is None else with_space_points(event, points)


def _tell_what_is_not_read(name: str, files: Mapping[str, Place], simhits: Place | None) -> None:
    """Log truth that is there and cannot be used."""
    unread = None
    if simhits is None and _MAP in files:
        unread = f"there is {files[_MAP]} but no {name}-hits.csv with the simulated hits"
    elif simhits is not None and _MAP not in files:
        unread = f"there is {simhits} but no {name}-{_MAP}.csv"
    elif simhits is not None and _particle_file(files) is None and END_POINTS in files:
        unread = (
            f"there is {files[END_POINTS]}, which tells where particles end, but no "
            f"{name}-{PARTICLE_FILES[0]}.csv with their vertices, so the event has no particles"
        )
    if unread is not None:
        _log.warning("%s", printable(f"{name}: truth that is not used: {unread}: add it"))


def _hits(place: Place, detector: Detector | None) -> tuple[Columns, NDArray[np.uint64]]:
    """Columns of the hit table, and the geometry identifiers, (n_hits,)."""
    unknown = dict.fromkeys(("global_x", "global_y", "global_z"), np.nan)
    types: Types = {"measurement_id": _INT, "geometry_id": _IDENTIFIER}
    types |= dict.fromkeys(("local0", "local1", *unknown), _FLOAT)
    columns = read_columns(place, types, optional=unknown, fill=unknown)
    _require_index(columns["measurement_id"], place, "measurement_id")
    volume, layer, module = module_ids(columns["geometry_id"])
    position = np.stack([columns[name] for name in unknown], axis=1)
    without = np.isnan(position).all(axis=1)
    computed = len(position) > 0 and bool(without.all())
    if detector is not None:
        generic = is_generic(detector.volume_id, detector.half_v)
    else:
        generic = may_be_generic(volume, np.hypot(position[:, 0], position[:, 1]))
    if generic:
        module = _trackml_numbers(volume, module, place)
    if computed and detector is None:
        raise InputError(
            f"{place}: has no global positions (they are written where the writer is given "
            "the clusters), and there is no module table to compute them from: write the "
            "clusters too, or give the table with --detectors"
        )
    if computed and detector is not None:
        row = detector.module_index(volume, layer, module)
        local = np.stack([columns["local0"], columns["local1"], np.zeros(len(row))], axis=1)
        position = detector.centre[row] + np.einsum("nij,nj->ni", detector.rotation[row], local)
    for k, name in enumerate(unknown):
        all_or_none = "a number, or NaN in all three columns of every row,"
        refuse(np.isnan(position[:, k]), place, name, position[:, k], all_or_none)
    with np.errstate(over="ignore"):  # becomes infinite, and is refused as too large
        position = position.astype(np.float32)
    hits: Columns = {
        "hit_id": columns["measurement_id"] + 1,
        **{axis: position[:, k] for k, axis in enumerate("xyz")},
        "volume_id": volume,
        "layer_id": layer,
        "module_id": module,
    }
    return hits, columns["geometry_id"]


def _trackml_numbers(
    volume: NDArray[np.int32], module: NDArray[np.int32], place: Place
) -> NDArray[np.int32]:
    """TrackML's module numbers; hits on endcap modules that are not there are refused."""
    for endcap, rings in ENDCAP_RINGS.items():
        refuse(
            (volume == endcap) & ((module < 1) | (module > len(rings))),
            place,
            "geometry_id (its module number)",
            module,
            f"1 to {len(rings)} in volume {endcap} of the generic detector (for another detector "
            "give its table with --detectors)",
        )
    return trackml_module_numbers(volume, module)


def _require_index(values: Int64, place: Place, name: str) -> None:
    wrong = (values < 0) | (values >= MAX_INDEX)
    refuse(wrong, place, name, values, f"a number from 0 to {MAX_INDEX - 1}")


def _cells(place: Place) -> Columns:
    # older versions call the number of the measurement hit_id
    key = "measurement_id" if "measurement_id" in header_names(place) else "hit_id"
    types: Types = {key: _INT, "value": np.dtype(np.float32)}
    types |= dict.fromkeys(("channel0", "channel1"), np.dtype(np.int32))
    columns = read_columns(place, types)
    _require_index(columns[key], place, key)
    return {
        "hit_id": columns[key] + 1,
        "ch0": columns["channel0"],
        "ch1": columns["channel1"],
        "value": columns["value"],
    }


def _truth(
    hits: Columns, geometry_id: NDArray[np.uint64], map_place: Place, place: Place
) -> Columns:
    """Row i belongs to hit i; hits that nothing maps to are noise.

    The map names a simulated hit by its row, from 0.
    """
    links = read_columns(map_place, {"measurement_id": _INT, "hit_id": _INT})
    simhits = _with_particle(
        place,
        dict.fromkeys(("tx", "ty", "tz", "tpx", "tpy", "tpz"), np.dtype(np.float32))
        | {"geometry_id": _IDENTIFIER},
    )
    _require_index(links["measurement_id"], map_place, "measurement_id")
    measurement, first = np.unique(links["measurement_id"] + 1, return_index=True)
    order = np.argsort(hits["hit_id"], kind="stable")
    at = np.searchsorted(hits["hit_id"][order], measurement)
    known = np.isin(measurement, hits["hit_id"])
    if not known.all():
        wrong = int(first[np.argmin(known)])
        raise InputError(
            f"{row_name(map_place, wrong)}: measurement_id {links['measurement_id'][wrong]} is not "
            f"among the measurements ({int((~known).sum())} such rows): the tables must be of the "
            "same event"
        )
    rows, link, source = order[at], first, links["hit_id"][first]
    there = (source >= 0) & (source < len(simhits["geometry_id"]))
    same = there.copy()
    same[there] = simhits["geometry_id"][source[there]] == geometry_id[rows[there]]
    if not same.all():
        wrong = int(np.argmin(same))
        raise InputError(
            f"{row_name(map_place, int(link[wrong]))}: hit_id {source[wrong]} is no row of {place} "
            f"on the module of its measurement ({int((~same).sum())} such rows): the tables must "
            "be of the same event"
        )
    _tell_missing_links(hits["hit_id"], measurement, map_place)
    truth: Columns = {"hit_id": hits["hit_id"]}
    for name in ("particle_id", "tx", "ty", "tz", "tpx", "tpy", "tpz"):
        truth[name] = np.zeros(len(order), simhits[name].dtype)
        truth[name][rows] = simhits[name][source]
    truth["weight"] = np.full(len(order), np.nan, np.float32)  # computed
    return truth


def _tell_missing_links(hit_id: Int64, mapped: Int64, place: Place) -> None:
    """Log it where the measurements from some number on have no simulated hits."""
    behind = int((hit_id > mapped.max(initial=-1)).sum())
    if behind > MAX_UNMAPPED * len(hit_id):
        _log.warning(
            "%s",
            printable(
                f"{place}: the last {behind} of {len(hit_id)} measurements have no simulated hits, "
                "so they count as noise: the file may be cut short"
            ),
        )


def _particle_file(files: Mapping[str, Place]) -> Place | None:
    there = [table for table in files if table.startswith("particles") and table != END_POINTS]
    first = [table for table in PARTICLE_FILES if table in there]
    return files[(first or there)[0]] if there else None


def _particles(place: Place, made_by: Int64) -> Columns:
    """The particles; `made_by` (n_hits,) is the particle_id of each hit."""
    momenta = dict.fromkeys(("vx", "vy", "vz", "px", "py", "pz"), np.dtype(np.float32))
    columns = _with_particle(place, {"particle_type": _INT} | momenta | {"q": _FLOAT})
    known, counts = np.unique(made_by, return_counts=True)
    counts, known = np.append(counts, 0), np.append(known, NO_PARTICLE)
    slot = np.searchsorted(known[:-1], columns["particle_id"])
    columns["nhits"] = np.where(known[slot] == columns["particle_id"], counts[slot], 0)
    largest = np.iinfo(np.int32).max
    for name, expected in (("particle_type", "a PDG code"), ("q", "a charge")):
        refuse(np.abs(columns[name]) > largest, place, name, columns[name], expected)
    whole = {name: np.rint(columns[name]) for name in ("particle_type", "q", "nhits")}
    return columns | {name: values.astype(np.int32) for name, values in whole.items()}


def _with_particle(place: Place, types: Mapping[str, np.dtype[Any]]) -> Columns:
    """The columns `types`, and particle_id as one number."""
    wanted = dict.fromkeys(("particle_id", *BARCODE), _INT) | dict(types)
    columns = read_columns(place, wanted, optional=dict.fromkeys(("particle_id", *BARCODE), 0))
    parts = [columns.pop(name) for name in BARCODE]
    if columns["particle_id"].any():  # written by an older version
        return columns
    if len(parts[0]) and not any(part.any() for part in parts):
        raise InputError(
            f"{place}: has neither a column particle_id nor {', '.join(BARCODE)} with numbers: "
            "write it again with ACTS's CSV writers"
        )
    packed = np.zeros_like(columns["particle_id"])
    for name, bits, part in zip(BARCODE, BARCODE_BITS, parts, strict=True):
        top = 1 << (bits - 1 if name == BARCODE[0] else bits)  # particle_id stays positive
        if ((part < 0) | (part >= top)).any():
            row = int(np.argmax((part < 0) | (part >= top)))
            raise InputError(
                f"{row_name(place, row)}: column {name} is {part[row]} where a number from 0 to "
                f"{top - 1} is expected: particle_id holds no more"
            )
        packed = (packed << bits) | part
    return columns | {"particle_id": packed}


def _require_on_modules(event: Event, detector: Detector, place: Place) -> None:
    hits = event.hits
    module = detector.find_modules(hits.volume_id, hits.layer_id, hits.module_id)
    offset = np.stack([hits.x, hits.y, hits.z], axis=1) - detector.centre[module]
    off = np.abs(np.einsum("ni,ni->n", offset, detector.rotation[module][:, :, 2]))
    if off.max() > MAX_OFF_MODULE:
        row = int(np.argmax(off))
        raise InputError(
            f"{place}: measurement {hits.hit_id[row] - 1} lies {off[row]:.3g} mm beside its module "
            f"(volume {hits.volume_id[row]}, layer {hits.layer_id[row]}, module "
            f"{hits.module_id[row]}), {int((off > MAX_OFF_MODULE).sum())} do: the module table is "
            "of another detector, give the right one with --detectors"
        )
