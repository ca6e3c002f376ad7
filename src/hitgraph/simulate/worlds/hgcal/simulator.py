"""One event of the calorimeter: particles, showers, cells, and these as the tables of an event."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.event import CellTable, Event, HitTable, ParticleTable, TruthTable
from hitgraph.simulate.simulator import event_name
from hitgraph.simulate.worlds.hgcal.cells import NOISE, Cells, deposits, read_out
from hitgraph.simulate.worlds.hgcal.geometry import (
    FRONT,
    INNER_RADIUS,
    OUTER_RADIUS,
    Float64,
    disc_radius,
    make_layers,
)
from hitgraph.simulate.worlds.hgcal.showers import ELECTRON, PHOTON, PION, shower

if TYPE_CHECKING:
    from hitgraph.simulate.worlds.hgcal.settings import HgcalSettings

MARGIN = 100.0  # mm around the disc, in which cells have noise as well
CHARGE = {ELECTRON: -1, -ELECTRON: 1, PHOTON: 0, PION: 1, -PION: -1}


class HgcalSimulator:
    """Makes events of one kind."""

    def __init__(self, settings: "HgcalSettings") -> None:
        self.settings = settings
        self._layers = make_layers()
        self.detector = self._layers.detector()

    def event(self, number: int) -> Event:
        """Event `number`; the same for the same settings and number, whatever came before."""
        settings, layers = self.settings, self._layers
        rng = np.random.default_rng([settings.seed, number])
        radius = disc_radius(settings.showers, settings.density)
        centre = _centre(radius, rng)
        pdg = _kinds(settings.showers, settings.hadrons, rng)
        bounds = np.log(settings.min_energy), np.log(settings.max_energy)
        energy = np.exp(rng.uniform(*bounds, settings.showers))
        axes = (centre + _in_disc(radius, settings.showers, rng)) / FRONT
        direction = np.column_stack([axes, np.ones(len(axes))])
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        spots = [
            shower(abs(one), e, cosine, layers, rng)
            for one, e, cosine in zip(pdg.tolist(), energy, direction[:, 2], strict=True)
        ]
        disc = (float(centre[0]), float(centre[1]), radius + MARGIN)
        left = deposits(spots, axes, layers)
        cells = read_out(left, layers, settings.noise, settings.threshold, disc, rng)
        return self._tables(event_name(number), pdg, energy[:, None] * direction, cells)

    def _tables(self, name: str, pdg: NDArray[np.int64], momentum: Float64, cells: Cells) -> Event:
        """The four tables; truth weights are shares of the energy in the event."""
        detector, layer = self.detector, cells.layer
        hit_id = np.arange(1, len(cells) + 1, dtype=np.int64)
        position = {
            "x": cells.x.astype(np.float32),
            "y": cells.y.astype(np.float32),
            "z": detector.centre[layer, 2].astype(np.float32),
        }
        real = cells.shower != NOISE
        seen = np.where(real, cells.energy, 0.0)
        at_hit = np.where(real[:, None], momentum[cells.shower], 0.0).astype(np.float32)
        zero = np.zeros(len(pdg), np.float32)
        px, py, pz = momentum.T.astype(np.float32)
        return Event(
            name,
            HitTable(
                hit_id=hit_id,
                **position,
                volume_id=detector.volume_id[layer],
                layer_id=detector.layer_id[layer],
                module_id=detector.module_id[layer],
            ),
            CellTable(
                hit_id=hit_id,
                ch0=cells.column.astype(np.int32),
                ch1=cells.row.astype(np.int32),
                value=cells.energy.astype(np.float32),
            ),
            ParticleTable(
                particle_id=np.arange(1, len(pdg) + 1, dtype=np.int64),
                particle_type=pdg.astype(np.int32),
                vx=zero,
                vy=zero,
                vz=zero,
                px=px,
                py=py,
                pz=pz,
                q=np.array([CHARGE[one] for one in pdg.tolist()], np.int32),
                nhits=np.bincount(cells.shower[real], minlength=len(pdg)).astype(np.int32),
            ),
            TruthTable(
                hit_id=hit_id,
                particle_id=np.where(real, cells.shower + 1, 0),
                **{f"t{axis}": values for axis, values in position.items()},
                **{f"tp{axis}": at_hit[:, k] for k, axis in enumerate("xyz")},
                weight=(seen / max(seen.sum(), 1e-12)).astype(np.float32),
            ),
            detector,
            detector.field,
        )


def _centre(radius: float, rng: np.random.Generator) -> Float64:
    """(2,) mm, of a disc that lies within the endcap."""
    distance = rng.uniform(INNER_RADIUS + radius, OUTER_RADIUS - radius)
    angle = rng.uniform(-np.pi, np.pi)
    return distance * np.array([np.cos(angle), np.sin(angle)])


def _in_disc(radius: float, n: int, rng: np.random.Generator) -> Float64:
    """(n, 2) mm, even in a disc around the origin."""
    reach, angle = radius * np.sqrt(rng.random(n)), rng.uniform(-np.pi, np.pi, n)
    return np.column_stack([reach * np.cos(angle), reach * np.sin(angle)])


def _kinds(n: int, hadrons: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) PDG codes of pions, electrons (either sign) and photons."""
    other = np.where(rng.random(n) < 0.5, PHOTON, ELECTRON)
    code = np.where(rng.random(n) < hadrons, PION, other)
    sign = np.where((rng.random(n) < 0.5) & (code != PHOTON), -1, 1)
    return np.asarray(code * sign, dtype=np.int64)
