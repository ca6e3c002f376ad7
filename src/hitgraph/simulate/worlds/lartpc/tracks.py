"""Tracks of muons, charged pions and protons: range, energy loss, scattering, delta electrons.

The energy of a particle follows its mean range; what it leaves in a piece of path fluctuates about
the mean as Moyal's distribution, with Landau's width. Electrons above DELTA are followed on their
own, and what they take is missing from the rest (restricted loss; PDG, Passage of particles through
matter, section 34.2.5, without the spin factor).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.simulate.worlds.lartpc.argon import (
    ELECTRON,
    ELECTRON_LOSS,
    MASSES,
    collision_strength,
    largest_transfer,
    ranges,
    scattering_angle,
)
from hitgraph.simulate.worlds.lartpc.deposits import (
    STEP,
    Deposits,
    together,
    turned,
    way,
)

Float64 = NDArray[np.float64]

DELTA = 5.0  # MeV, kinetic energy of an electron that leaves the track
MOYAL_MEAN = 1.2703628454614782  # of the standard distribution: Euler's constant + ln 2


@dataclass(frozen=True, eq=False)
class Track:
    """A particle from where it was born to where it stops, or to where it was cut off."""

    deposits: Deposits
    end: Float64  # (3,) mm
    direction: Float64  # (3,) there
    kinetic: float  # MeV there; 0 where it has stopped


def track(
    pdg: int,
    start: Float64,
    direction: Float64,
    kinetic: float,
    length: float,
    rng: np.random.Generator,
) -> Track:
    """A charged particle of `kinetic` MeV, for `length` mm at most."""
    mass = MASSES[abs(pdg)]
    table = ranges(mass)
    reach = float(table.range_of(kinetic))
    total = min(reach, length)
    n_steps = max(int(np.ceil(total / STEP)), 1)
    path = total / n_steps
    left_to_go = reach - np.linspace(0, total, n_steps + 1)
    energies = table.kinetic_at(left_to_go)
    loss, middle = energies[:-1] - energies[1:], (energies[:-1] + energies[1:]) / 2
    middles, end, last = way(start, direction, path, scattering_angle(path, middle, mass), rng)
    strength = path * collision_strength(middle, mass)
    taken, electrons = _deltas(middles, direction, strength, largest_transfer(middle, mass), rng)
    moyal = -np.log(rng.normal(size=n_steps) ** 2)
    left = np.maximum(loss - taken + strength * (moyal - MOYAL_MEAN), 0.0)
    own = Deposits(middles, left, np.full(n_steps, path))
    return Track(together([own, *electrons]), end, last, float(energies[-1]))


def electron(
    start: Float64, direction: Float64, kinetic: float, rng: np.random.Generator
) -> Deposits:
    """An electron too soft to radiate, to where it stops."""
    n_steps = max(int(np.ceil(kinetic / ELECTRON_LOSS / STEP)), 1)
    path = kinetic / ELECTRON_LOSS / n_steps
    energies = kinetic * (1 - (np.arange(n_steps) + 0.5) / n_steps)
    angles = np.minimum(scattering_angle(path, energies, ELECTRON), 1.0)
    middles, _, _ = way(start, direction, path, angles, rng)
    return Deposits(middles, np.full(n_steps, kinetic / n_steps), np.full(n_steps, path))


def _deltas(
    middles: Float64,
    direction: Float64,
    strength: Float64,
    largest: Float64,
    rng: np.random.Generator,
) -> tuple[Float64, list[Deposits]]:
    """What delta electrons take of each step on average (n,), MeV, and those that are there."""
    top = np.maximum(largest, DELTA)
    number = rng.poisson(strength * (1 / DELTA - 1 / top))
    made = []
    for k in np.repeat(np.arange(len(number)), number):
        kinetic = 1 / (1 / DELTA - rng.uniform() * (1 / DELTA - 1 / top[k]))
        flight = turned(direction, np.sqrt(kinetic / (kinetic + 2 * ELECTRON)), rng)
        made.append(electron(middles[k], flight, kinetic, rng))
    return strength * np.log(top / DELTA), made
