"""The path of a charged particle in a magnetic field."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.field import CURVATURE, MagneticField

Float64 = NDArray[np.float64]


def tesla_at(field: MagneticField, points: Float64) -> Float64:
    """(n, 3) Tesla at `points` (n, 3) in mm."""
    if field.is_constant:
        return np.broadcast_to((0.0, 0.0, field.centre), points.shape)
    r = np.hypot(points[:, 0], points[:, 1])
    br, bz = field.at(r, points[:, 2])
    radial = br / np.maximum(r, 1e-9)
    return np.stack([radial * points[:, 0], radial * points[:, 1], bz], axis=1)


def advanced(
    field: MagneticField,
    position: Float64,
    direction: Float64,
    charge_over_p: Float64,
    length: Float64,
) -> tuple[Float64, Float64]:
    """Position (n, 3) in mm and unit direction (n, 3) after a path of `length` (n,) mm.

    `charge_over_p` (n,) in 1/GeV. One Runge-Kutta step of fourth order of
    dx/ds = t, dt/ds = CURVATURE q/p t x B.
    """
    if field.is_constant and field.centre == 0:
        return position + length[:, None] * direction, direction
    strength = (CURVATURE * charge_over_p)[:, None]
    h = length[:, None]

    def bent(x: Float64, t: Float64) -> Float64:
        return strength * np.cross(t, tesla_at(field, x))

    k1 = bent(position, direction)
    t2 = direction + h / 2 * k1
    k2 = bent(position + h / 2 * direction, t2)
    t3 = direction + h / 2 * k2
    k3 = bent(position + h / 2 * t2, t3)
    t4 = direction + h * k3
    k4 = bent(position + h * t3, t4)
    end = position + h / 6 * (direction + 2 * t2 + 2 * t3 + t4)
    turned = direction + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return end, turned / np.linalg.norm(turned, axis=1, keepdims=True)


def between(
    start: tuple[Float64, Float64], end: tuple[Float64, Float64], length: Float64, t: Float64
) -> Float64:
    """(n, 3) the point a fraction t (n,) of the path on: the cubic through both ends.

    `start` and `end` are positions and directions, (n, 3) each, `length` (n,) mm of path apart.
    """
    (x0, d0), (x1, d1) = start, end
    t, h = t[:, None], length[:, None]
    rest = 1 - t
    return (
        rest**2 * (1 + 2 * t) * x0 + t**2 * (3 - 2 * t) * x1 + h * t * rest * (rest * d0 - t * d1)
    )
