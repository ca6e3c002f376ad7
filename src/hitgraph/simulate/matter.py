"""The material that particles cross, and what it does to them: scattering and loss of energy.

All of it loses energy as silicon does. Constants and formulas are those of the Review of Particle
Physics, S. Navas et al. (Particle Data Group), Phys. Rev. D 110, 030001 (2024), section 34.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

SILICON = 21.82  # g / cm^2 of silicon that are one radiation length


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
