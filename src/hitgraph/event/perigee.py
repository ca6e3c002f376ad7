"""Five numbers of a track where it passes the beam line, and those of true particles."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hitgraph.event.event import Event
from hitgraph.event.field import CURVATURE
from hitgraph.event.truth import particle_rows, require_particles

__all__ = ["PARAMETERS", "hit_parameters", "true_parameters"]

Float64 = NDArray[np.float64]

PARAMETERS = ("d0", "z0", "phi", "theta", "qop")
"""At the point of closest approach to the beam line x = y = 0: d0 = y cos(phi) - x sin(phi) and z0
in mm, direction phi and theta in rad, charge over momentum in 1 / GeV."""

WEAKEST = 1e-6  # Tesla; in a weaker field tracks are as straight as in this one


def hit_parameters(event: Event) -> NDArray[np.float32]:
    """(n_hits, 5) PARAMETERS of each hit's particle; zeros for noise and what makes no helix.

    Raises InputError without truth or particles.
    """
    table, row = require_particles(event), particle_rows(event)
    charged = (table.q != 0) & (np.hypot(table.px, table.py) > 0)
    place = np.stack([table.vx, table.vy, table.vz], axis=1).astype(np.float64)[charged]
    momentum = np.stack([table.px, table.py, table.pz], axis=1).astype(np.float64)[charged]
    field = event.likely_field.at(np.hypot(place[:, 0], place[:, 1]), place[:, 2])[1]
    field = np.where(np.abs(field) < WEAKEST, WEAKEST, field)
    found = np.zeros((len(charged) + 1, len(PARAMETERS)), np.float32)  # row -1 is the last
    found[:-1][charged] = true_parameters(place, momentum, table.q[charged], field)
    return found[row]


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
