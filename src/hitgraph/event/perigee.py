"""Five numbers of a track where it passes the beam line, and those of true particles."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hitgraph.event.event import Event
from hitgraph.event.field import CURVATURE, MAX_TESLA, MagneticField, constant
from hitgraph.event.truth import particle_rows, require_particles

__all__ = ["PARAMETERS", "bending_field", "hit_parameters", "true_parameters"]

Float64 = NDArray[np.float64]

PARAMETERS = ("d0", "z0", "phi", "theta", "qop")
"""At the point of closest approach to the beam line x = y = 0: d0 = y cos(phi) - x sin(phi) and z0
in mm, direction phi and theta in rad, charge over momentum in 1 / GeV."""

WEAKEST = 1e-6  # Tesla; in a weaker field tracks are as straight as in this one


def hit_parameters(event: Event) -> NDArray[np.float32]:
    """(n_hits, 5) PARAMETERS of each hit's particle; zeros for noise and what makes no helix.

    Where nothing tells the field, it is taken from the particles (`bending_field`). Raises
    InputError without truth or particles.
    """
    table, row = require_particles(event), particle_rows(event)
    charged = (table.q != 0) & (np.hypot(table.px, table.py) > 0)
    place = np.stack([table.vx, table.vy, table.vz], axis=1).astype(np.float64)[charged]
    momentum = np.stack([table.px, table.py, table.pz], axis=1).astype(np.float64)[charged]
    known = bending_field(event) if event.known_field is None else event.known_field
    field = known.at(np.hypot(place[:, 0], place[:, 1]), place[:, 2])[1]
    field = np.where(np.abs(field) < WEAKEST, WEAKEST, field)
    found = np.zeros((len(charged) + 1, len(PARAMETERS)), np.float32)  # row -1 is the last
    found[:-1][charged] = true_parameters(place, momentum, table.q[charged], field)
    return found[row]


def bending_field(event: Event) -> MagneticField:
    """The constant field along z that bends true particles to where their hits are.

    Of a circle from the birth of a particle, where its momentum p is, to a hit at the distance d
    across the beam, the chord lies off p by half of the turn, of which p sin = CURVATURE q B d / 2.
    The median over the farther half of the hits; no field where there are none. Raises InputError
    without truth or particles.
    """
    table, row = require_particles(event), particle_rows(event)
    on = np.flatnonzero((row >= 0) & (table.q[row] != 0))
    row = row[on]
    px, py = table.px[row].astype(np.float64), table.py[row].astype(np.float64)
    dx, dy = event.hits.x[on] - table.vx[row], event.hits.y[on] - table.vy[row]
    across, along, d = px * dy - py * dx, px * dx + py * dy, np.hypot(dx, dy)
    chosen = (along > np.abs(across)) & (d > 0)
    if not chosen.any():
        return constant(0.0)
    chosen &= d >= np.median(d[chosen])
    tesla = -2 * across[chosen] / (CURVATURE * table.q[row[chosen]] * d[chosen] ** 2)
    return constant(float(np.clip(np.median(tesla), -MAX_TESLA, MAX_TESLA)))


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
