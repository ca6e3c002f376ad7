"""Events as the CSV writers of ACTS leave them: measurements, cells, simulated hits, particles."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hitgraph.errors import InputError
from hitgraph.event.acts_modules import module_ids
from hitgraph.event.archive import Place
from hitgraph.event.checks import checked_event
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event, Int64, TruthTable
from hitgraph.event.tables import Columns, read_columns, row_name

MEASUREMENTS = "measurements"
_CELLS, _MAP, _HITS, _SIMHITS = "cells", "measurement-simhit-map", "hits", "simhits"

FILE_NAME = re.compile(
    r"(?P<event>.+)-(?P<table>measurements|cells|measurement-simhit-map|hits|simhits"
    r"|particles(_[a-z]+)?|spacepoints?)\.csv(\.gz)?"
)
# Of several particle files the first of these is read: only particles of the simulation have
# those that were made in the detector.
PARTICLE_FILES = ("particles_simulated", "particles_initial", "particles", "particles_generated")

BARCODE = tuple(f"particle_id_{part}" for part in ("pv", "sv", "part", "gen", "subpart"))
BARCODE_BITS = (12, 12, 16, 8, 16)  # of the 64-bit barcode that older versions write
MAX_OFF_MODULE = 1.0  # mm

Types = dict[str, np.dtype[Any]]

_INT, _FLOAT = np.dtype(np.int64), np.dtype(np.float64)


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
    measurement merged from several simulated hits keeps the first of them as its truth. Raises
    InputError naming file, row and column.
    """
    place = files[MEASUREMENTS]
    hits, geometry_id = _hits(place, detector)
    columns, places = {"hits": hits}, {"hits": place}
    if _CELLS in files:
        columns["cells"], places["cells"] = _cells(files[_CELLS]), files[_CELLS]
    simhits = files.get(_SIMHITS) or files.get(_HITS)
    if simhits is not None and _MAP in files:
        truth = _truth(hits, geometry_id, files[_MAP], simhits)
        columns["truth"], places["truth"] = truth, simhits
        particles = _particle_file(files)
        if particles is not None:
            columns["particles"] = _particles(particles, truth["particle_id"])
            places["particles"] = particles
    event = checked_event(name, columns, places, detector)
    if detector is not None:
        _require_on_modules(event, detector, place)
    if event.truth is None or event.particles is None:
        return event
    from hitgraph.event.truth import hit_weights  # compiles its kernels; nobody else waits for it

    weighted = TruthTable(**(vars(event.truth) | {"weight": hit_weights(event)}))
    return Event(name, event.hits, event.cells, event.particles, weighted, detector)


def _hits(place: Place, detector: Detector | None) -> tuple[Columns, Int64]:
    """Columns of the hit table, and the geometry identifiers, (n_hits,)."""
    unknown = {"global_x": 0, "global_y": 0, "global_z": 0}  # NaN in the file
    types: Types = dict.fromkeys(("measurement_id", "geometry_id"), _INT)
    types |= dict.fromkeys(("local0", "local1", *unknown), _FLOAT)
    columns = read_columns(place, types, optional=unknown, fill=unknown)
    volume, layer, module = module_ids(columns["geometry_id"])
    position = np.stack([columns[f"global_{axis}"] for axis in "xyz"], axis=1)
    if len(position) and not position.any():
        if detector is None:
            raise InputError(
                f"{place}: has no global positions (they are written where the writer is given "
                "the clusters), and there is no module table to compute them from: write the "
                "clusters too, or give the table with --detectors"
            )
        row = detector.module_index(volume, layer, module)
        local = np.stack([columns["local0"], columns["local1"], np.zeros(len(row))], axis=1)
        position = detector.centre[row] + np.einsum("nij,nj->ni", detector.rotation[row], local)
    hits: Columns = {
        "hit_id": columns["measurement_id"] + 1,
        **{axis: position[:, k].astype(np.float32) for k, axis in enumerate("xyz")},
        "volume_id": volume,
        "layer_id": layer,
        "module_id": module,
    }
    return hits, columns["geometry_id"]


def _cells(place: Place) -> Columns:
    types: Types = {"measurement_id": _INT, "value": np.dtype(np.float32)}
    types |= dict.fromkeys(("channel0", "channel1"), np.dtype(np.int32))
    columns = read_columns(place, types)
    return {
        "hit_id": columns["measurement_id"] + 1,
        "ch0": columns["channel0"],
        "ch1": columns["channel1"],
        "value": columns["value"],
    }


def _truth(hits: Columns, geometry_id: Int64, map_place: Place, place: Place) -> Columns:
    """Row i belongs to hit i; hits that nothing maps to are noise.

    The map names a simulated hit by its row, from 0.
    """
    links = read_columns(map_place, {"measurement_id": _INT, "hit_id": _INT})
    simhits = _with_particle(
        place,
        dict.fromkeys(("tx", "ty", "tz", "tpx", "tpy", "tpz"), np.dtype(np.float32))
        | {"geometry_id": _INT},
    )
    measurement, first = np.unique(links["measurement_id"] + 1, return_index=True)
    order = np.argsort(hits["hit_id"], kind="stable")
    at = np.minimum(np.searchsorted(hits["hit_id"][order], measurement), len(order) - 1)
    known = hits["hit_id"][order][at] == measurement
    rows, link, source = order[at[known]], first[known], links["hit_id"][first[known]]
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
    truth: Columns = {"hit_id": hits["hit_id"]}
    for name in ("particle_id", "tx", "ty", "tz", "tpx", "tpy", "tpz"):
        truth[name] = np.zeros(len(order), simhits[name].dtype)
        truth[name][rows] = simhits[name][source]
    truth["weight"] = np.zeros(len(order), np.float32)
    return truth


def _particle_file(files: Mapping[str, Place]) -> Place | None:
    there = [table for table in files if table.startswith("particles")]
    first = [table for table in PARTICLE_FILES if table in there]
    return files[(first or there)[0]] if there else None


def _particles(place: Place, made_by: Int64) -> Columns:
    """The particles; `made_by` (n_hits,) is the particle_id of each hit."""
    momenta = dict.fromkeys(("vx", "vy", "vz", "px", "py", "pz"), np.dtype(np.float32))
    columns = _with_particle(place, {"particle_type": _INT} | momenta | {"q": _FLOAT})
    known, counts = np.unique(made_by, return_counts=True)
    slot = np.minimum(np.searchsorted(known, columns["particle_id"]), max(len(known) - 1, 0))
    columns["nhits"] = np.where(known[slot] == columns["particle_id"], counts[slot], 0)
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
