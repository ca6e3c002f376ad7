"""Particles flown through the magnetic field, many at once: where they pass a point, and how that
place moves with their parameters. Torch on any device.

With the unit direction t, the charge over the momentum q/p and s the length of the path,

    dt/ds = c q/p t x B,   c = CURVATURE.

A step takes the field of its middle for all of it, so it is a piece of a helix about the field,
and in a constant field it is exact.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hitgraph.event.field import CURVATURE, MagneticField

_STRAIGHT = 1e-4  # rad, below which a turn is expanded


class FieldMap(NamedTuple):
    """Br and Bz on a grid of equal steps, on the device of the tracks."""

    table: Tensor  # (n_z, n_r, 2) Tesla, Br and Bz
    first_z: float  # mm
    step: tuple[float, float]  # mm, along z and r

    @staticmethod
    def of(field: MagneticField, device: torch.device) -> "FieldMap":
        table = torch.stack([torch.from_numpy(field.br), torch.from_numpy(field.bz)], dim=2)
        return FieldMap(table.to(device), *grid_steps(field))

    def at(self, place: Tensor) -> Tensor:
        """(n, 3) Tesla at places (n, 3) in mm, linear between the points of the grid."""
        n_z, n_r, _ = self.table.shape
        x, y, z = place.unbind(1)
        r = torch.hypot(x, y)
        along = ((z - self.first_z) / self.step[0]).clamp(0, n_z - 1)
        across = (r / self.step[1]).clamp(0, n_r - 1)
        column, row = across.long().clamp(max=n_r - 2), along.long().clamp(max=n_z - 2)
        across, along = (across - column)[:, None], (along - row)[:, None]
        flat, cell = self.table.view(-1, 2), row * n_r + column
        below = torch.lerp(flat[cell], flat[cell + 1], across)
        above = torch.lerp(flat[cell + n_r], flat[cell + n_r + 1], across)
        br, bz = torch.lerp(below, above, along).unbind(1)
        br = br / r.clamp(min=1e-9)
        return torch.stack([br * x, br * y, bz], dim=1)


def grid_steps(field: MagneticField) -> tuple[float, tuple[float, float]]:
    """Where the grid of a field begins along z, and its steps along z and r, in mm."""
    steps = float(field.z[1] - field.z[0]), float(field.r[1] - field.r[0])
    return float(field.z[0]), steps


class Flight(NamedTuple):
    """Where particles are, and what has happened on their way from the beam line."""

    place: Tensor  # (n, 3) mm
    direction: Tensor  # (n, 3) unit vectors
    qop: Tensor  # (n,) 1 / GeV, charge over momentum, which material changes
    arc: Tensor  # (n,) mm, length of the path across the beam
    # With k = q/pT at the beam line: by how much the azimuth of the direction and the place across
    # the beam have changed in 1 / GeV of k.
    turn: Tensor  # (n,) rad GeV
    shift: Tensor  # (n, 2) mm GeV

    def first(self, n: int) -> "Flight":
        """The first `n` particles."""
        return Flight(*(column[:n] for column in self))


def start(parameters: Tensor) -> Flight:
    """At the point of closest approach to the beam line; parameters (n, 5): d0 and z0 in mm, phi,
    cot(theta), and charge over transverse momentum in 1 / GeV."""
    d0, z0, phi, cot, k = parameters.unbind(1)
    sine, cosine, size = phi.sin(), phi.cos(), torch.sqrt(1 + cot.square())
    nothing = torch.zeros_like(d0)
    return Flight(
        place=torch.stack([-d0 * sine, d0 * cosine, z0], dim=1),
        direction=torch.stack([cosine, sine, cot], dim=1) / size[:, None],
        qop=k / size,
        arc=nothing,
        turn=nothing,
        shift=torch.zeros_like(parameters[:, :2]),
    )


def fly_to(flight: Flight, goal: Tensor, field: FieldMap, steps: int) -> Flight:
    """To where the particles pass nearest to the points `goal` (n, 3), in `steps` equal steps and
    one that corrects for the turn on the way."""
    for left in (*range(steps, 0, -1), 1):
        length = ((goal - flight.place) * flight.direction).sum(1) / left
        flight = fly(flight, length, field)
    return flight


def fly(flight: Flight, length: Tensor, field: FieldMap) -> Flight:
    """One step, length (n,) in mm."""
    place, t, qop, arc, turn, shift = flight
    b = field.at(place + (length / 2)[:, None] * t)
    size = torch.linalg.vector_norm(b, dim=1).clamp(min=1e-12)
    axis = b / size[:, None]
    angle = CURVATURE * qop * size * length  # clockwise about the axis
    sine, cosine = angle.sin(), angle.cos()
    small = angle.abs() < _STRAIGHT
    safe = torch.where(small, 1.0, angle)
    mean_sine = torch.where(small, angle / 2, (1 - cosine) / safe)
    mean_cosine = torch.where(small, 1 - angle.square() / 6, sine / safe)
    aside = torch.linalg.cross(t, axis, dim=1)
    along = (t * axis).sum(1, keepdim=True) * axis
    across = t - along
    turned = along + across * cosine[:, None] + aside * sine[:, None]
    moved = along + across * mean_cosine[:, None] + aside * mean_sine[:, None]
    # In k: the azimuth changes by -c (Bz - Br cot(theta)) k along the path across the beam.
    middle = (t + turned)[:, :2]
    part = torch.linalg.vector_norm(middle, dim=1).clamp(min=1e-12)
    onward = middle / part[:, None]
    cot = (t + turned)[:, 2] / part
    way = length * part / 2
    gain = -CURVATURE * way * (b[:, 2] - cot * (b[:, :2] * onward).sum(1))
    normal = torch.stack([-onward[:, 1], onward[:, 0]], dim=1)
    return Flight(
        place + length[:, None] * moved,
        turned,
        qop,
        arc + way,
        turn + gain,
        shift + ((turn + gain / 2) * way)[:, None] * normal,
    )
