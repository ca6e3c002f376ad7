"""The calorimeter: layers of silicon cells behind absorbers, an endcap like that of CMS's HGCAL.

28 electromagnetic layers of 0.9 radiation lengths each, then 16 hadronic ones of 0.45 interaction
lengths (roughly arXiv 2204.01681, figure 1, and the technical design report CMS-TDR-019). Square
cells stand in for hexagons. One module is a whole layer, and a cell is named by its column and row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.field import constant

Float64 = NDArray[np.float64]

FRONT = 3200.0  # mm, z of the front face
INNER_RADIUS, OUTER_RADIUS = 320.0, 1500.0  # mm, of the endcap there: |eta| from 1.5 to 3.0
CELL = 10.0  # mm, side of a cell
HALF_SIDE = 2400.0  # mm, half the side of the square that holds a layer
THICKNESS = 0.3  # mm, of the silicon
ELECTROMAGNETIC, HADRONIC = 1, 2  # volume_id

X0 = 13.5  # mm, radiation length of the electromagnetic section, with all that is in it
CRITICAL_ENERGY = 0.0102  # GeV, there
SCALE_ENERGY = 0.0212  # GeV, E_s of multiple scattering
MOLIERE_RADIUS = X0 * SCALE_ENERGY / CRITICAL_ENERGY  # mm, 28 (PDG, passage of particles)
EFFECTIVE_Z = 68.0  # of tungsten, lead and copper
INTERACTION_LENGTH = 168.0  # mm, of the steel, for the width of hadronic showers


@dataclass(frozen=True)
class Section:
    """Layers that are alike."""

    volume_id: int
    layers: int
    spacing: float  # mm
    radiation: float  # radiation lengths in front of each layer
    interaction: float  # interaction lengths in front of each layer
    mip: float  # GeV that a mip leaves in a layer, with the absorber before it


SECTIONS = (
    Section(
        ELECTROMAGNETIC, layers=28, spacing=0.9 * X0, radiation=0.9, interaction=0.048, mip=0.01
    ),
    Section(HADRONIC, layers=16, spacing=75.0, radiation=3.4, interaction=0.45, mip=0.06),
)


@dataclass(frozen=True, eq=False)
class Layers:
    """One row a layer, from the front."""

    volume_id: NDArray[np.int32]  # (n_layers,)
    layer_id: NDArray[np.int32]  # (n_layers,) 2, 4, ... in each section, as TrackML counts
    z: Float64  # (n_layers,) mm
    radiation: Float64  # (n_layers + 1,) radiation lengths from the front to behind each layer
    interaction: Float64  # (n_layers + 1,) the same in interaction lengths
    mip: Float64  # (n_layers,) GeV

    def __len__(self) -> int:
        return len(self.z)

    def detector(self) -> Detector:
        """The module table: a layer is one module, whose channels count cells from its corner."""
        n_layers = len(self)
        centre = np.zeros((n_layers, 3))
        centre[:, 2] = self.z
        return Detector(
            volume_id=self.volume_id,
            layer_id=self.layer_id,
            module_id=np.ones(n_layers, np.int32),
            centre=centre,
            rotation=np.tile(np.eye(3), (n_layers, 1, 1)),
            half_thickness=np.full(n_layers, THICKNESS / 2),
            min_half_u=np.full(n_layers, HALF_SIDE),
            max_half_u=np.full(n_layers, HALF_SIDE),
            half_v=np.full(n_layers, HALF_SIDE),
            pitch_u=np.full(n_layers, CELL),
            pitch_v=np.full(n_layers, CELL),
            field=constant(0.0),
        )


def make_layers() -> Layers:
    """The layers of SECTIONS, one section behind the other."""

    def column(name: str) -> Float64:
        return np.concatenate([np.full(one.layers, getattr(one, name)) for one in SECTIONS])

    return Layers(
        volume_id=column("volume_id").astype(np.int32),
        layer_id=np.concatenate([2 + 2 * np.arange(one.layers) for one in SECTIONS]).astype(
            np.int32
        ),
        z=FRONT + np.cumsum(column("spacing")),
        radiation=np.append(0.0, np.cumsum(column("radiation"))),
        interaction=np.append(0.0, np.cumsum(column("interaction"))),
        mip=column("mip"),
    )


def disc_radius(showers: int, density: float) -> float:
    """mm, of the disc that has so many showers per square decimetre."""
    return float(100.0 * np.sqrt(showers / (np.pi * density)))
