"""Daughters of neutral particles that decay in flight, told from the truth.

Events list charged particles only. A decay into two charged ones shows as two opposite charges of
the right kinds from one point away from the beam line, with the mass of what they come from.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.event import Event
from hitgraph.event.truth import PRIMARY_RADIUS, require_particles

PION, PROTON = 211, 2212
MASSES = {PION: 0.13957, PROTON: 0.93827}  # GeV
WINDOW = 0.005  # GeV about the mass; momenta are exact


@dataclass(frozen=True)
class Decay:
    """A neutral particle and what it decays to."""

    name: str
    mass: float  # GeV
    daughters: frozenset[int]  # PDG codes without sign


DECAYS = (
    Decay("K0s", 0.49761, frozenset({PION})),
    Decay("Lambda", 1.11568, frozenset({PROTON, PION})),
)


def daughters(event: Event, decay: Decay) -> NDArray[np.bool_]:
    """(n_particles,) which particles come from such a decay, both daughters being listed.

    None do where the file has no particle types. Raises InputError for an event without particles.
    """
    table = require_particles(event)
    chosen = np.zeros(len(table), bool)
    vertex = np.stack([table.vx, table.vy, table.vz], axis=1)
    away = np.hypot(table.vx, table.vy) > PRIMARY_RADIUS
    _, point, count = np.unique(vertex, axis=0, return_inverse=True, return_counts=True)
    point = point.reshape(-1)
    rows = np.flatnonzero(away & (count[point] == 2))
    first, second = rows[np.argsort(point[rows], kind="stable")].reshape(-1, 2).T
    kind = np.abs(table.particle_type)
    kinds = np.stack([kind[first], kind[second]], axis=1)
    wanted = np.isin(kinds, list(decay.daughters)).all(axis=1)
    if len(decay.daughters) == 2:
        wanted &= kinds[:, 0] != kinds[:, 1]
    wanted &= table.q[first] * table.q[second] < 0
    first, second, kinds = first[wanted], second[wanted], kinds[wanted]
    momentum = np.stack([table.px, table.py, table.pz], axis=1).astype(np.float64)
    energy = sum(
        np.sqrt(np.square(momentum[row]).sum(axis=1) + _masses(kinds[:, k]) ** 2)
        for k, row in enumerate((first, second))
    )
    total = np.square(momentum[first] + momentum[second]).sum(axis=1)
    near = np.abs(np.sqrt(np.square(energy) - total) - decay.mass) < WINDOW
    chosen[first[near]] = chosen[second[near]] = True
    return chosen


def _masses(kind: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.where(kind == PROTON, MASSES[PROTON], MASSES[PION])
