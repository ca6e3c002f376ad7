"""The module table: where every sensitive module stands, how it is turned and segmented."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.field import MagneticField, Reach
from hitgraph.event.known_detectors import PIPE, is_generic

MAX_ID = 2**20  # ids of volume, layer and module are packed into one 64-bit key
UNKNOWN_PITCH = -1.0  # as ACTS writes it; only clusters need pitches
LONGEST_PIXEL = 3.0  # pitches along u that one along v of a pixel is at most


@dataclass(frozen=True, eq=False)
class Detector:
    """Modules of a detector, one row a module, and its magnetic field.

    A row number is the *dense module index*.

    Lengths in mm. `rotation[m] @ (u, v, w) + centre[m]` takes local coordinates to global ones.
    """

    volume_id: NDArray[np.int32]  # (n_modules,)
    layer_id: NDArray[np.int32]  # (n_modules,)
    module_id: NDArray[np.int32]  # (n_modules,)
    centre: NDArray[np.float64]  # (n_modules, 3)
    rotation: NDArray[np.float64]  # (n_modules, 3, 3)
    half_thickness: NDArray[np.float64]  # (n_modules,), TrackML's module_t
    min_half_u: NDArray[np.float64]  # (n_modules,), TrackML's module_minhu
    max_half_u: NDArray[np.float64]  # (n_modules,), TrackML's module_maxhu
    half_v: NDArray[np.float64]  # (n_modules,), TrackML's module_hv
    pitch_u: NDArray[np.float64]  # (n_modules,), or UNKNOWN_PITCH
    pitch_v: NDArray[np.float64]  # (n_modules,), or UNKNOWN_PITCH
    field: MagneticField | None = None  # None where nothing tells
    x0: NDArray[np.float64] | None = None  # (n_modules,) radiation lengths at right angles, or None
    pipe: tuple[float, float] | None = None  # mm and radiation lengths of the beam pipe, if known

    @property
    def n_modules(self) -> int:
        return len(self.volume_id)

    @property
    def n_layers(self) -> int:
        return len(self.layer_keys)

    def same_as(self, other: "Detector") -> bool:
        """Whether both tables have the same modules in the same places."""
        return all(
            np.array_equal(getattr(self, one.name), getattr(other, one.name))
            for one in fields(self)
            if one.name != "field"
        )

    def require_pitches(self, where: str) -> None:
        """Raise InputError, beginning with `where`, if a module has no pitch to measure cells."""
        unknown = (self.pitch_u == UNKNOWN_PITCH) | (self.pitch_v == UNKNOWN_PITCH)
        if unknown.any():
            row = int(np.argmax(unknown))
            raise InputError(
                f"{where}: the detectors table has no pitch for {int(unknown.sum())} of "
                f"{self.n_modules} modules, as the first for module (volume "
                f"{self.volume_id[row]}, layer {self.layer_id[row]}, module "
                f"{self.module_id[row]}): ACTS writes {UNKNOWN_PITCH:g}; fill in pitch_u and "
                "pitch_v in mm, without which cells have no size"
            )

    def take(self, rows: Any) -> "Detector":
        """The table of the modules of these rows (index, mask or slice)."""
        columns = {one.name: getattr(self, one.name) for one in fields(self)}
        for whole in ("field", "pipe"):
            columns.pop(whole)
        known = {name: values for name, values in columns.items() if values is not None}
        return replace(self, **{name: values[rows] for name, values in known.items()})

    @property
    def known_pipe(self) -> tuple[float, float]:
        """Radius in mm and radiation lengths of the beam pipe; TrackML's is known, others are 0."""
        if self.pipe is not None:
            return self.pipe
        return PIPE if self.is_generic else (0.0, 0.0)

    def in_field(self, field: MagneticField | None, where: object) -> "Detector":
        """The same modules in a field.

        Raises InputError, beginning with `where`, if the field is not known as far as they reach.
        """
        if field is not None:
            field.require_covers(self.reach, where)
        return replace(self, field=field)

    @cached_property
    def reach(self) -> Reach:
        """How far the corners of the modules are from the beam line and along it."""
        half_u = np.stack([-self.min_half_u, self.min_half_u, -self.max_half_u, self.max_half_u])
        half_v = np.stack([-self.half_v, -self.half_v, self.half_v, self.half_v])
        local = np.stack([half_u, half_v], axis=2)  # (4, n_modules, 2)
        corners = self.centre + np.einsum("nij,knj->kni", self.rotation[:, :, :2], local)
        r, z = np.hypot(corners[:, :, 0], corners[:, :, 1]), corners[:, :, 2]
        return Reach(float(r.max()), float(z.min()), float(z.max()))

    @cached_property
    def sensitive_thickness(self) -> NDArray[np.float64]:
        """(n_modules,) mm, the depth over which charge is collected, seen in cluster sizes.

        Twice half_thickness, but in the barrels of the TrackML detector half of that: fitted on an
        event, see docs/physics.md.
        """
        odd = self.is_generic & ~self.is_endcap
        return np.where(odd, 1.0, 2.0) * self.half_thickness

    @cached_property
    def is_generic(self) -> bool:
        """Whether it is that of TrackML."""
        return is_generic(self.volume_id, self.half_v)

    @cached_property
    def is_pixel(self) -> NDArray[np.bool_]:
        """(n_modules,) whether channels are about as long as wide; False without pitches."""
        known = self.pitch_u != UNKNOWN_PITCH
        pixel: NDArray[np.bool_] = known & (self.pitch_v <= LONGEST_PIXEL * self.pitch_u)
        return pixel

    @cached_property
    def is_endcap(self) -> NDArray[np.bool_]:
        """(n_modules,) whether the normal of a module is along the beam."""
        endcap: NDArray[np.bool_] = np.abs(self.rotation[:, 2, 2]) > np.sqrt(0.5)
        return endcap

    @cached_property
    def layer_keys(self) -> NDArray[np.int64]:
        """(n_layers, 2) volume_id and layer_id of each dense layer index, sorted."""
        pairs = np.stack([self.volume_id, self.layer_id], axis=1).astype(np.int64)
        return np.unique(pairs, axis=0)

    @cached_property
    def layer(self) -> NDArray[np.int64]:
        """(n_modules,) dense layer index of each module."""
        pairs = np.stack([self.volume_id, self.layer_id], axis=1).astype(np.int64)
        return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def module_index(
        self,
        volume_id: NDArray[np.integer],
        layer_id: NDArray[np.integer],
        module_id: NDArray[np.integer],
    ) -> NDArray[np.int64]:
        """Dense module index of each hit, (n_hits,). Raises InputError for an unknown module."""
        module = self.find_modules(volume_id, layer_id, module_id)
        unknown = module < 0
        if unknown.any():
            row = int(np.argmax(unknown))
            raise InputError(
                f"hit {row + 1}: module (volume {volume_id[row]}, layer {layer_id[row]}, "
                f"module {module_id[row]}) is not in the detectors table of {self.n_modules} "
                f"modules ({int(unknown.sum())} such hits): give the table of this detector "
                "with --detectors"
            )
        return module

    def find_modules(
        self,
        volume_id: NDArray[np.integer],
        layer_id: NDArray[np.integer],
        module_id: NDArray[np.integer],
    ) -> NDArray[np.int64]:
        """Dense module index of each hit, (n_hits,); -1 for a module that is not in the table."""
        columns = [column.astype(np.int64) for column in (volume_id, layer_id, module_id)]
        wanted = module_key(*columns)
        keys, order = self.sorted_keys
        slot = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        # beyond its bits an id spills into its neighbour's and names another module
        found = np.where(keys[slot] == wanted, order[slot], -1)
        for column in columns:
            if len(column) and (column.min() < 0 or column.max() >= MAX_ID):
                found[(column < 0) | (column >= MAX_ID)] = -1
        return found

    @cached_property
    def sorted_keys(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(n_modules,) module_key of the modules, rising, and the dense module index of each."""
        columns = (self.volume_id, self.layer_id, self.module_id)
        keys = module_key(*(column.astype(np.int64) for column in columns))
        order = np.argsort(keys, kind="stable").astype(np.int64)
        return keys[order], order


def module_key(volume_id: Any, layer_id: Any, module_id: Any) -> Any:
    """One number a module, of int64 arrays or tensors."""
    return (volume_id << 40) + (layer_id << 20) + module_id
