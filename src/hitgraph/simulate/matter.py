"""The material that particles cross, and what it does to them: scattering and loss of energy.

All of it takes energy as silicon does. Constants and formulas are those of the Review of Particle
Physics, S. Navas et al. (Particle Data Group), Phys. Rev. D 110, 030001 (2024), section 34; the
density effect is Sternheimer's, Atomic Data Nucl. Data Tables 30, 261 (1984).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

SILICON = 21.82  # g / cm^2 of silicon that are one radiation length
HALF_K_Z_OVER_A = 0.5 * 0.307075e-3 * 0.49848  # GeV cm^2 / g, of silicon
EXCITATION = 173e-9  # GeV, of silicon
X_LOW, X_HIGH, C_BAR, A, K = 0.2015, 2.8716, 4.4355, 0.14921, 3.2546  # density effect of silicon
ELECTRON = 0.51099895e-3  # GeV
LANDAU_MODE = -0.22278  # where its density is largest
MASSES = {11: ELECTRON, 13: 0.1056584, 211: 0.1395704, 321: 0.493677, 2212: 0.9382721}  # GeV
OTHER_MASS = 1.25  # GeV: hyperons are what is left of charged particles that live long enough


@dataclass(frozen=True)
class Tube:
    """A cylinder of material around the beam, without modules."""

    radius: float  # mm
    half_length: float  # mm
    x0: float  # radiation lengths at right angles
    grams: float  # g / cm^2 at right angles, of silicon that takes as much energy


@dataclass(frozen=True, eq=False)
class Matter:
    """What stands in the way of particles, at right angles to each surface."""

    x0: Float64  # (n_modules,) radiation lengths
    grams: Float64  # (n_modules,) g / cm^2, of silicon that takes as much energy
    tubes: tuple[Tube, ...] = ()


def masses_of(pdg: Int64) -> Float64:
    """(n,) GeV."""
    mass = np.full(len(pdg), OTHER_MASS)
    for code, value in MASSES.items():
        mass[np.abs(pdg) == code] = value
    return mass


def highland_angle(momentum: Float64, mass: Float64, x0: Float64) -> Float64:
    """(n,) rad, the width of the angle of scattering in a plane, unit charge (equation 34.16).

    `momentum` and `mass` in GeV, `x0` radiation lengths of the path.
    """
    beta = momentum / np.hypot(momentum, mass)
    thick = np.maximum(x0, 1e-12)
    correction = np.maximum(1 + 0.038 * np.log(thick / beta**2), 0.0)
    angle: Float64 = 0.0136 / (beta * momentum) * np.sqrt(thick) * correction
    return np.where(x0 > 0, angle, 0.0)


def scattered(direction: Float64, angle: Float64, rng: np.random.Generator) -> Float64:
    """Unit vectors (n, 3) turned by angles from N(0, angle) in two planes across them."""
    helper = np.where(np.abs(direction[:, 2:3]) < 0.9, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    u = np.cross(direction, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    kick = np.tan(angle[:, None] * rng.normal(size=(len(angle), 2)))
    turned = direction + kick[:, :1] * u + kick[:, 1:] * np.cross(direction, u)
    result: Float64 = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    return result


def most_at_once(momentum: Float64, mass: Float64) -> Float64:
    """(n,) GeV, the most that a collision gives to an electron (equation 34.4)."""
    gamma, ratio = np.hypot(momentum, mass) / mass, ELECTRON / mass
    most: Float64 = 2 * ELECTRON * (momentum / mass) ** 2 / (1 + 2 * gamma * ratio + ratio**2)
    return most


def most_probable_loss(momentum: Float64, mass: Float64, grams: Float64) -> tuple[Float64, Float64]:
    """(n,) GeV each: the most probable loss by ionisation, and the scale of its spread, xi.

    Unit charge, `grams` g / cm^2 of path in silicon (equations 34.6, 34.7 and 34.12); the mean
    loss (34.5) where particles are so slow that it is less.
    """
    gamma_beta = momentum / mass
    beta2 = momentum**2 / (momentum**2 + mass**2)
    xi = np.maximum(HALF_K_Z_OVER_A * grams / beta2, 1e-30)
    x = np.log10(gamma_beta)
    density = 2 * np.log(10) * x - C_BAR + A * np.maximum(X_HIGH - x, 0.0) ** K
    density = np.where(x < X_LOW, 0.0, density)
    common = np.log(2 * ELECTRON * gamma_beta**2 / EXCITATION) - beta2 - density
    probable = np.log(xi / EXCITATION) + 0.200
    mean = np.log(most_at_once(momentum, mass) / EXCITATION) - beta2
    return np.maximum(xi * (common + np.minimum(probable, mean)), 0.0), xi


def landau(n: int, rng: np.random.Generator) -> Float64:
    """(n,) random numbers with Landau's distribution, the stable one of index 1 and skewness 1.

    J. Chambers, C. Mallows and B. Stuck, J. Am. Stat. Assoc. 71, 340 (1976), equation 3.9.
    """
    angle = rng.uniform(-np.pi / 2, np.pi / 2, n)
    rest = np.pi / 2 + angle
    drawn: Float64 = rest * np.tan(angle) - np.log(rng.exponential(size=n) * np.cos(angle) / rest)
    return drawn


def slowed(
    momentum: Float64, mass: Float64, x0: Float64, grams: Float64, rng: np.random.Generator
) -> Float64:
    """(n,) GeV left of `momentum` after the material; 0 for particles that stop in it.

    Ionisation spreads as Landau has it about the most probable value, with no more above it than
    one electron can be given; electrons radiate besides, as Bethe and Heitler have it.
    """
    energy = np.hypot(momentum, mass)
    probable, xi = most_probable_loss(momentum, mass, grams)
    more = np.minimum(xi * (landau(len(xi), rng) - LANDAU_MODE), most_at_once(momentum, mass))
    loss = np.where(grams > 0, np.maximum(probable + more, 0.0), 0.0)
    electrons = np.flatnonzero((mass == ELECTRON) & (x0 > 0))
    kept = np.exp(-rng.gamma(x0[electrons] / np.log(2)))
    loss[electrons] += energy[electrons] * (1 - kept)
    left: Float64 = np.sqrt(np.maximum((energy - loss) ** 2 - mass**2, 0.0))
    return np.where(energy - loss > mass, left, 0.0)
