"""The tensors of a request: the hits of one event go in, the track of each hit comes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.checks import RANGES, sorted_cells
from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event, HitTable

Number = TypeVar("Number", np.float32, np.int32)

NAME = "request"  # of its event, in warnings


@dataclass(frozen=True)
class TensorSpec:
    """What a tensor has to be."""

    name: str
    datatype: str  # of the protocol, a key of DTYPES
    shape: tuple[int, ...]  # -1 = any number
    columns: tuple[str, ...]  # of the tables of an event (docs/files.md)

    def to_dict(self) -> dict[str, object]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


Tensors = Mapping[str, NDArray[np.float32] | NDArray[np.int32]]

DTYPES: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype("<f4"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
}
FEATURES = TensorSpec("FEATURES", "FP32", (-1, 3), ("x", "y", "z"))
MODULES = TensorSpec("MODULES", "INT32", (-1, 3), ("volume_id", "layer_id", "module_id"))
CELLS = TensorSpec("CELLS", "INT32", (-1, 3), ("hit", "ch0", "ch1"))  # hit: row in FEATURES, from 0
CHARGES = TensorSpec("CHARGES", "FP32", (-1,), ("value",))  # of each cell
LABELS = TensorSpec("LABELS", "INT64", (-1,), ("track",))  # of each hit, from 0, -1 = none


def inputs_of(clusters: bool) -> tuple[TensorSpec, ...]:
    """What a pipeline is to be given: with `clusters` it needs the cells as well."""
    return (FEATURES, MODULES, CELLS, CHARGES) if clusters else (FEATURES, MODULES)


def tensors_of(event: Event, clusters: bool) -> Tensors:
    """The inputs for an event. Raises InputError where cells are wanted and it has none."""
    hits, cells = event.hits, event.cells
    found: dict[str, NDArray[np.float32] | NDArray[np.int32]] = {
        FEATURES.name: np.stack([hits.x, hits.y, hits.z], axis=1),
        MODULES.name: np.stack([hits.volume_id, hits.layer_id, hits.module_id], axis=1),
    }
    if clusters:
        if cells is None:
            raise InputError(f"{event.name}: has no cells, which this pipeline needs")
        row = np.searchsorted(hits.hit_id, cells.hit_id).astype(np.int32)
        found[CELLS.name] = np.stack([row, cells.ch0, cells.ch1], axis=1)
        found[CHARGES.name] = cells.value
    return found


def event_of(tensors: Tensors, detector: Detector) -> Event:
    """The event of a request, whose tensors have the names, types and shapes of `inputs_of`.

    hit_id counts the rows of FEATURES from 1. Raises InputError naming tensor, row and column for
    a number that cannot be, a module that `detector` lacks, a cell of no hit.
    """
    features, modules = tensors[FEATURES.name], tensors[MODULES.name]
    n_hits = len(features)
    _require_rows(tensors, MODULES, n_hits, FEATURES)
    _require_in_range(FEATURES, features, RANGES["hits"])
    _require_known(modules, detector)
    hit_id = np.arange(1, n_hits + 1, dtype=np.int64)
    hits = HitTable(hit_id, *_columns(features, np.float32), *_columns(modules, np.int32))
    cells = _cells(tensors, n_hits) if CELLS.name in tensors else None
    return Event(NAME, hits, cells)


def _cells(tensors: Tensors, n_hits: int) -> CellTable:
    cells, charges = tensors[CELLS.name], tensors[CHARGES.name]
    _require_rows(tensors, CHARGES, len(cells), CELLS)
    of_hits = {"hit": (0, n_hits - 1, f"a row of {FEATURES.name}, 0 to {n_hits - 1},")}
    _require_in_range(CELLS, cells, RANGES["cells"] | of_hits)
    _require_in_range(CHARGES, charges, RANGES["cells"])
    row, ch0, ch1 = _columns(cells, np.int32)
    (value,) = _columns(charges, np.float32)
    hit_id = row.astype(np.int64) + 1
    columns = {"hit_id": hit_id, "ch0": ch0, "ch1": ch1, "value": value}
    return CellTable(**sorted_cells(columns, row))


def _columns(values: NDArray[Any], dtype: type[Number]) -> NDArray[Number]:
    """(n_columns, n_rows) a copy: kernels would be compiled anew for what cannot be written to."""
    return np.array(np.atleast_2d(values.T), dtype, order="C")


def _require_rows(tensors: Tensors, spec: TensorSpec, wanted: int, other: TensorSpec) -> None:
    found = len(tensors[spec.name])
    if found != wanted:
        raise InputError(f"{spec.name}: has {found} rows, but {other.name} has {wanted}")


def _require_in_range(
    spec: TensorSpec,
    values: NDArray[np.float32] | NDArray[np.int32],
    ranges: Mapping[str, tuple[float, float, str]],
) -> None:
    for name, column in zip(spec.columns, np.atleast_2d(values.T), strict=True):
        low, high, expected = ranges[name]
        bad = ~((column >= low) & (column <= high))  # NaN too
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{spec.name}: row {row}: {name} is {column[row]} where {expected} is expected "
                f"({int(bad.sum())} such rows)"
            )


def _require_known(modules: NDArray[Any], detector: Detector) -> None:
    unknown = detector.find_modules(*modules.T) < 0
    if unknown.any():
        row = int(np.argmax(unknown))
        volume_id, layer_id, module_id = modules[row]
        raise InputError(
            f"{MODULES.name}: row {row}: module (volume {volume_id}, layer {layer_id}, module "
            f"{module_id}) is not in the detector of this pipeline, which has "
            f"{detector.n_modules} modules ({int(unknown.sum())} such rows)"
        )
