"""Events of ColliderML, the public sample of the Open Data Detector (arXiv 2512.15230).

Each kind of object has a folder of parquet files, `ttbar_pu200_tracker_hits` and
`ttbar_pu200_particles` for instance, with one event a row (hitgraph.event.event_rows). The columns
are those of release 1 (huggingface.co/datasets/CERN/ColliderML-Release-1).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hitgraph.errors import InputError
from hitgraph.event.archive import Place, kind_of
from hitgraph.event.checks import checked_event
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.event_rows import EventRow, event_rows
from hitgraph.event.modules import NAMES
from hitgraph.event.table_errors import Columns, refuse
from hitgraph.event.tables import read_columns

HITS, PARTICLES = "tracker_hits", "particles"
NOBODY = 0  # particle_id of hits that no particle made, where no particle has it

Types = dict[str, np.dtype[Any]]

_INT, _FLOAT = np.dtype(np.int64), np.dtype(np.float32)
_MODULE = {"volume_id": "volume_id", "layer_id": "layer_id", "surface_id": "module_id"}
_TRUE = {"true_x": "tx", "true_y": "ty", "true_z": "tz"}
_PARTICLE = {"pdg_id": "particle_type", "charge": "q", "num_tracker_hits": "nhits"}


def is_folder_of_hits(path: Path) -> bool:
    """Whether the path is a folder of ColliderML's tracker hits, or a file in one."""
    folder = path.parent if path.suffix == ".parquet" else path
    return folder.name.endswith(f"_{HITS}") and kind_of(path) is not None


def events_at(path: Path) -> dict[int, dict[str, EventRow]]:
    """The events in a folder of tracker hits (or one file of it) by number, rising.

    Particles come from the folder of that name beside it, also where each object was downloaded
    into a folder of its own. Raises InputError where there is no event, and where one is there
    twice.
    """
    folder = path.parent if path.suffix == ".parquet" else path
    hits = _rows(_files(folder) if path == folder else [path])
    if not hits:
        raise InputError(f"{path}: no event in there (looked for *.parquet with one event a row)")
    name = f"{folder.name.removesuffix(HITS)}{PARTICLES}"
    beside = (folder.parent / name, folder.parent / "../.." / name / "data" / name)
    there = next((place for place in beside if kind_of(place) == "folder"), None)
    particles = {} if there is None else _rows(_files(there))
    found = {}
    for number, row in sorted(hits.items()):
        found[number] = {HITS: row}
        if number in particles:
            found[number][PARTICLES] = particles[number]
        elif there is not None:
            raise InputError(f"{row}: there are no particles of it in {there}: download the rest")
    return found


def read_event_row(name: str, files: Mapping[str, Place], detector: Detector | None) -> Event:
    """The event, checked; hits are numbered from 1 as they stand in their list.

    Momenta at the hits are not in there: they are 0. Raises InputError naming file, row and column.
    """
    place = files[HITS]
    types: Types = dict.fromkeys(("x", "y", "z", *_TRUE), _FLOAT)
    types |= dict.fromkeys((*_MODULE, "particle_id"), _INT)
    columns = read_columns(place, types)
    hit_id = np.arange(1, len(columns["x"]) + 1)
    none = np.zeros(len(hit_id), np.float32)
    tables: dict[str, Columns] = {
        "hits": {"hit_id": hit_id, **{axis: columns[axis] for axis in "xyz"}}
        | {ours: columns[theirs].astype(np.int32) for theirs, ours in _MODULE.items()},
        "truth": {"hit_id": hit_id, "particle_id": columns["particle_id"]}
        | {ours: columns[theirs] for theirs, ours in _TRUE.items()}
        | dict.fromkeys(("tpx", "tpy", "tpz"), none)
        | {"weight": np.full(len(hit_id), np.nan, np.float32)},  # computed
    }
    places = {"hits": place, "truth": place}
    if PARTICLES in files:
        tables["particles"] = _particles(files[PARTICLES])
        places["particles"] = files[PARTICLES]
        if (tables["particles"]["particle_id"] == NOBODY).any():  # they are numbered from 0
            for table in ("truth", "particles"):
                tables[table]["particle_id"] = tables[table]["particle_id"] + 1
    return checked_event(name, tables, places, detector)


def _particles(place: Place) -> Columns:
    types: Types = {"particle_id": _INT, "pdg_id": _INT}
    types |= dict.fromkeys(("vx", "vy", "vz", "px", "py", "pz", "charge"), _FLOAT)
    types["num_tracker_hits"] = _INT
    columns = read_columns(place, types, optional={"num_tracker_hits": 0})
    largest = np.iinfo(np.int32).max
    for theirs, ours in _PARTICLE.items():
        values = columns.pop(theirs)
        refuse(np.abs(values) > largest, place, theirs, values, "a 32-bit integer")
        columns[ours] = np.rint(values).astype(np.int32)
    return columns


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.parquet") if path.name not in NAMES)


def _rows(files: list[Path]) -> dict[int, EventRow]:
    found: dict[int, EventRow] = {}
    for path in files:
        for number, row in event_rows(path).items():
            if number in found:
                raise InputError(
                    f"event {number} is there twice, in {found[number].path} and {path}"
                )
            found[number] = row
    return found
