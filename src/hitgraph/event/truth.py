"""What really happened: true edges, hit weights, and what each particle is like.

The definitions are those of docs/physics.md. Everything here needs an event with truth.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.event import Event, ParticleTable, TruthTable

NOISE = 0  # particle_id of a hit that no particle made

# values of `edge_labels`
FAKE, TRUE, SKIP = 0, 1, 2

# TrackML order weight (arXiv 1904.06778): first, ..., last hit of a particle
ORDER_PROFILE = (10.0, 8.0, 6.0, 5.0, 3.0, 3.0, 3.0, 5.0, 6.0)
ORDER_MIN_HITS, ORDER_MAX_HITS = 4, 20
# TrackML pT weight, corners of a piecewise linear function; zero below the first
PT_CORNERS, PT_WEIGHTS = (0.05, 0.5, 3.0), (0.2, 0.2, 1.0)  # GeV

PRIMARY_RADIUS = 2.0  # mm; secondaries are born farther from the beam line
COLLISION_BITS = 24  # of particle_id, below the number of the collision, in simulated events


def require_truth(event: Event) -> TruthTable:
    """The truth table of an event, or InputError where it has none."""
    if event.truth is None:
        raise InputError(
            f"{event.name}: no truth table, so nobody knows which particle made a hit: "
            f"put {event.name}-truth.csv beside the hits, or take simulated events"
        )
    return event.truth


def require_particles(event: Event) -> ParticleTable:
    """The particle table of an event, or InputError where it has none."""
    if event.particles is None:
        raise InputError(
            f"{event.name}: no particle table, so momenta and vertices are unknown: "
            f"put {event.name}-particles.csv beside the hits, or take simulated events"
        )
    return event.particles


def particle_rows(event: Event) -> NDArray[np.int64]:
    """(n_hits,) row of each hit's particle in the particle table; -1 for noise and unknown."""
    wanted = require_truth(event).particle_id
    known = require_particles(event).particle_id
    if len(known) == 0:
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(known, kind="stable")
    slot = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    rows = order[slot].astype(np.int64)
    rows[(known[rows] != wanted) | (wanted == NOISE)] = -1
    return rows


# ---------------------------------------------------------------- true edges


def production_radius(event: Event) -> NDArray[np.float32]:
    """(n_hits,) mm, how far from the beam line each hit's particle was born; infinite for noise.

    Raises InputError without truth or particles.
    """
    table, row = require_particles(event), particle_rows(event)
    radius = np.append(np.hypot(table.vx, table.vy), np.inf).astype(np.float32)
    born: NDArray[np.float32] = radius[row]  # row -1 is the last
    return born


def track_steps(event: Event) -> NDArray[np.int32]:
    """(n_hits,) place of each hit along its particle: 0 for the first, -1 for noise.

    Hits of a particle are ordered by distance from its production vertex (from the origin where
    the event does not tell the vertex), ties by row; consecutive hits on one module share a
    step. Two hits of one particle are neighbours when their steps differ by one.
    """
    return _ordered_steps(event)[1]


def true_edges(event: Event) -> NDArray[np.int64]:
    """(2, n_edges) rows of hits that follow each other on a particle, inner hit first.

    Every hit of a step is joined to every hit of the particle's next step (see `track_steps`).
    Inner is the smaller sqrt(x^2 + y^2 + z^2), ties by row, whatever way the particle flew.
    """
    order, steps = _ordered_steps(event)
    hits = event.hits
    radius2 = _squared_length(hits.x, hits.y, hits.z)
    edges: NDArray[np.int64] = _join_steps(order, require_truth(event).particle_id, steps, radius2)
    return edges


