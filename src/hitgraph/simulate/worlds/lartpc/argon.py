"""Liquid argon: how much energy particles lose in it, how far they come, how much charge is left.

Constants: Particle Data Group, Atomic and Nuclear Properties, and Sternheimer's parameters of the
density effect as in Groom, Mokhov, Striganov, At. Data Nucl. Data Tables 78 (2001) 183.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

DENSITY = 1.396  # g/cm3
Z_OVER_A = 18 / 39.948
EXCITATION = 188e-6  # MeV, of the gas; arXiv 2212.06286 recommends 197 +- 7 eV for the liquid
RADIATION_LENGTH = 140.0  # mm
NUCLEAR_LENGTH = 857.0  # mm, between inelastic collisions of a proton; here of pions as well
K = 0.307075  # MeV cm2/mol
ELECTRON = 0.51099895  # MeV
MASSES = {11: ELECTRON, 13: 105.6583755, 211: 139.57039, 2212: 938.27208816}  # MeV
ELECTRON_LOSS = 0.21  # MeV/mm of electrons by ionisation, above the rise at low energies

_X0, _X1, _A, _K, _C = 0.2, 3.0, 0.19559, 3.0, 5.2146  # of the density effect

# recombination by Birks' law, whatever the angle to the field: ICARUS, NIM A 523 (2004) 275
BIRKS_A, BIRKS_K = 0.800, 0.0486  # 1, (kV/cm)(g/cm2)/MeV
DRIFT_FIELD = 0.5  # kV/cm
WORK = 23.6e-6  # MeV an electron, lar.bnl.gov

LEAST = 0.1  # MeV, below which a particle has stopped


def stopping_power(kinetic: Float64, mass: float) -> Float64:
    """Mean loss of a singly charged heavy particle in MeV/mm by Bethe's formula.

    `kinetic` energy in MeV, `mass` in MeV. PDG, Passage of particles through matter, equation 34.5.
    """
    beta2, gamma2 = _speeds(kinetic, mass)
    half_log = 0.5 * np.log(
        2 * ELECTRON * beta2 * gamma2 * largest_transfer(kinetic, mass) / EXCITATION**2
    )
    density = _density_effect(np.sqrt(beta2 * gamma2))
    loss = K * Z_OVER_A / beta2 * (half_log - beta2 - density / 2)
    return np.asarray(np.maximum(loss, 1.0) * DENSITY / 10)


def largest_transfer(kinetic: Float64, mass: float) -> Float64:
    """MeV that a particle can give to one electron at most; PDG, equation 34.4."""
    beta2, gamma2 = _speeds(kinetic, mass)
    ratio = ELECTRON / mass
    top = 2 * ELECTRON * beta2 * gamma2
    return np.asarray(top / (1 + 2 * np.sqrt(gamma2) * ratio + ratio**2))


def collision_strength(kinetic: Float64, mass: float) -> Float64:
    """MeV/mm: Landau's xi over the path, K/2 Z/A density / beta^2."""
    return np.asarray(K / 2 * Z_OVER_A * DENSITY / 10 / _speeds(kinetic, mass)[0])


def scattering_angle(path: float, kinetic: Float64, mass: float) -> Float64:
    """rad, standard deviation of the angle in a plane behind `path` mm; PDG, equation 34.16.

    Without the logarithm, which does not add up over the short steps of a simulation.
    """
    momentum = np.sqrt(kinetic * (kinetic + 2 * mass))
    beta = momentum / (kinetic + mass)
    return np.asarray(13.6 / (beta * momentum) * np.sqrt(path / RADIATION_LENGTH))


def charge_left(energy: Float64, path: Float64) -> Float64:
    """Thousands of electrons that `energy` MeV, deposited over `path` mm, sets free.

    Those that do not recombine: A / (1 + k / E dE/dx / density), NIM A 523 (2004) 275.
    """
    density = 10 * energy / path  # MeV/cm
    share = BIRKS_A / (1 + BIRKS_K * density / (DENSITY * DRIFT_FIELD))
    return np.asarray(energy / WORK / 1000 * share)


@dataclass(frozen=True, eq=False)
class Ranges:
    """Range against kinetic energy of one particle, without straggling."""

    kinetic: Float64  # MeV, rising
    distance: Float64  # mm to where it stops

    def range_of(self, kinetic: float | Float64) -> Float64:
        """mm."""
        return np.asarray(np.interp(kinetic, self.kinetic, self.distance))

    def kinetic_at(self, distance: Float64) -> Float64:
        """MeV of a particle that far, in mm, from its end."""
        return np.asarray(np.interp(distance, self.distance, self.kinetic))


@cache
def ranges(mass: float) -> Ranges:
    """The range of a particle of that mass in MeV, up to 20 GeV."""
    kinetic = np.geomspace(LEAST, 2e4, 4000)
    slowness = 1 / stopping_power(kinetic, mass)
    steps = np.diff(kinetic) * (slowness[1:] + slowness[:-1]) / 2
    return Ranges(
        np.concatenate([[0.0], kinetic]),
        np.concatenate([[0.0], LEAST * slowness[0] + np.concatenate([[0.0], np.cumsum(steps)])]),
    )


def _speeds(kinetic: Float64, mass: float) -> tuple[Float64, Float64]:
    """beta^2 and gamma^2."""
    gamma2 = (1 + kinetic / mass) ** 2
    return 1 - 1 / gamma2, gamma2


def _density_effect(beta_gamma: Float64) -> Float64:
    x = np.log10(beta_gamma)
    high = 2 * np.log(10) * x - _C
    between = high + _A * np.maximum(_X1 - x, 0) ** _K
    return np.asarray(np.where(x < _X0, 0.0, np.where(x < _X1, between, high)))
