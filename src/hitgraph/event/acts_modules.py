"""Modules as ACTS names and writes them: geometry identifiers, and its detectors.csv."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.detector import Detector
from hitgraph.event.known_detectors import (
    GENERIC,
    acts_module_numbers,
    is_generic,
    trackml_module_numbers,
)
from hitgraph.event.table_errors import Columns, row_name
from hitgraph.event.tables import read_columns

RECTANGLE, TRAPEZOID = 6, 7  # ACTS's bounds_type of the shapes that a module table can hold

Int32 = NDArray[np.int32]


def module_ids(geometry_id: NDArray[np.uint64]) -> tuple[Int32, Int32, Int32]:
    """volume_id, layer_id and module_id of ACTS geometry identifiers, numbered as ACTS does.

    An identifier packs volume (8 bits), boundary (8), layer (12), approach (8), sensitive (20)
    and extra (8).
    """
    parts = ((56, 0xFF), (36, 0xFFF), (8, 0xFFFFF))
    volume, layer, module = (
        ((geometry_id >> np.uint64(shift)) & np.uint64(mask)).astype(np.int32)
        for shift, mask in parts
    )
    return volume, layer, module


def geometry_ids(detector: Detector) -> NDArray[np.uint64]:
    """(n_modules,) ACTS geometry identifiers of the modules of a detector."""
    module_id = detector.module_id
    if is_generic(detector.volume_id, detector.half_v):
        module_id = acts_module_numbers(detector.volume_id, module_id)
    parts = ((detector.volume_id, 56), (detector.layer_id, 36), (module_id, 8))
    identifier = np.zeros(detector.n_modules, np.uint64)
    for number, shift in parts:
        identifier |= number.astype(np.uint64) << np.uint64(shift)
    return identifier


def read_acts_detectors(
    place: Place, fields: dict[str, np.dtype[Any]]
) -> tuple[Columns, NDArray[np.int64]]:
    """Columns `fields` (those of TrackML's table) from the table that ACTS writes, and their rows.

    Surfaces that carry no module are left out. ACTS writes no pitches: those of the generic
    detector are TrackML's, for another one they stay unknown until the columns pitch_u and
    pitch_v are filled in.
    """
    shape = ("bounds_type", *(f"bound_param{k}" for k in range(4)))
    own = dict.fromkeys(shape, np.dtype(np.float64))
    ready = {name: kind for name, kind in fields.items() if name not in _SIZES}
    columns = read_columns(place, ready | own)
    sensitive = np.flatnonzero(columns["module_id"] > 0)
    columns = {name: values[sensitive] for name, values in columns.items()}
    kind = columns["bounds_type"]
    strange = ~np.isin(kind, (RECTANGLE, TRAPEZOID))
    if strange.any():
        row = int(np.argmax(strange))
        raise InputError(
            f"{row_name(place, int(sensitive[row]))}: column bounds_type is {kind[row]:.0f} where "
            f"{RECTANGLE} (rectangle) or {TRAPEZOID} (trapezoid) is expected: hitgraph knows "
            "modules of these shapes only"
        )
    first, second, third, fourth = (columns[name] for name in shape[1:])
    rectangle = kind == RECTANGLE  # min u, min v, max u, max v; trapezoid: half u, half u, half v
    columns["module_minhu"] = np.where(rectangle, third, first)
    columns["module_maxhu"] = np.where(rectangle, third, second)
    columns["module_hv"] = np.where(rectangle, fourth, third)
    if is_generic(columns["volume_id"], columns["module_hv"]):
        pitches = [GENERIC[volume].pitch for volume in columns["volume_id"].tolist()]
        for k, name in enumerate(("pitch_u", "pitch_v")):
            pitch = np.array(pitches).reshape(-1, 2)[:, k]
            columns[name] = np.where(columns[name] > 0, columns[name], pitch)
        columns["module_id"] = trackml_module_numbers(columns["volume_id"], columns["module_id"])
    return {name: columns[name] for name in fields}, sensitive


_SIZES = ("module_minhu", "module_maxhu", "module_hv")
