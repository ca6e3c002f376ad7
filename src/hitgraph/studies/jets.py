"""Jets of charged truth particles, and how crowded it is around a particle.

Anti-kt (arXiv 0802.1189) in (pseudorapidity, azimuth), massless particles, summed momenta: exact,
in time cubic in the particles of one collision, which are few enough.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hitgraph.event.selection import SELECTED
from hitgraph.event.truth import COLLISION_BITS, ParticleSummary

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

RADIUS = 0.4
MIN_JET_PT = 10.0  # GeV, of the charged particles together
_TRACKML_VERTEX = 52  # bits of particle_id below the number of the collision


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Arrays (n_particles,); NaN where there is nothing of the kind."""

    jet_pt: Float64  # GeV, of the jet that the particle is in
    jet_distance: Float64  # Delta R to its axis
    nearest: Float64  # Delta R to the nearest other selected particle of the event


def surroundings(particles: ParticleSummary) -> Surroundings:
    """Jets are made of the selected particles of one collision, and count from MIN_JET_PT."""
    jet_pt, jet_distance, nearest = (np.full(len(particles), np.nan) for _ in range(3))
    rows = np.flatnonzero(SELECTED.mask(particles) & (particles.n_hits > 0))
    collision = collisions(particles.particle_id[rows])
    for one in np.unique(collision):
        members = rows[collision == one]
        eta, phi = particles.eta[members], particles.phi[members]
        jet, pt, axis_eta, axis_phi = anti_kt(particles.pt[members], eta, phi, RADIUS)
        hard = pt[jet] >= MIN_JET_PT
        jet_pt[members[hard]] = pt[jet][hard]
        distance = np.hypot(eta - axis_eta[jet], _wrap(phi - axis_phi[jet]))
        jet_distance[members[hard]] = distance[hard]
    if len(rows) > 1:
        place = np.stack([particles.eta[rows] + 10.0, particles.phi[rows] % (2 * np.pi)], axis=1)
        place[:, 1] = np.minimum(place[:, 1], np.nextafter(2 * np.pi, 0))
        tree = cKDTree(place, boxsize=(0.0, 2 * np.pi))
        nearest[rows] = tree.query(place, k=2)[0][:, 1]
    return Surroundings(jet_pt, jet_distance, nearest)


def collisions(particle_id: Int64) -> Int64:
    """(n_particles,) number of the collision that a particle comes from, by its particle_id.

    TrackML keeps it in the upper 12 bits, simulated events of this package from bit
    COLLISION_BITS on.
    """
    return particle_id >> collision_bits(particle_id)


def collision_bits(particle_id: Int64) -> int:
    """How many bits of particle_id stand below the number of the collision."""
    large = len(particle_id) > 0 and particle_id.max() >= 1 << _TRACKML_VERTEX
    return _TRACKML_VERTEX if large else COLLISION_BITS


def anti_kt(
    pt: Float64, eta: Float64, phi: Float64, radius: float
) -> tuple[Int64, Float64, Float64, Float64]:
    """Jet of each particle, and pT, pseudorapidity and azimuth of each jet.

    Arrays (n_particles,), pT in GeV. A jet's axis is the direction of its summed momentum.
    """
    jet, momentum = _cluster(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), radius)
    jet_pt = np.hypot(momentum[:, 0], momentum[:, 1])
    with np.errstate(divide="ignore"):
        jet_eta = np.arcsinh(momentum[:, 2] / jet_pt)
    return jet, jet_pt, jet_eta, np.arctan2(momentum[:, 1], momentum[:, 0])


def _wrap(angle: Float64) -> Float64:
    return (angle + np.pi) % (2 * np.pi) - np.pi


@njit(cache=True)
def _cluster(px, py, pz, radius):  # type: ignore[no-untyped-def]
    """(n_particles,) jet of each particle, (n_jets, 3) momentum of each jet."""
    n = len(px)
    momentum = np.empty((n, 3))
    momentum[:, 0], momentum[:, 1], momentum[:, 2] = px, py, pz
    pt = np.sqrt(px**2 + py**2)
    eta = np.arcsinh(pz / pt)
    phi = np.arctan2(py, px)
    parent = np.arange(n)  # pseudojet that a particle is in, by its lowest row
    alive = np.ones(n, np.bool_)
    jet_of = np.full(n, -1, np.int64)
    n_jets = 0
    for _ in range(n):
        best, first, second = np.inf, -1, -1
        for i in range(n):
            if not alive[i]:
                continue
            own = 1 / pt[i] ** 2
            if own < best:
                best, first, second = own, i, -1
            for j in range(i):
                if alive[j]:
                    turn = abs(phi[i] - phi[j])
                    turn = min(turn, 2 * np.pi - turn)
                    apart = ((eta[i] - eta[j]) ** 2 + turn**2) / radius**2
                    pair = min(own, 1 / pt[j] ** 2) * apart
                    if pair < best:
                        best, first, second = pair, i, j
        if second < 0:  # a jet is complete
            alive[first] = False
            jet_of[first] = n_jets
            n_jets += 1
            continue
        momentum[second] += momentum[first]
        alive[first] = False
        for k in range(n):
            if parent[k] == first:
                parent[k] = second
        x, y, z = momentum[second]
        pt[second] = max(np.sqrt(x**2 + y**2), 1e-9)
        eta[second] = np.arcsinh(z / pt[second])
        phi[second] = np.arctan2(y, x)
    jets = np.empty((n_jets, 3))
    for k in range(n):
        if jet_of[k] >= 0:
            jets[jet_of[k]] = momentum[k]
    return jet_of[parent], jets
