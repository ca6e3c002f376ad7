"""Particles through the detector: steps, and generation after generation of interactions."""

from dataclasses import replace

import numpy as np

from hitgraph.event.detector import Detector
from hitgraph.simulate.crossings import Crossings, Stepping, concatenate
from hitgraph.simulate.generator import Generated, join
from hitgraph.simulate.nuclear import daughters, interact
from hitgraph.simulate.settings import Effects

MAX_GENERATIONS = 4  # of interactions one after the other; later ones are too rare to count


def propagate(
    stepping: Stepping,
    detector: Detector,
    generated: Generated,
    effects: Effects,
    seed: int,
    rng: np.random.Generator,
) -> tuple[Generated, Crossings]:
    """All particles, those born in the material too, and where they cross modules.

    `seed` is that of the stepping, `rng` decides on the interactions.
    """
    if not effects.nuclear_interactions:
        return generated, stepping.simulate(generated, seed).crossings(generated.particle_id)
    everybody, crossings = [generated], []
    parents = generated
    for _ in range(MAX_GENERATIONS):
        pt = np.hypot(parents.momentum[:, 0], parents.momentum[:, 1])
        parents = parents.where(pt >= effects.min_start_pt)
        steps = stepping.simulate(parents, seed, material=True)
        steps, last = interact(steps, parents, detector, rng)
        crossings.append(steps.crossings(parents.particle_id))
        born = daughters(last, parents, rng)
        if not len(born):
            break
        parents = _number(born, everybody)
        everybody.append(parents)
        seed = int(rng.integers(2**63))
    particles = join(everybody)
    return particles.where(np.argsort(particles.particle_id)), concatenate(crossings)


def _number(born: Generated, everybody: list[Generated]) -> Generated:
    """The particles `born`, sorted by the next free particle_id of their collision."""
    born = born.where(np.argsort(born.collision, kind="stable"))
    last = np.zeros(max(part.collision.max() for part in everybody) + 1, np.int64)
    for part in everybody:
        np.maximum.at(last, part.collision, part.particle_id)
    rank = np.arange(len(born)) - np.searchsorted(born.collision, born.collision)
    return replace(born, particle_id=last[born.collision] + 1 + rank)
