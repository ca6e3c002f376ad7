"""Collisions from Pythia 8, or single particles from a gun, as arrays of charged particles."""

import math
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import HitgraphError
from hitgraph.event.field import Reach
from hitgraph.event.truth import COLLISION_BITS
from hitgraph.simulate.settings import (
    COLLISION_ENERGY,
    HARD_PROCESSES,
    MAX_ABS_ETA,
    MIN_PT,
    ParticleGun,
    SimulationSettings,
)

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


# particle_id = collision * COLLISION_STRIDE + number of the particle in it, both from 1.
COLLISION_STRIDE = 1 << COLLISION_BITS

MAX_SEED = 900_000_000  # the largest that Pythia takes
DIFFRACTIVE_PROTON = 9902210  # PDG code of a proton's diffractive system
HEAVY_SYSTEM = 100.0  # GeV, safely above where Pythia treats a diffractive system as collisions
DIFFERENT_MASS = 0.2


FLIGHT_SPREAD = 0.3  # rad, between a displaced gun particle's momentum and its flight before


@dataclass(frozen=True, eq=False)
class Generated:
    """Charged stable particles, one row a particle."""

    collision: Int64  # (n_particles,) 1 for the hard process or the gun, then the pile-up
    pdg: Int64  # (n_particles,)
    charge: Int64  # (n_particles,) elementary charges
    vertex: Float64  # (n_particles, 3) mm
    momentum: Float64  # (n_particles, 3) GeV
    particle_id: Int64  # (n_particles,) > 0, rising

    def __len__(self) -> int:
        return len(self.pdg)

    def where(self, keep: NDArray[Any]) -> "Generated":
        """The particles that `keep` (n_particles,) marks, or in the order of its row numbers."""
        return Generated(*(getattr(self, field.name)[keep] for field in fields(Generated)))


def join(parts: list[Generated]) -> Generated:
    """All particles of the parts, one part after the other."""
    return Generated(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Generated)
        )
    )


class Source(Protocol):
    """Makes the particles of one event from the random generator of that event."""

    def generate(self, rng: np.random.Generator) -> Generated: ...


def make_source(settings: SimulationSettings) -> Source:
    """The gun alone where there are no collisions, else Pythia (it takes seconds to start)."""
    if settings.gun is not None and settings.pileup == 0:
        return Gun(settings.gun, settings)
    return Collisions(settings)


class Gun:
    """Particles uniform in pT, eta and phi from one vertex in the beam spot, or spread about it.

    Displaced ones fly from there first, each for itself: by a transverse length from an
    exponential distribution, along its momentum but for FLIGHT_SPREAD in azimuth.
    """

    def __init__(self, gun: ParticleGun, settings: SimulationSettings) -> None:
        self.gun, self._settings = gun, settings

    def generate(self, rng: np.random.Generator) -> Generated:
        gun, n = self.gun, self.gun.particles
        sign = rng.choice(np.array([-1, 1]), n)
        pt = rng.uniform(gun.min_pt, gun.max_pt, n)
        eta = rng.uniform(gun.min_eta, gun.max_eta, n)
        phi = rng.uniform(gun.min_phi, gun.max_phi, n)
        momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)
        vertex = np.tile(_beam_spot(self._settings, rng), (n, 1))
        if gun.spread > 0:
            vertex = vertex + rng.normal(scale=gun.spread, size=(n, 3))
        if gun.displaced > 0:
            flight = rng.exponential(gun.displaced, n)
            phi = phi + rng.normal(0.0, FLIGHT_SPREAD, n)
            step = np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], axis=1)
            vertex = vertex + flight[:, None] * step
        # Leptons with a positive PDG code are negative, hadrons positive.
        positive = -1 if gun.pdg < 100 else 1
        particles = Generated(
            collision=np.ones(n, np.int64),
            pdg=sign * gun.pdg,
            charge=sign * positive,
            vertex=vertex,
            momentum=momentum,
            particle_id=COLLISION_STRIDE + 1 + np.arange(n, dtype=np.int64),
        )
        return particles.where(_inside(vertex, self._settings.world))


class Collisions:
    """A hard process or the gun, and minimum-bias collisions, all at 14 TeV, from Pythia 8.

    The generators are reseeded for every event, so an event does not depend on those before it.
    """

    def __init__(self, settings: SimulationSettings) -> None:
        self._settings = settings
        process = settings.card or HARD_PROCESSES[settings.hard]
        self._gun = Gun(settings.gun, settings) if settings.gun is not None else None
        self._hard = start_pythia(process) if process else None
        self._soft = start_pythia(("SoftQCD:all = on",)) if settings.pileup > 0 else None
        self._forgetting = _forgetting_seeds(self._soft) if self._soft is not None else []

    def generate(self, rng: np.random.Generator) -> Generated:
        settings = self._settings
        n_soft = int(settings.pileup)
        if settings.pileup_spread == "poisson" and self._soft is not None:
            n_soft = int(rng.poisson(settings.pileup))
        for seed in self._forgetting:
            _next(self._soft, seed)
        for pythia in (self._hard, self._soft):
            if pythia is not None:
                pythia.rndm.init(int(rng.integers(1, MAX_SEED)))
        first = [self._gun.generate(rng)] if self._gun is not None else []
        generators = ([self._hard] if self._hard is not None else []) + [self._soft] * n_soft
        collisions = first + [
            _collision(pythia, number, _beam_spot(settings, rng), settings)
            for number, pythia in enumerate(generators, start=1 + len(first))
        ]
        return join(collisions or [_table(np.zeros((0, 8)), 1, np.zeros(3), settings)])


