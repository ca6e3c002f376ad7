"""The wires as modules: each is a strip as wide as the pitch and as long as the drift.

A hit is known across its wire and along the drift, not along the wire: its position is the point
where these two and the middle of the plane meet. So the three planes are three sheets, which have
the drift axis in common, and a plane's hits lie where the true points are projected to.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.argon import PLANES
from hitgraph.event.detector import Detector
from hitgraph.event.field import constant

if TYPE_CHECKING:
    from hitgraph.simulate.worlds.lartpc.settings import LartpcSettings

Float64 = NDArray[np.float64]

TURN = {"U": np.pi / 3, "V": -np.pi / 3, "Y": 0.0}  # rad, of the wires from the vertical
VOLUME = 1


@dataclass(frozen=True, eq=False)
class Plane:
    """Wires beside each other, numbered from the lowest coordinate across them."""

    across: Float64  # (3,) unit vector
    first: float  # mm, lower edge of wire 0
    pitch: float  # mm
    n_wires: int

    def coordinate(self, position: Float64) -> Float64:
        """(n,) mm across the wires of points (n, 3)."""
        return np.asarray(position @ self.across)

    def wire(self, coordinate: Float64) -> NDArray[np.int64]:
        """(n,) number of the wire at a coordinate, which may lie beside the plane."""
        return np.floor((coordinate - self.first) / self.pitch).astype(np.int64)

    def middle(self, wire: NDArray[np.int64]) -> Float64:
        """(n,) mm, coordinate of a wire."""
        return np.asarray(self.first + (wire + 0.5) * self.pitch)


def planes_of(settings: "LartpcSettings") -> tuple[Plane, ...]:
    """The planes in the order of PLANES; their wires cover the whole box."""
    found = []
    corners = [
        (0.0, y, z)
        for y in (-settings.height / 2, settings.height / 2)
        for z in (0.0, settings.length)
    ]
    for name in PLANES:
        across = np.array([0.0, -np.sin(TURN[name]), np.cos(TURN[name])])
        reach = np.array(corners) @ across
        n_wires = int(np.ceil((reach.max() - reach.min()) / settings.pitch - 1e-9))
        found.append(Plane(across, float(reach.min()), settings.pitch, n_wires))
    return tuple(found)


def n_ticks(settings: "LartpcSettings") -> int:
    """That the drift is read out for."""
    return int(np.ceil(settings.drift / settings.tick - 1e-9))


def build_detector(settings: "LartpcSettings") -> Detector:
    """The table: layer and module are plane and wire, u runs across wires, v along the drift."""
    planes = planes_of(settings)
    layer = np.concatenate([np.full(plane.n_wires, k) for k, plane in enumerate(planes)])
    wire = np.concatenate([np.arange(plane.n_wires) for plane in planes])
    centre = np.concatenate(
        [plane.middle(np.arange(plane.n_wires))[:, None] * plane.across for plane in planes]
    )
    window = n_ticks(settings) * settings.tick
    centre[:, 0] = window / 2
    drift = np.array([1.0, 0.0, 0.0])
    turns = np.stack(
        [np.stack([plane.across, drift, np.cross(plane.across, drift)], axis=1) for plane in planes]
    )
    n, half = len(wire), settings.pitch / 2
    return Detector(
        volume_id=np.full(n, VOLUME, np.int32),
        layer_id=layer.astype(np.int32),
        module_id=wire.astype(np.int32),
        centre=centre,
        rotation=turns[layer],
        half_thickness=np.full(n, half),
        min_half_u=np.full(n, half),
        max_half_u=np.full(n, half),
        half_v=np.full(n, window / 2),
        pitch_u=np.full(n, settings.pitch),
        pitch_v=np.full(n, settings.tick),
        field=constant(0.0),
    )
