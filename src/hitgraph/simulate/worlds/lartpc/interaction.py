"""What happens in an event: a neutrino's interaction and its particles, and cosmic muons.

Energies and directions are drawn from simple distributions, not calculated: there is no cross
section, no nuclear model and no balance of momentum. What particles do in the argon is in tracks
and showers.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.argon import DIFFUSE, HIP, MICHEL, MIP, SHOWER
from hitgraph.simulate.worlds.lartpc.argon import ELECTRON, MASSES, NUCLEAR_LENGTH
from hitgraph.simulate.worlds.lartpc.deposits import Deposits, isotropic, turned
from hitgraph.simulate.worlds.lartpc.showers import shower
from hitgraph.simulate.worlds.lartpc.tracks import Track, electron, track

if TYPE_CHECKING:
    from hitgraph.simulate.worlds.lartpc.settings import LartpcSettings

Float64 = NDArray[np.float64]

BEAM = np.array([0.0, 0.0, 1.0])
DOWN = np.array([0.0, -1.0, 0.0])
MARGIN = 100.0  # mm, of the vertex from the walls
FREE_DECAY = 0.26  # of negative muons at rest in argon; nuclei capture the others
ENDPOINT = 52.8  # MeV, of Michel electrons, (m_mu^2 + m_e^2) / (2 m_mu)
PI0 = 134.977  # MeV
PHOTON = 22  # PDG code
CHARGED_CURRENT, MUON_NEUTRINO = 0.75, 2 / 3  # shares of the interactions, of the neutrinos


@dataclass(frozen=True, eq=False)
class Made:
    """A particle and what it leaves."""

    pdg: int
    kind: int  # place in event.argon.CLASSES
    vertex: Float64  # (3,) mm
    momentum: Float64  # (3,) MeV
    deposits: Deposits


class Interaction:
    """Particles are added, and follow each other until nothing is left."""

    def __init__(self, settings: "LartpcSettings", rng: np.random.Generator) -> None:
        self.rng = rng
        self.furthest = settings.drift + settings.height + settings.length  # mm, of a track
        self.made: list[Made] = []

    def muon(self, at: Float64, along: Float64, kinetic: float, sign: int) -> None:
        """A muon of charge `sign`, and the Michel electron at its end."""
        found = self._track(13 * -sign, MIP, at, along, kinetic, np.inf)
        if found.kinetic == 0 and (sign > 0 or self.rng.uniform() < FREE_DECAY):
            self.michel(found.end, -11 * sign)

    def pion(self, at: Float64, along: Float64, kinetic: float, sign: int) -> None:
        """A charged pion to where it stops, or breaks up a nucleus."""
        length = self.rng.exponential(NUCLEAR_LENGTH)
        found = self._track(211 * sign, MIP, at, along, kinetic, length)
        if found.kinetic == 0 and sign > 0:
            self.michel(found.end, -11)  # of the muon, which comes a millimetre far
            return
        absorbed = found.kinetic < self.rng.uniform(0, 400)
        self.star(found.end, found.direction)
        if not absorbed:
            scattered = turned(found.direction, self.rng.uniform(-0.5, 1), self.rng)
            self.pion(found.end, scattered, found.kinetic / 2, sign)

    def star(self, at: Float64, along: Float64) -> None:
        """Protons and a neutron out of a nucleus."""
        for _ in range(self.rng.poisson(1.2)):
            flight = turned(along, self.rng.uniform(-0.6, 1), self.rng)
            self.proton(at, flight, 15 + self.rng.exponential(50))
        self.neutron(at)

    def proton(self, at: Float64, along: Float64, kinetic: float) -> None:
        """A proton to where it stops, or breaks up a nucleus."""
        length = self.rng.exponential(NUCLEAR_LENGTH)
        found = self._track(2212, HIP, at, along, kinetic, length)
        if found.kinetic > 30:
            flight = turned(found.direction, self.rng.uniform(0, 1), self.rng)
            self.proton(found.end, flight, found.kinetic / 2)

    def neutron(self, at: Float64) -> None:
        """What is seen of it: Compton electrons of soft photons, somewhere near."""
        for _ in range(self.rng.poisson(1.5)):
            place = at + self.rng.exponential(200.0) * isotropic(self.rng)
            self._blip(place, 0.3 + self.rng.exponential(1.5))

    def michel(self, at: Float64, pdg: int) -> None:
        """An electron out of a muon at rest, with the spectrum x^2 (3 - 2 x), x up to 1."""
        share = self.rng.uniform()
        while self.rng.uniform() > share**2 * (3 - 2 * share):
            share = self.rng.uniform()
        energy, along = share * ENDPOINT, isotropic(self.rng)
        found = shower(False, at, along, energy, self.rng)
        self._add(pdg, MICHEL, at, along * energy, found.deposits.where(found.branch == 0))
        for branch in np.unique(found.branch[found.branch > 0]):
            mine = found.deposits.where(found.branch == branch)
            self._add(PHOTON, DIFFUSE, at, along, mine)

    def showering(self, pdg: int, at: Float64, along: Float64, energy: float) -> None:
        """An electron or a photon."""
        found = shower(pdg == PHOTON, at, along, energy, self.rng)
        self._add(pdg, SHOWER, at, along * energy, found.deposits)

    def pi0(self, at: Float64, along: Float64, kinetic: float) -> None:
        """Two photons, back to back where the pion rests."""
        gamma = 1 + kinetic / PI0
        beta = np.sqrt(1 - 1 / gamma**2)
        there = self.rng.uniform(-1, 1)
        azimuth = turned(along, 0.0, self.rng)
        for cosine, across in ((there, azimuth), (-there, -azimuth)):
            energy = PI0 / 2 * gamma * (1 + beta * cosine)
            boosted = (cosine + beta) / (1 + beta * cosine)
            flight = boosted * along + np.sqrt(max(1 - boosted**2, 0.0)) * across
            self.showering(PHOTON, at, flight, energy)

    def _blip(self, at: Float64, kinetic: float) -> None:
        along = isotropic(self.rng)
        left = electron(at, along, kinetic, self.rng)
        self._add(11, DIFFUSE, at, along * (kinetic + ELECTRON), left)

    def _track(
        self, pdg: int, kind: int, at: Float64, along: Float64, kinetic: float, length: float
    ) -> Track:
        found = track(pdg, at, along, kinetic, min(length, self.furthest), self.rng)
        momentum = np.sqrt(kinetic * (kinetic + 2 * MASSES[abs(pdg)]))
        self._add(pdg, kind, at, along * momentum, found.deposits)
        return found

    def _add(self, pdg: int, kind: int, at: Float64, momentum: Float64, deposits: Deposits) -> None:
        self.made.append(Made(pdg, kind, at, momentum, deposits))


def neutrino(settings: "LartpcSettings", rng: np.random.Generator) -> list[Made]:
    """A neutrino's interaction somewhere in the box: a muon, an electron or none, and hadrons."""
    margin = min(MARGIN, settings.drift / 4, settings.height / 4, settings.length / 4)
    half = settings.height / 2
    low = np.array([margin, margin - half, margin])
    high = np.array([settings.drift, half, settings.length / 2]) - np.array([margin, margin, 0.0])
    at = rng.uniform(low, high)
    event = Interaction(settings, rng)
    energy = 300 + rng.gamma(2.0, 350.0)  # MeV
    charged = rng.uniform() < CHARGED_CURRENT
    flight = turned(BEAM, np.cos(abs(rng.normal(0, 0.5))), rng)
    if charged and rng.uniform() < MUON_NEUTRINO:
        event.muon(at, flight, energy * rng.uniform(0.3, 0.9), -1)
    elif charged:
        event.showering(11, at, flight, energy * rng.uniform(0.3, 0.9))
    for _ in range(1 + rng.poisson(0.8)):
        event.proton(at, turned(BEAM, rng.uniform(-0.3, 1), rng), 20 + rng.exponential(100))
    for _ in range(rng.poisson(0.6)):
        sign = rng.choice([-1, 1])
        event.pion(at, turned(BEAM, rng.uniform(-0.5, 1), rng), 30 + rng.exponential(200), sign)
    for _ in range(rng.poisson(0.3 if charged else 0.8)):
        event.pi0(at, turned(BEAM, rng.uniform(-0.5, 1), rng), rng.exponential(200))
    for _ in range(rng.poisson(1.5)):
        event.neutron(at)
    return event.made


def cosmic(settings: "LartpcSettings", rng: np.random.Generator) -> list[Made]:
    """A muon from above through a point of the box, zenith angles as their cosine squared."""
    half = settings.height / 2
    inside = rng.uniform((0.0, -half, 0.0), (settings.drift, half, settings.length))
    cosine = rng.uniform() ** (1 / 3)
    along = turned(DOWN, max(cosine, 0.2), rng)
    with np.errstate(divide="ignore"):
        walls = np.where(along > 0, (0.0, -half, 0.0), (settings.drift, half, settings.length))
        back = np.nanmin(np.where(along == 0, np.inf, (inside - walls) / along))
    event = Interaction(settings, rng)
    kinetic = min(200 * rng.uniform() ** (-1 / 1.7), 20_000)
    event.muon(inside - back * along, along, kinetic, int(rng.choice([-1, 1])))
    return event.made
