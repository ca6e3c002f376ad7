"""Collisions from Pythia 8, or single particles from a gun, as arrays of charged particles."""

import math
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import HitgraphError
from hitgraph.event.simulate.settings import (
    BEAM_SIGMA_XY,
    BEAM_SIGMA_Z,
    COLLISION_ENERGY,
    HARD_PROCESSES,
    MAX_ABS_ETA,
    MIN_PT,
    ParticleGun,
    SimulationSettings,
)

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# Particles born outside the tracker leave no hits, and ACTS has no volume to start them in.
MAX_BIRTH_RADIUS = 1028.0  # mm
MAX_BIRTH_Z = 3000.0  # mm

# particle_id = collision * COLLISION_STRIDE + number of the particle in it, both from 1.
COLLISION_STRIDE = 1 << 24

MAX_SEED = 900_000_000  # the largest that Pythia takes
DIFFRACTIVE_PROTON = 9902210  # PDG code of a proton's diffractive system
HEAVY_SYSTEM = 100.0  # GeV, safely above where Pythia treats a diffractive system as collisions
DIFFERENT_MASS = 0.2


@dataclass(frozen=True, eq=False)
class Generated:
    """Charged stable particles with pT > 0.1 GeV and |eta| < 4, one row a particle."""

    collision: Int64  # (n_particles,) 1 for the hard process or the gun, then the pile-up
    pdg: Int64  # (n_particles,)
    charge: Int64  # (n_particles,) elementary charges
    vertex: Float64  # (n_particles, 3) mm
    momentum: Float64  # (n_particles, 3) GeV
    particle_id: Int64  # (n_particles,) > 0, rising

    def __len__(self) -> int:
        return len(self.pdg)


class Source(Protocol):
    """Makes the particles of one event from the random generator of that event."""

    def generate(self, rng: np.random.Generator) -> Generated: ...


def make_source(settings: SimulationSettings) -> Source:
    """The gun when the settings have one, else Pythia (its initialisation takes seconds)."""
    if settings.gun is not None:
        return Gun(settings.gun)
    return Collisions(settings.pileup, settings.hard)


class Gun:
    """Particles uniform in pT, eta and phi from one vertex in the beam spot."""

    def __init__(self, gun: ParticleGun) -> None:
        self.gun = gun

    def generate(self, rng: np.random.Generator) -> Generated:
        gun, n = self.gun, self.gun.particles
        sign = rng.choice(np.array([-1, 1]), n)
        pt = rng.uniform(gun.min_pt, gun.max_pt, n)
        eta = rng.uniform(gun.min_eta, gun.max_eta, n)
        phi = rng.uniform(-math.pi, math.pi, n)
        momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)
        # Leptons with a positive PDG code are negative, hadrons positive.
        positive = -1 if gun.pdg < 100 else 1
        return Generated(
            collision=np.ones(n, np.int64),
            pdg=sign * gun.pdg,
            charge=sign * positive,
            vertex=np.tile(_beam_spot(rng), (n, 1)),
            momentum=momentum,
            particle_id=COLLISION_STRIDE + 1 + np.arange(n, dtype=np.int64),
        )


class Collisions:
    """A hard process and Poisson(pile-up) minimum-bias collisions at 14 TeV, Pythia 8.

    The generators are reseeded for every event, so an event does not depend on those before it.
    """

    def __init__(self, pileup: float, hard: str) -> None:
        self.pileup = pileup
        self._hard = _pythia(HARD_PROCESSES[hard]) if hard != "none" else None
        self._soft = _pythia(("SoftQCD:all = on",)) if pileup > 0 else None
        self._forgetting = _forgetting_seeds(self._soft) if self._soft is not None else []

    def generate(self, rng: np.random.Generator) -> Generated:
        n_soft = int(rng.poisson(self.pileup)) if self._soft is not None else 0
        generators = ([self._hard] if self._hard is not None else []) + [self._soft] * n_soft
        for seed in self._forgetting:
            _next(self._soft, seed)
        for pythia in (self._hard, self._soft):
            if pythia is not None:
                pythia.rndm.init(int(rng.integers(1, MAX_SEED)))
        collisions = [
            _collision(pythia, number, _beam_spot(rng))
            for number, pythia in enumerate(generators, start=1)
        ]
        if not collisions:
            collisions = [_select(np.zeros((0, 8)), 1, np.zeros(3))]
        return Generated(
            *(
                np.concatenate([getattr(one, field.name) for one in collisions])
                for field in fields(Generated)
            )
        )


def _pythia(process: tuple[str, ...]) -> Any:
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


def _collision(pythia: Any, number: int, vertex: Float64) -> Generated:
    _next(pythia)
    rows = [
        (p.id(), p.charge(), p.xProd(), p.yProd(), p.zProd(), p.px(), p.py(), p.pz())
        for p in pythia.event
        if p.isFinal() and p.isCharged()
    ]
    return _select(np.array(rows, np.float64).reshape(-1, 8), number, vertex)


def _select(rows: Float64, number: int, vertex: Float64) -> Generated:
    """Rows of (pdg, charge, x, y, z, px, py, pz): the particles the tracker can see."""
    position, momentum = rows[:, 2:5] + vertex, rows[:, 5:8]
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    seen = (
        (pt > MIN_PT)
        & (np.abs(momentum[:, 2]) < pt * math.sinh(MAX_ABS_ETA))
        & (np.hypot(position[:, 0], position[:, 1]) < MAX_BIRTH_RADIUS)
        & (np.abs(position[:, 2]) < MAX_BIRTH_Z)
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


def _beam_spot(rng: np.random.Generator) -> Float64:
    return rng.normal(scale=(BEAM_SIGMA_XY, BEAM_SIGMA_XY, BEAM_SIGMA_Z), size=3)
