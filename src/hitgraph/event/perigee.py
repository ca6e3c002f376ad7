"""Five numbers of a track where it passes the beam line, and those of true particles."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hitgraph.event.field import CURVATURE

__all__ = ["PARAMETERS", "true_parameters"]

Float64 = NDArray[np.float64]

PARAMETERS = ("d0", "z0", "phi", "theta", "qop")
"""At the point of closest approach to the beam line x = y = 0: d0 = y cos(phi) - x sin(phi) and z0
in mm, direction phi and theta in rad, charge over momentum in 1 / GeV."""


def true_parameters(
    vertex: Float64, momentum: Float64, charge: NDArray[np.integer], field: ArrayLike
) -> Float64:
    """(n, 5) PARAMETERS of helices through `vertex` (n, 3) mm with `momentum` (n, 3) GeV there.

    `field` is that along z in Tesla at the vertex, one for all or (n,): over the millimetres to the
    beam line it is the same.
    """
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    phi = np.arctan2(momentum[:, 1], momentum[:, 0])
    # signed: positive charges turn clockwise in a field along +z
    radius = pt / (CURVATURE * np.asarray(field) * charge)
    centre_x = vertex[:, 0] + radius * np.sin(phi)
    centre_y = vertex[:, 1] - radius * np.cos(phi)
    side = np.sign(radius)
    phi0 = np.arctan2(side * centre_x, -side * centre_y)
    d0 = side * (np.abs(radius) - np.hypot(centre_x, centre_y))
    turn = np.arctan2(np.sin(phi - phi0), np.cos(phi - phi0))
    path = -radius * turn  # transverse, from the closest approach to the vertex
    z0 = vertex[:, 2] - path * momentum[:, 2] / pt
    p = np.hypot(pt, momentum[:, 2])
    return np.stack([d0, z0, phi0, np.arctan2(pt, momentum[:, 2]), charge / p], axis=1)