def same_particle(
    particle_id: NDArray[np.int64], edge_index: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """(n_edges,) whether both ends of an edge belong to one particle. Never true for noise.

    `particle_id` is (n_hits,), `edge_index` (2, n_edges) rows of hits.
    """
    first = particle_id[edge_index[0]]
    same: NDArray[np.bool_] = (first == particle_id[edge_index[1]]) & (first != NOISE)
    return same


def edge_labels(
    particle_id: NDArray[np.int64], steps: NDArray[np.int32], edge_index: NDArray[np.integer]
) -> NDArray[np.int8]:
    """(n_edges,) TRUE (1) for neighbours on a particle, SKIP (2) for other pairs of it, else FAKE.

    `particle_id` and `steps` (see `track_steps`) are (n_hits,); the direction of an edge in
    `edge_index` (2, n_edges) does not matter. Two hits of one particle on one module are SKIP.
    """
    labels: NDArray[np.int8] = _label(
        np.ascontiguousarray(particle_id), steps, np.ascontiguousarray(edge_index)
    )
    return labels


def _ordered_steps(event: Event) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Rows of the hits of all particles, particle by particle and outward; step of every hit."""
    hits, particle_id = event.hits, require_truth(event).particle_id
    vertex = np.zeros((3, event.n_hits))
    if event.particles is not None:
        rows = particle_rows(event)
        found = rows >= 0
        table = event.particles
        vertex[:, found] = np.stack([table.vx, table.vy, table.vz])[:, rows[found]]
    distance2 = _squared_length(hits.x - vertex[0], hits.y - vertex[1], hits.z - vertex[2])
    order = np.lexsort((distance2, particle_id))
    order = order[particle_id[order] != NOISE].astype(np.int64)
    steps: NDArray[np.int32] = _walk(
        order, particle_id, hits.volume_id, hits.layer_id, hits.module_id
    )
    return order, steps


def _squared_length(
    x: NDArray[np.floating], y: NDArray[np.floating], z: NDArray[np.floating]
) -> NDArray[np.float64]:
    total: NDArray[np.float64] = (
        np.square(x, dtype=np.float64)
        + np.square(y, dtype=np.float64)
        + np.square(z, dtype=np.float64)
    )
    return total


@njit(cache=True)
def _walk(order, particle_id, volume, layer, module):  # type: ignore[no-untyped-def]
    steps = np.full(len(particle_id), -1, np.int32)
    for k in range(len(order)):
        hit = order[k]
        if k == 0 or particle_id[order[k - 1]] != particle_id[hit]:
            steps[hit] = 0
            continue
        last = order[k - 1]
        same_module = (
            module[last] == module[hit]
            and layer[last] == layer[hit]
            and volume[last] == volume[hit]
        )
        steps[hit] = steps[last] if same_module else steps[last] + 1
    return steps


@njit(cache=True)
def _join_steps(order, particle_id, steps, radius2):  # type: ignore[no-untyped-def]
    n_edges = 0
    edges = np.empty((2, 0), np.int64)
    for fill in (False, True):
        if fill:
            edges = np.empty((2, n_edges), np.int64)
            n_edges = 0
        before = 0  # first hit of the step before the current one
        start = 0  # first hit of the current step
        for k in range(len(order)):
            hit = order[k]
            if k > 0:
                last = order[k - 1]
                if particle_id[last] != particle_id[hit]:
                    before = start = k
                elif steps[last] != steps[hit]:
                    before, start = start, k
            for m in range(before, start):
                if fill:
                    other = order[m]
                    hit_is_inner = radius2[hit] < radius2[other] or (
                        radius2[hit] == radius2[other] and hit < other
                    )
                    edges[0, n_edges] = hit if hit_is_inner else other
                    edges[1, n_edges] = other if hit_is_inner else hit
                n_edges += 1
    return edges


@njit(cache=True)
def _label(particle_id, steps, edge_index):  # type: ignore[no-untyped-def]
    labels = np.zeros(edge_index.shape[1], np.int8)
    n_hits = len(particle_id)
    for k in range(edge_index.shape[1]):
        i, j = edge_index[0, k], edge_index[1, k]
        if i < 0 or j < 0 or i >= n_hits or j >= n_hits:
            raise IndexError("edge_index names a hit that is not there")
        if particle_id[i] != NOISE and particle_id[i] == particle_id[j]:
            labels[k] = TRUE if abs(steps[i] - steps[j]) == 1 else SKIP
    return labels


# ---------------------------------------------------------------- hit weights


def hit_weights(event: Event, phase: int = 1) -> NDArray[np.float32]:
    """(n_hits,) TrackML weights: order weight times pT weight, summing to 1 over the event.

    The recipe of the accuracy phase (arXiv 1904.06778); `phase=2` is that of the throughput
    phase (arXiv 2105.01160), in which hits of particles made in the detector weigh nothing (see
    `_made_in_detector`). Noise, particles with fewer than 4 hits and hits of particles that the
    event does not list weigh nothing. All zero where no hit has a weight. Files of the
    challenge carry these weights already.
    """
    if phase not in (1, 2):
        raise ValueError(f"phase is {phase}, must be 1 (accuracy) or 2 (throughput)")
    truth, particles, rows = require_truth(event), require_particles(event), particle_rows(event)
    members = np.flatnonzero(rows >= 0)
    rows = rows[members]
    along = np.abs(truth.tz[members].astype(np.float64) - particles.vz[rows])
    order = np.lexsort((along, rows))
    members, rows = members[order], rows[order]
    n_hits = np.bincount(rows, minlength=len(particles))
    first = np.cumsum(n_hits) - n_hits
    rank = np.arange(len(rows)) - first[rows]
    profile = _order_profiles()[
        np.minimum(n_hits[rows], ORDER_MAX_HITS), np.minimum(rank, ORDER_MAX_HITS)
    ]
    pt = np.hypot(particles.px, particles.py)
    particle_weight = np.interp(pt, PT_CORNERS, PT_WEIGHTS, left=0.0)
    if phase == 2:
        particle_weight[_made_in_detector(particles)] = 0.0
    raw = profile * particle_weight[rows]
    weights = np.zeros(event.n_hits)
    total = raw.sum()
    if total > 0:
        weights[members] = raw / total
    return weights.astype(np.float32)


def _made_in_detector(particles: ParticleTable) -> NDArray[np.bool_]:
    """(n_particles,) which particles weigh nothing in phase 2.

    TrackML's particle_id holds, from the top, vertex (12 bits, from 1), primary (16), generation
    (12), ... : one of generation 0 is a generator's particle and keeps its weight wherever it
    was born (long-lived decays). Ids without such a vertex number do not tell, so there every
    particle born beyond PRIMARY_RADIUS is taken as made in the detector.
    """
    displaced = np.hypot(particles.vx, particles.vy) > PRIMARY_RADIUS
    vertex, generation = particles.particle_id >> 52, (particles.particle_id >> 24) & 0xFFF
    made: NDArray[np.bool_] = displaced & ~((vertex > 0) & (generation == 0))
    return made


@cache
def _order_profiles() -> NDArray[np.float64]:
    """(21, 21) order weight of hit k of a particle of n hits at [n, k]; rows from 4 sum to 1."""
    table = np.zeros((ORDER_MAX_HITS + 1, ORDER_MAX_HITS + 1))
    for n in range(ORDER_MIN_HITS, ORDER_MAX_HITS + 1):
        place = np.linspace(0, len(ORDER_PROFILE) - 1, n)
        table[n, :n] = np.interp(place, np.arange(len(ORDER_PROFILE)), ORDER_PROFILE)
        table[n] /= table[n].sum()
    return table


# ---------------------------------------------------------------- particles


@dataclass(frozen=True, eq=False)
class ParticleSummary:
    """What decides whether a particle counts; arrays (n_particles,), rows of the particle table."""

    event: str  # its name
    particle_id: NDArray[np.int64]
    pt: NDArray[np.float64]  # GeV, at production
    eta: NDArray[np.float64]
    phi: NDArray[np.float64]  # rad, of the momentum at production
    charge: NDArray[np.int32]  # elementary charges
    pdg: NDArray[np.int32]  # PDG code; 0 where the file has none
    vertex_radius: NDArray[np.float64]  # mm, from the beam line
    vz: NDArray[np.float64]  # mm
    n_hits: NDArray[np.int64]  # counted on the hits of this event
    primary: NDArray[np.bool_]  # born within PRIMARY_RADIUS of the beam line
    weight: NDArray[np.float64]  # sum of its hits' weights in the truth table
    hard_process: NDArray[np.bool_] | None  # or of the gun; None where the event does not tell

    def __len__(self) -> int:
        return len(self.particle_id)


def summarise_particles(event: Event) -> ParticleSummary:
    """Kinematics, origin and hit count of every particle that the event lists."""
    truth, table, rows = require_truth(event), require_particles(event), particle_rows(event)
    members = rows >= 0
    px, py, pz = (p.astype(np.float64) for p in (table.px, table.py, table.pz))
    pt = np.hypot(px, py)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.arcsinh(pz / pt)  # +-inf along the beam line
    radius = np.hypot(table.vx.astype(np.float64), table.vy)
    hard = event.hard_collision
    return ParticleSummary(
        event=event.name,
        particle_id=table.particle_id,
        pt=pt,
        eta=eta,
        phi=np.arctan2(py, px),
        charge=table.q,
        pdg=table.particle_type,
        vertex_radius=radius,
        vz=table.vz.astype(np.float64),
        n_hits=np.bincount(rows[members], minlength=len(table)).astype(np.int64),
        primary=radius <= PRIMARY_RADIUS,
        weight=np.bincount(
            rows[members], weights=truth.weight[members], minlength=len(table)
        ).astype(np.float64),
        hard_process=None if hard is None else table.particle_id >> COLLISION_BITS == hard,
    )
