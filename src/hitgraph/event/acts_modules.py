"""Modules as ACTS names and writes them: geometry identifiers, and its detectors.csv."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.tables import Columns, read_columns, row_name
from hitgraph.simulate.geometry import ENDCAP_RINGS, PITCH, trackml_module_numbers

RECTANGLE, TRAPEZOID = 6, 7  # ACTS's bounds_type of the shapes that a module table can hold

Int32 = NDArray[np.int32]


def module_ids(geometry_id: NDArray[np.int64]) -> tuple[Int32, Int32, Int32]:
    """volume_id, layer_id and module_id of ACTS geometry identifiers.

    An identifier packs volume (8 bits), boundary (8), layer (12), approach (8), sensitive (20)
    and extra (8). Modules of the generic detector get TrackML's numbers.
    """
    volume = ((geometry_id >> 56) & 0xFF).astype(np.int32)
    layer = ((geometry_id >> 36) & 0xFFF).astype(np.int32)
    module = ((geometry_id >> 8) & 0xFFFFF).astype(np.int32)
    return volume, layer, with_trackml_numbers(volume, module)


def with_trackml_numbers(volume: Int32, module: Int32) -> Int32:
    """TrackML's number of each module if all can be of the generic detector, else as they are."""
    if not np.isin(volume, list(PITCH)).all():
        return module
    for endcap, rings in ENDCAP_RINGS.items():
        if module[volume == endcap].max(initial=0) > len(rings):
            return module
    return trackml_module_numbers(volume, module)


def read_acts_detectors(place: Place, fields: dict[str, np.dtype[Any]]) -> Columns:
    """Columns `fields` (those of TrackML's table) from the table that ACTS writes.

    Surfaces that carry no module are left out. ACTS writes no pitches: those of the generic
    detector are TrackML's; for another one the columns pitch_u and pitch_v have to be filled in.
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
    numbers = with_trackml_numbers(columns["volume_id"], columns["module_id"])
    if np.isin(columns["volume_id"], list(PITCH)).all():
        pitch = np.array([PITCH[volume] for volume in columns["volume_id"].tolist()]).reshape(-1, 2)
        for k, name in enumerate(("pitch_u", "pitch_v")):
            columns[name] = np.where(columns[name] > 0, columns[name], pitch[:, k])
    columns["module_id"] = numbers
    return {name: columns[name] for name in fields}


_SIZES = ("module_minhu", "module_maxhu", "module_hv")
