"""The detectors table as a file: TrackML's columns, in CSV, CSV inside a zip, or parquet."""

import contextlib
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.acts_modules import read_acts_detectors
from hitgraph.event.archive import Place, files_in, is_archive
from hitgraph.event.detector import MAX_ID, UNKNOWN_PITCH, Detector
from hitgraph.event.field import MagneticField, from_json
from hitgraph.event.table_errors import Columns, refuse, row_name
from hitgraph.event.tables import header_names, read_columns
from hitgraph.event.trees import Tree, note_in

# names that a detectors table has when it stands beside the events
NAMES = ("detectors.parquet", "detectors.csv", "detectors.csv.gz", "detectors.zip")

MADE_KEY = b"hitgraph"  # in a parquet file's metadata: how its content was made, as JSON

_IDS = ("volume_id", "layer_id", "module_id")
_CENTRE = ("cx", "cy", "cz")
_ROTATION = tuple(f"rot_{row}{column}" for row in "xyz" for column in "uvw")
# TrackML's name of each one-column field of Detector
_SIZES = {
    "half_thickness": "module_t",
    "min_half_u": "module_minhu",
    "max_half_u": "module_maxhu",
    "half_v": "module_hv",
    "pitch_u": "pitch_u",
    "pitch_v": "pitch_v",
}
_TYPES: dict[str, np.dtype[Any]] = dict.fromkeys(_IDS, np.dtype(np.int32)) | dict.fromkeys(
    (*_CENTRE, *_ROTATION, *_SIZES.values()), np.dtype(np.float64)
)

_MATERIAL = {"x0": np.dtype(np.float64)}
# pitches where there are no cells, material where nobody knows it
_MAY_MISS = {"pitch_u": UNKNOWN_PITCH, "pitch_v": UNKNOWN_PITCH, "x0": np.nan}

MAX_X0 = 10.0  # radiation lengths of a module
MAX_CENTRE, MAX_SIZE = 1e5, 1e4  # mm: 100 m from the origin, a module of 10 m
ROTATION_TOLERANCE = 1e-3  # files carry six digits


def read_detectors(path: str | Path | Place) -> Detector:
    """The modules of a detectors table (.csv, .csv.gz, .parquet, or a zip or tar with one).

    Modules come sorted by volume, layer and module number, so that every copy of a table gives
    the same dense indices. Extra columns are ignored, those of pitches may be missing, as long as
    no cells come, and x0; ids may be written as floats. The table that ACTS writes is read too.
    Raises InputError if the table is empty, a module is there twice or makes no sense.
    """
    place = path if isinstance(path, Place) else Place(Path(path))
    if place.member is None and is_archive(place.path):
        tables = [entry for entry in files_in(place.path) if entry.name in NAMES]
        if len(tables) != 1:
            raise InputError(
                f"{place}: holds {len(tables)} detectors tables where one is expected "
                f"({', '.join(NAMES[:3])}): unpack it and name the file"
            )
        place = tables[0]
    if _of_acts(place):
        columns, rows = read_acts_detectors(place, _TYPES)
    else:
        columns = read_columns(place, _TYPES | _MATERIAL, optional=_MAY_MISS)
        rows = np.arange(len(columns["volume_id"]))
    _check(columns, place, rows)
    order = np.lexsort([columns[name] for name in reversed(_IDS)])
    columns = {name: values[order] for name, values in columns.items()}
    detector = Detector(
        **{name: columns[name] for name in _IDS},
        centre=np.stack([columns[name] for name in _CENTRE], axis=1),
        rotation=np.stack([columns[name] for name in _ROTATION], axis=1).reshape(-1, 3, 3),
        **{field: columns[name] for field, name in _SIZES.items()},
        x0=columns["x0"] if "x0" in columns and np.isfinite(columns["x0"]).all() else None,
        field=None,  # below, where it is checked against the modules
        pipe=_pipe(place),
    )
    return detector.in_field(_field(place), place)


def made_of(place: Place) -> dict[str, Any]:
    """What a parquet or ROOT file keeps about how it was made; empty where it keeps nothing."""
    if isinstance(place, Tree):
        return note_in(place.file)
    if not place.name.endswith(".parquet"):
        return {}
    with contextlib.suppress(pa.ArrowException, OSError, ValueError, InputError, RecursionError):
        notes = pyarrow.parquet.read_schema(pa.BufferReader(place.read())).metadata or {}
        made = json.loads(notes.get(MADE_KEY, b"{}"))
        return made if isinstance(made, dict) else {}
    return {}


def _field(place: Place) -> MagneticField | None:
    """The field that the metadata of a parquet file keeps."""
    kept = made_of(place).get("field")
    return None if kept is None else from_json(kept, place)