def start_pythia(process: tuple[str, ...]) -> Any:
    """A Pythia generator of proton collisions with these settings. Raises HitgraphError."""
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for line in (
        "Print:quiet = on",
        "Beams:idA = 2212",
        "Beams:idB = 2212",
        f"Beams:eCM = {COLLISION_ENERGY}",
        "Random:setSeed = on",
        "Random:seed = 1",  # of the initialisation; events are reseeded
        *process,
    ):
        pythia.readString(line)
    if not pythia.init():
        raise HitgraphError(f"Pythia did not start with {', '.join(process)}")
    return pythia


def _next(pythia: Any, seed: int | None = None) -> None:
    if seed is not None:
        pythia.rndm.init(seed)
    while not pythia.next():  # a failed attempt is thrown away, as Pythia's manual says
        pass


def _forgetting_seeds(pythia: Any) -> list[int]:
    """Seeds of collisions that leave `pythia` in the same state whatever it made before.

    Reseeding is not enough: to save time Pythia keeps, for either beam, the multiparton
    interaction tables of the last diffractive system when the next one has nearly its mass (1 %).
    Two heavy systems of different masses, one after the other on each beam, overwrite them.
    """
    heavy: tuple[list[tuple[float, int]], ...] = ([], [])  # per beam: mass, seed
    for seed in range(1, MAX_SEED):
        if all(len(found) == 2 for found in heavy):
            break
        _next(pythia, seed)
        for found, beam in zip(heavy, (3, 4), strict=True):
            particle = pythia.event[beam]
            mass = particle.m() if particle.id() == DIFFRACTIVE_PROTON else 0.0
            apart = not found or abs(mass / found[0][0] - 1) > DIFFERENT_MASS
            if len(found) < 2 and mass > HEAVY_SYSTEM and apart:
                found.append((mass, seed))
    return [seed for found in heavy for _, seed in found]


def _collision(
    pythia: Any, number: int, vertex: Float64, settings: SimulationSettings
) -> Generated:
    _next(pythia)
    rows = [
        (p.id(), p.charge(), p.xProd(), p.yProd(), p.zProd(), p.px(), p.py(), p.pz())
        for p in pythia.event
        if p.isFinal() and p.isCharged()
    ]
    return _table(np.array(rows, np.float64).reshape(-1, 8), number, vertex, settings)


def _table(rows: Float64, number: int, vertex: Float64, settings: SimulationSettings) -> Generated:
    """Rows of (pdg, charge, x, y, z, px, py, pz): the particles the tracker can see."""
    position, momentum = rows[:, 2:5] + vertex, rows[:, 5:8]
    seen = visible(
        position,
        momentum,
        settings.world,
        (settings.min_pt, settings.max_pt or math.inf),
        (settings.min_eta, settings.max_eta),
    )
    n = int(seen.sum())
    return Generated(
        collision=np.full(n, number, np.int64),
        pdg=rows[seen, 0].astype(np.int64),
        charge=np.rint(rows[seen, 1]).astype(np.int64),
        vertex=position[seen],
        momentum=momentum[seen],
        particle_id=number * COLLISION_STRIDE + 1 + np.arange(n, dtype=np.int64),
    )


def visible(
    position: Float64,
    momentum: Float64,
    world: Reach,
    pt_range: tuple[float, float] = (MIN_PT, math.inf),
    eta_range: tuple[float, float] = (-MAX_ABS_ETA, MAX_ABS_ETA),
) -> NDArray[np.bool_]:
    """(n,) which particles are born in `world`, with pT (GeV) and eta in these ranges."""
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    seen: NDArray[np.bool_] = (
        (pt > pt_range[0])
        & (pt < pt_range[1])
        & (momentum[:, 2] > pt * math.sinh(eta_range[0]))
        & (momentum[:, 2] < pt * math.sinh(eta_range[1]))
        & _inside(position, world)
    )
    return seen


def _inside(position: Float64, world: Reach) -> NDArray[np.bool_]:
    radius, z = np.hypot(position[:, 0], position[:, 1]), position[:, 2]
    inside: NDArray[np.bool_] = (radius < world.r) & (z > world.low) & (z < world.high)
    return inside


def _beam_spot(settings: SimulationSettings, rng: np.random.Generator) -> Float64:
    sigma = (settings.beam_sigma_xy, settings.beam_sigma_xy, settings.beam_sigma_z)
    return np.array(settings.beam_centre) + rng.normal(scale=sigma, size=3)
