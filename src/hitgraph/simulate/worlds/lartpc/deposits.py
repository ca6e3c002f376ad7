"""Where energy is left: short pieces of path, and the way of a particle that scatters."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

STEP = 1.0  # mm, of the paths


@dataclass(frozen=True, eq=False)
class Deposits:
    """Energy left along pieces of path, one row a piece."""

    position: Float64  # (n, 3) mm, of the middle
    energy: Float64  # (n,) MeV
    path: Float64  # (n,) mm

    def __len__(self) -> int:
        return len(self.energy)

    def where(self, chosen: NDArray[np.bool_]) -> "Deposits":
        """The rows of a mask."""
        return Deposits(self.position[chosen], self.energy[chosen], self.path[chosen])


NOTHING = Deposits(np.zeros((0, 3)), np.zeros(0), np.zeros(0))


def together(parts: Iterable[Deposits]) -> Deposits:
    """One after another."""
    found = [NOTHING, *parts]
    return Deposits(
        np.concatenate([one.position for one in found]),
        np.concatenate([one.energy for one in found]),
        np.concatenate([one.path for one in found]),
    )


def way(
    start: Float64, direction: Float64, path: float, angles: Float64, rng: np.random.Generator
) -> tuple[Float64, Float64, Float64]:
    """The middles (n, 3) of n pieces of `path` mm each, where they end, and the direction there.

    `angles` (n,) rad is the standard deviation of the scattering in a plane in each piece.
    """
    turns = rng.normal(size=(len(angles), 2)) * angles[:, None]
    middles, end, last = _way(start, direction, path, turns)
    return middles, end, last


@njit(cache=True)
def _way(start, direction, path, turns):  # type: ignore[no-untyped-def]
    middles = np.empty((len(turns), 3))
    at, along = start.copy(), direction.copy()
    for k in range(len(turns)):
        middles[k] = at + along * (path / 2)
        at = at + along * path
        # two directions across the flight
        across = np.array([-along[1], along[0], 0.0])
        if abs(along[2]) > 0.9:
            across = np.array([0.0, -along[2], along[1]])
        across /= np.sqrt((across * across).sum())
        other = np.cross(along, across)
        along = along + np.tan(turns[k, 0]) * across + np.tan(turns[k, 1]) * other
        along /= np.sqrt((along * along).sum())
    return middles, at, along


def turned(direction: Float64, cosine: float, rng: np.random.Generator) -> Float64:
    """A unit vector at that angle to `direction`, about it at random."""
    across = np.cross(direction, _off_axis(direction))
    across /= np.linalg.norm(across)
    other = np.cross(direction, across)
    azimuth, sine = rng.uniform(0, 2 * np.pi), np.sqrt(max(1 - cosine**2, 0.0))
    around = np.cos(azimuth) * across + np.sin(azimuth) * other
    return np.asarray(cosine * direction + sine * around)


def isotropic(rng: np.random.Generator) -> Float64:
    """A unit vector (3,) in any direction."""
    return turned(np.array([0.0, 0.0, 1.0]), rng.uniform(-1, 1), rng)


def _off_axis(direction: Float64) -> Float64:
    axis = np.zeros(3)
    axis[np.argmin(np.abs(direction))] = 1.0
    return axis
