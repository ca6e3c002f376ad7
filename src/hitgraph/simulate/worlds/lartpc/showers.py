"""Showers of electrons and photons, particle by particle.

Electrons lose energy by ionisation at a constant rate, scatter, and radiate photons with the
spectrum (4/3 - 4/3 y + y^2) / y of full screening (PDG, Passage of particles through matter,
equation 34.29). A photon flies freely for an exponential length, the same at all energies, and then
makes a pair, or scatters off an electron, more often so the softer it is. Energy is conserved
exactly: the mass of pairs counts as energy of theirs.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hitgraph.simulate.worlds.lartpc.argon import (
    ELECTRON,
    ELECTRON_LOSS,
    RADIATION_LENGTH,
    scattering_angle,
)
from hitgraph.simulate.worlds.lartpc.deposits import STEP, Deposits, together, turned, way

Float64 = NDArray[np.float64]

PHOTON_LENGTH = 9 / 7 * RADIATION_LENGTH  # mm, mean free flight of a photon
EQUAL = 12.0  # MeV, at which a photon makes pairs as often as it scatters
SOFTEST = 1.0  # MeV, of radiated photons
LEAST = 0.3  # MeV, below which a particle leaves its energy where it is
STRETCH = 20.0  # mm, of an electron's path on which its energy counts as constant


class Member(NamedTuple):
    """A particle of a shower that is still to be followed."""

    is_photon: bool
    at: Float64  # (3,) mm
    along: Float64  # (3,) unit vector
    energy: float  # MeV
    branch: int


@dataclass(frozen=True, eq=False)
class Shower:
    """What a shower leaves: branch 0 is the electron that began it, each photon of its another."""

    deposits: Deposits
    branch: NDArray[np.int64]  # (n,)


def shower(
    is_photon: bool, start: Float64, direction: Float64, energy: float, rng: np.random.Generator
) -> Shower:
    """The shower of an electron or a photon of `energy` MeV."""
    open_ = [Member(is_photon, start, direction, energy, 0)]
    parts: list[Deposits] = []
    branches: list[NDArray[np.int64]] = []
    n_branches = 1
    while open_:
        member = open_.pop()
        left, next_ = (_photon if member.is_photon else _electron)(member, rng)
        for one in next_:
            branch = one.branch
            if one.is_photon and not member.is_photon and branch == 0 and not is_photon:
                branch, n_branches = n_branches, n_branches + 1
            open_.append(one._replace(branch=branch))
        parts.append(left)
        branches.append(np.full(len(left), member.branch))
    return Shower(together(parts), np.concatenate(branches))


def _photon(member: Member, rng: np.random.Generator) -> tuple[Deposits, list[Member]]:
    at = member.at + rng.exponential(PHOTON_LENGTH) * member.along
    energy, along, branch = member.energy, member.along, member.branch
    if energy < LEAST:
        return _here(at, energy), []
    nothing = together([])
    if rng.uniform() < energy / (energy + EQUAL):
        share = rng.uniform()
        directions = [turned(along, np.cos(ELECTRON / energy), rng) for _ in range(2)]
        return nothing, [
            Member(False, at, one, energy * part, branch)
            for one, part in zip(directions, (share, 1 - share), strict=True)
        ]
    given = rng.uniform() * 2 * energy**2 / (ELECTRON + 2 * energy)
    rest = energy - given
    scattered = turned(along, max(1 - ELECTRON * (1 / rest - 1 / energy), -1.0), rng)
    kick = energy * along - rest * scattered
    return nothing, [
        Member(True, at, scattered, rest, branch),
        Member(False, at, kick / np.linalg.norm(kick), given, branch),
    ]


def _electron(member: Member, rng: np.random.Generator) -> tuple[Deposits, list[Member]]:
    energy = member.energy
    if energy < LEAST:
        return _here(member.at, energy), []
    to_photon = rng.exponential(1 / max(_photons_a_length(energy), 1e-9))
    to_end = energy / ELECTRON_LOSS
    path = min(to_photon, to_end, STRETCH)
    n_steps = max(int(np.ceil(path / STEP)), 1)
    lost = min(path * ELECTRON_LOSS, energy)
    energies = np.maximum(energy - lost * (np.arange(n_steps) + 0.5) / n_steps, LEAST)
    angles = np.minimum(scattering_angle(path / n_steps, energies, ELECTRON), 1.0)
    middles, at, along = way(member.at, member.along, path / n_steps, angles, rng)
    left = Deposits(middles, np.full(n_steps, lost / n_steps), np.full(n_steps, path / n_steps))
    energy -= lost
    next_ = []
    if path == to_photon and energy > SOFTEST:
        radiated = _radiated(energy, rng)
        next_.append(Member(True, at, along, radiated, member.branch))
        energy -= radiated
    if energy > 0:
        next_.append(Member(False, at, along, energy, member.branch))
    return left, next_


def _photons_a_length(energy: float) -> float:
    """1/mm, how often an electron radiates a photon above SOFTEST."""
    least = SOFTEST / energy
    if least >= 1:
        return 0.0
    number = 4 / 3 * (-np.log(least) - (1 - least)) + (1 - least**2) / 2
    return float(number / RADIATION_LENGTH)


def _radiated(energy: float, rng: np.random.Generator) -> float:
    """MeV of a photon that an electron radiates."""
    while True:
        share = float((SOFTEST / energy) ** rng.uniform())
        if rng.uniform() * 4 / 3 < 4 / 3 - 4 / 3 * share + share**2:
            return share * energy


def _here(at: Float64, energy: float) -> Deposits:
    return Deposits(at[None], np.array([energy]), np.array([max(energy / ELECTRON_LOSS, 0.1)]))