def _pipe(place: Place) -> tuple[float, float] | None:
    """The beam pipe that the metadata of a parquet file keeps."""
    kept = made_of(place).get("pipe")
    if kept is None:
        return None
    try:
        radius, x0 = (float(one) for one in kept)
    except (TypeError, ValueError):
        radius = x0 = np.nan
    if not (0 <= radius <= MAX_CENTRE and 0 <= x0 <= MAX_X0):
        raise InputError(
            f"{place}: says that its beam pipe is {str(kept)[:80]}: a radius in mm and radiation "
            "lengths are expected"
        )
    return radius, x0


def _of_acts(place: Place) -> bool:
    """Whether ACTS wrote the table: it gives the shape of a surface in columns of its own."""
    if place.name.endswith(".parquet"):
        return False
    return "bounds_type" in header_names(place)


def cached_detectors(place: Place) -> Detector:
    """The same, read once for all events that stand beside it."""
    try:
        return _cached(place, place.path.stat().st_mtime_ns)
    except OSError:
        return read_detectors(place)  # says what is wrong


@functools.lru_cache(maxsize=4)
def _cached(place: Place, _changed: int) -> Detector:
    return read_detectors(place)


def detector_columns(detector: Detector) -> dict[str, NDArray[Any]]:
    """The table of a detector under TrackML's column names, in file order."""
    rotation = detector.rotation.reshape(-1, 9)
    return (
        {name: getattr(detector, name) for name in _IDS}
        | {name: detector.centre[:, axis] for axis, name in enumerate(_CENTRE)}
        | {name: rotation[:, entry] for entry, name in enumerate(_ROTATION)}
        | {name: getattr(detector, field) for field, name in _SIZES.items()}
        | ({} if detector.x0 is None else {"x0": detector.x0})
    )


def _check(columns: Columns, place: Place, rows: NDArray[np.int64]) -> None:
    """Raise InputError for modules that make no sense; `rows` (n_modules,) theirs in the file."""
    if not len(columns["volume_id"]):
        raise InputError(f"{place}: the detectors table has no modules")
    for name in _IDS:
        values = columns[name]
        refuse((values < 0) | (values >= MAX_ID), place, name, values, f"0 to {MAX_ID - 1}", rows)
    for name in _CENTRE:
        values = columns[name]
        far = np.abs(values) > MAX_CENTRE
        refuse(far, place, name, values, "a length in mm, at most 100 m,", rows)
    for name in _SIZES.values():
        values = columns[name]
        too_small = values < 0 if name == "module_minhu" else values <= 0  # a triangle has 0
        if name.startswith("pitch"):
            too_small &= values != UNKNOWN_PITCH
        refuse(too_small, place, name, values, "a length above 0 mm", rows)
        refuse(values > MAX_SIZE, place, name, values, "a length in mm, at most 10 m,", rows)
    if "x0" in columns:
        x0 = columns["x0"]
        refuse((x0 < 0) | (x0 > MAX_X0), place, "x0", x0, "radiation lengths from 0", rows)
    _check_rotations(columns, place, rows)
    ids = np.stack([columns[name] for name in _IDS], axis=1)
    _, first, inverse, counts = np.unique(
        ids, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    if len(first) < len(ids):
        inverse = inverse.reshape(-1)
        row = int(np.flatnonzero(first[inverse] != np.arange(len(ids)))[0])
        raise InputError(
            f"{row_name(place, int(rows[row]))}: module {_module(columns, row)} is already in row "
            f"{rows[first[inverse[row]]] + 1} ({int((counts > 1).sum())} such modules): "
            "each may be there once"
        )


def _check_rotations(columns: Columns, place: Place, rows: NDArray[np.int64]) -> None:
    rotation = np.stack([columns[name] for name in _ROTATION], axis=1).reshape(-1, 3, 3)
    with np.errstate(over="ignore", invalid="ignore"):  # huge numbers are no rotation either
        product = rotation @ rotation.transpose(0, 2, 1)
        off = np.abs(product - np.eye(3)).max(axis=(1, 2))
    wrong = ~(off <= ROTATION_TOLERANCE)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{row_name(place, int(rows[row]))}: columns {_ROTATION[0]} to {_ROTATION[-1]} of "
            f"module {_module(columns, row)} are not a rotation (rows differ from orthonormal by "
            f"{off[row]:.3g}): take the table of this detector again"
        )
    mirrored = np.linalg.det(rotation) < 0
    if mirrored.any():
        row = int(np.argmax(mirrored))
        raise InputError(
            f"{row_name(place, int(rows[row]))}: columns {_ROTATION[0]} to {_ROTATION[-1]} of "
            f"module {_module(columns, row)} are a reflection where a rotation is expected "
            f"({int(mirrored.sum())} such modules): u, v and w have to be right handed; turn one "
            "of them around"
        )


def _module(columns: Columns, row: int) -> str:
    volume, layer, module = (columns[name][row] for name in _IDS)
    return f"(volume {volume}, layer {layer}, module {module})"
