"""The detector of TrackML as ACTS knows it, and where an event's hits are in it."""

import functools
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, MissingExtraError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.field import MagneticField, solenoid
from hitgraph.simulate.acts_field import acts_field
from hitgraph.simulate.fatras import build_detector
from hitgraph.simulate.geometry import read_geometry

MAX_SHIFT = 0.05  # mm; TrackML's table has the modules within 4 um of where ACTS has them
MAX_OFF_MODULE = 0.1  # mm


def require_acts(what: str) -> None:
    """Raises MissingExtraError where pyacts is not installed; does not import it."""
    if find_spec("acts") is None:
        raise MissingExtraError(what, "sim")


@dataclass(frozen=True, eq=False)
class Geometry:
    """The generic detector in a magnetic field."""

    acts_detector: Any  # keeps the surfaces alive
    tracking: Any  # acts.TrackingGeometry
    field: Any  # acts.MagneticFieldProvider
    centre_field: float  # Tesla, along z at the origin
    table: Detector
    identifiers: NDArray[np.int64]  # (n_modules,) ACTS geometry identifier of each module

    @functools.cached_property
    def module_of(self) -> dict[int, int]:
        """Dense module index of each ACTS geometry identifier."""
        return {identifier: row for row, identifier in enumerate(self.identifiers.tolist())}


@functools.lru_cache(maxsize=4)
def generic_geometry(field: MagneticField | None = None) -> Geometry:
    """Built once a process, in that of TrackML where no field is given.

    Raises MissingExtraError without pyacts, InputError for a field that does not cover the modules.
    """
    require_acts("ACTS")
    field = solenoid() if field is None else field
    detector, table, identifiers = _generic_detector()
    table = table.in_field(field, field.name)
    return Geometry(
        detector,
        detector.trackingGeometry(),
        acts_field(field),
        field.centre,
        table,
        identifiers,
    )


@functools.cache
def _generic_detector() -> tuple[Any, Detector, NDArray[np.int64]]:
    detector = build_detector()
    table, row_of = read_geometry(detector)
    identifiers = np.empty(table.n_modules, np.int64)
    identifiers[list(row_of.values())] = list(row_of)
    return detector, table, identifiers


def local_hits(event: Event, table: Detector) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Dense module index (n_hits,) and local position (n_hits, 2) mm of each hit.

    Raises InputError where the event was not taken with the detector of `table`.
    """
    _require_same_detector(event, table)
    hits = event.hits
    try:
        module = table.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    except InputError as error:
        raise InputError(f"{event.name}, {error}") from error
    position = np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64)
    local = np.einsum("nji,nj->ni", table.rotation[module], position - table.centre[module])
    off = np.abs(local[:, 2])
    if off.max(initial=0.0) > MAX_OFF_MODULE:
        row = int(np.argmax(off))
        raise InputError(
            f"{event.name}: hit_id {hits.hit_id[row]} lies {off[row]:.3g} mm beside its module in "
            f"ACTS (volume {hits.volume_id[row]}, layer {hits.layer_id[row]}, module "
            f"{hits.module_id[row]}), {int((off > MAX_OFF_MODULE).sum())} hits do: ACTS knows only "
            "the TrackML detector with its modules in their places"
        )
    return module, local[:, :2]


def _require_same_detector(event: Event, table: Detector) -> None:
    own = event.detector
    if own is None:
        return
    row = table.find_modules(own.volume_id, own.layer_id, own.module_id)
    if (row < 0).any():
        first = int(np.argmax(row < 0))
        raise InputError(
            f"{event.name}: its detectors table has volume {own.volume_id[first]}, layer "
            f"{own.layer_id[first]}, module {own.module_id[first]}, the generic detector of ACTS "
            "does not: only events in the TrackML detector can be used here"
        )
    shift = np.abs(own.centre - table.centre[row]).max()
    if shift > MAX_SHIFT:
        raise InputError(
            f"{event.name}: its detectors table has a module {shift:.3g} mm from where ACTS has it "
            f"(at most {MAX_SHIFT} mm): only events in the TrackML detector can be used here"
        )
