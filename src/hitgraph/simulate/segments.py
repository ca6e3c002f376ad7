"""What happens to particles from one layer to the next: how they turn, and what they lose.

A segment joins two true hits that follow each other on one particle, on different layers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.event import Event
from hitgraph.event.field import CURVATURE
from hitgraph.event.truth import particle_rows, require_particles, require_truth

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

FIELD_EDGES = (0, 200, 500, 900, 1200, 1600, 2000, 2500, 3000)  # mm, |z| half way
MIN_MOMENTUM, MIN_LENGTH = 0.4, 5.0  # GeV, mm across the beam, of segments that tell the field
LOSS_EDGES = (0.2, 0.3, 0.5, 1.0, 3.0)  # GeV, momentum at the first hit
LOSERS = {"pions": 211, "protons": 2212}  # PDG codes; antiparticles count as well


@dataclass(frozen=True, eq=False)
class Segments:
    """One row a segment."""

    particle: Int64  # (n,) row in the table of particles
    z: Float64  # (n,) mm, half way
    length: Float64  # (n,) mm, across the beam
    field: Float64  # (n,) Tesla along z that would turn the particle as much, see `segments`
    momentum: Float64  # (n,) GeV, at the first hit
    lost: Float64  # (n,) MeV of it gone at the second


def segments(event: Event) -> Segments:
    """All segments of an event. Raises InputError where it has no truth or particles.

    The effective field is -dphi pT / (0.2998e-3 q L): dphi is by how much the momentum turns around
    z, L the distance of the hits across the beam in mm.
    """
    truth, particles = require_truth(event), require_particles(event)
    rows = particle_rows(event)
    position = np.stack([truth.tx, truth.ty, truth.tz], axis=1).astype(np.float64)
    momentum = np.stack([truth.tpx, truth.tpy, truth.tpz], axis=1).astype(np.float64)
    vertex = np.stack([particles.vx, particles.vy, particles.vz], axis=1)
    of_particles = np.flatnonzero((rows >= 0) & (particles.q[rows] != 0))
    mine = rows[of_particles]
    flown = np.linalg.norm(position[of_particles] - vertex[mine], axis=1)
    order = of_particles[np.lexsort((flown, mine))]
    first, second = order[:-1], order[1:]
    volume, layer = event.hits.volume_id, event.hits.layer_id
    leaves = (volume[first] != volume[second]) | (layer[first] != layer[second])
    keep = (rows[first] == rows[second]) & leaves
    first, second = first[keep], second[keep]
    phi = np.arctan2(momentum[:, 1], momentum[:, 0])
    turn = (phi[second] - phi[first] + np.pi) % (2 * np.pi) - np.pi
    length = np.hypot(*(position[second] - position[first])[:, :2].T)
    pt = np.hypot(momentum[first, 0], momentum[first, 1])
    size = np.linalg.norm(momentum, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        field = -turn * pt / (CURVATURE * particles.q[rows[first]] * length)
    return Segments(
        particle=rows[first],
        z=0.5 * np.abs(position[first, 2] + position[second, 2]),
        length=length,
        field=field,
        momentum=size[first],
        lost=1000.0 * (size[first] - size[second]),
    )


def segment_values(event: Event) -> Iterator[tuple[str, Float64, Int64]]:
    """Name of each quantity, its value (n,) in every segment that counts, and whose it is (n,)."""
    found = segments(event)
    straight = (found.momentum > MIN_MOMENTUM) & (found.length > MIN_LENGTH)
    for near, far in pairwise(FIELD_EDGES):
        here = straight & (found.z >= near) & (found.z < far)
        yield f"field at |z| {near}-{far} mm, T", found.field[here], found.particle[here]
    kind = np.abs(require_particles(event).particle_type[found.particle])
    for name, code in LOSERS.items():
        for low, high in pairwise(LOSS_EDGES):
            here = (kind == code) & (found.momentum >= low) & (found.momentum < high)
            title = f"lost by {name} {low:g}-{high:g} GeV, MeV"
            yield title, found.lost[here], found.particle[here]


def median_with_error(values: Float64, particle: Int64) -> tuple[float, float]:
    """The median of (n,) values, and its error with the values of one particle not independent.

    The share of values below the median is a ratio of two sums over particles; its error, as that
    of such a ratio, says between which quantiles the true median lies.
    """
    median = float(np.median(values))
    _, own = np.unique(particle, return_inverse=True)
    off = np.bincount(own, np.sign(values - median) / 2)
    spread = float(np.sqrt((off**2).sum())) / len(values)
    low, high = np.quantile(values, np.clip([0.5 - spread, 0.5 + spread], 0, 1)).tolist()
    return median, max(median - low, high - median)
