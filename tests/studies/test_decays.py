"""Decays told from the truth."""

from dataclasses import replace

import numpy as np

from hitgraph.event.event import Event, ParticleTable
from hitgraph.studies.decays import DECAYS, MASSES, PION, PROTON, daughters

K0S, LAMBDA = DECAYS


def boosted_pair(parent: float, first: float, second: float, pz: float) -> np.ndarray:
    """(2, 3) momenta of the daughters of a particle of mass `parent` that decays along x."""
    own = np.sqrt((parent**2 - (first + second) ** 2) * (parent**2 - (first - second) ** 2))
    own /= 2 * parent
    return np.array(
        [
            (sign * own, 0.0, pz / parent * np.hypot(own, mass))
            for sign, mass in ((1, first), (-1, second))
        ]
    )


def table(rows: list[tuple[int, int, float, np.ndarray]]) -> ParticleTable:
    """Rows of PDG code, charge, radius of the vertex, momentum."""
    n = len(rows)
    pdg, charge, radius, momentum = zip(*rows, strict=True)
    px, py, pz = np.array(momentum, np.float32).T
    zero = np.zeros(n, np.float32)
    return ParticleTable(
        np.arange(1, n + 1),
        np.array(pdg, np.int32),
        np.array(radius, np.float32),
        zero,
        zero,
        px,
        py,
        pz,
        np.array(charge, np.int32),
        np.zeros(n, np.int32),
    )


def test_daughters_are_pairs_of_the_right_mass_from_a_point_away_from_the_beam(
    tiny_event: Event,
) -> None:
    pion, proton = MASSES[PION], MASSES[PROTON]
    kaon = boosted_pair(K0S.mass, pion, pion, 3.0)
    hyperon = boosted_pair(LAMBDA.mass, proton, pion, 5.0)
    rows = [
        *((PION, 1, 40.0, kaon[0]), (-PION, -1, 40.0, kaon[1])),
        *((-PROTON, -1, 90.0, hyperon[0]), (PION, 1, 90.0, hyperon[1])),
        *((PION, 1, 1.0, kaon[0]), (-PION, -1, 1.0, kaon[1])),  # from the beam line
        *((PION, 1, 50.0, kaon[0]), (PION, 1, 50.0, kaon[1])),  # of one charge
        *((PION, 1, 60.0, kaon[0]), (-PION, -1, 60.0, 1.2 * kaon[1])),  # another mass
        (PION, 1, 70.0, kaon[0]),  # alone
        *((PION, 1, 80.0, kaon[0]), (-PION, -1, 80.0, kaon[1]), (PION, 1, 80.0, kaon[1])),
    ]
    event = replace(tiny_event, particles=table(rows))
    assert np.flatnonzero(daughters(event, K0S)).tolist() == [0, 1]
    assert np.flatnonzero(daughters(event, LAMBDA)).tolist() == [2, 3]
