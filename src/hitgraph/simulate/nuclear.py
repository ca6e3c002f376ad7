"""Nuclear interactions, which the Fatras of the pyacts wheel leaves out.

A hadron that crosses material may end there; a few soft protons and pions are born in its place.
The numbers below were tuned on one thinned TrackML event (docs/simulation.md): where its 118
particles with a generation above 0 in their particle_id were born, of which kind they are, how
fast they go, and how often a primary has few hits.
"""

import math

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.simulate.crossings import OTHER_MATERIAL, Steps
from hitgraph.simulate.generator import Generated, visible
from hitgraph.simulate.settings import TRACKML

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# Chance that a hadron interacts, per surface crossed at right angles, by the volume's number:
# beam pipe, pixels, support tube, short strips, long strips.
MATERIAL = {
    **dict.fromkeys((5,), 0.0014),
    **dict.fromkeys((7, 8, 9), 0.0028),
    **dict.fromkeys((10,), 0.0048),
    **dict.fromkeys((13, 17), 0.0039),
    **dict.fromkeys((12, 14, 16, 18), 0.0050),
}
PIXEL_MODULE = 0.0016  # the modules of volumes 7 to 9; strip modules are as thick as their layer
MAX_SLANT = 20.0  # most that a slanting path counts more than a straight one

BARREL_LIKE = (5, 8, 10, 13, 17)  # volumes whose other material stands around the beam

# A daughter is a proton, or a pion of either charge.
PROTON_FIRST, PROTON_LATER = 0.47, 0.30  # chance of a proton for the first and for each other one
MORE_DAUGHTERS = 2.7  # mean number of the others, Poisson distributed
FORWARD = 0.4  # the cosine of a daughter's angle to its parent c has density (1 + FORWARD c) / 2
PROTON_MOMENTUM = (4.5, 0.055)  # shape and scale (GeV) of a gamma distribution
PION_MOMENTUM = (1.5, 0.14)


def interact(
    steps: Steps, particles: Generated, detector: Detector, rng: np.random.Generator
) -> tuple[Steps, Steps]:
    """The crossings that still happen, and the last one of each particle that interacted.

    `steps` have to include all material. A particle's crossing of the surface in which it
    interacts still happens, the later ones do not.
    """
    steps = steps.where(np.lexsort((steps.number, steps.particle)))
    hadron = np.abs(particles.pdg) > 100
    chance = -np.expm1(-_depth(steps, detector))
    struck = np.flatnonzero(hadron[steps.particle] & (rng.random(len(steps)) < chance))
    particle, first = np.unique(steps.particle[struck], return_index=True)
    end = np.full(len(particles), len(steps))
    end[particle] = struck[first]
    return (
        steps.where(np.arange(len(steps)) <= end[steps.particle]),
        steps.where(struck[first]),
    )


def _depth(steps: Steps, detector: Detector) -> Float64:
    """(n_steps,) interaction lengths along the path through each surface."""
    on_module = steps.module != OTHER_MATERIAL
    normal = np.zeros_like(steps.position)
    normal[:, 2] = 1.0
    around = ~on_module & np.isin(steps.volume, BARREL_LIKE)
    normal[around] = steps.position[around] * (1.0, 1.0, 0.0)
    normal[on_module] = detector.rotation[steps.module[on_module]][:, :, 2]
    along = np.abs(np.sum(normal * steps.momentum, axis=1))
    size = np.linalg.norm(normal, axis=1) * np.linalg.norm(steps.momentum, axis=1)
    straight = np.zeros(max(MATERIAL) + 1)
    straight[list(MATERIAL)] = list(MATERIAL.values())
    depth = straight[steps.volume]
    depth[on_module & (steps.volume < 10)] = PIXEL_MODULE
    slant: Float64 = np.minimum(size / np.maximum(along, 1e-12), MAX_SLANT)
    return slant * depth


def daughters(last: Steps, particles: Generated, rng: np.random.Generator) -> Generated:
    """Particles born where those of `last` (one step a particle) interacted.

    Only those which the tracker can see, as of Pythia's. particle_id is 0: they have no number
    yet.
    """
    others = rng.poisson(MORE_DAUGHTERS, len(last))
    parent = np.repeat(np.arange(len(last)), 1 + others)
    first = np.diff(parent, prepend=-1) > 0
    n = len(parent)
    proton = rng.random(n) < np.where(first, PROTON_FIRST, PROTON_LATER)
    positive = proton | (rng.random(n) < 0.5)
    momentum = np.where(proton, rng.gamma(*PROTON_MOMENTUM, n), rng.gamma(*PION_MOMENTUM, n))
    available = np.linalg.norm(last.momentum, axis=1)[parent]
    momentum = np.minimum(momentum, available)
    direction = _around(last.momentum[parent] / available[:, None], rng)
    sign = np.where(positive, 1, -1)
    born = Generated(
        collision=particles.collision[last.particle[parent]],
        pdg=np.where(proton, 2212, sign * 211),
        charge=sign,
        vertex=last.position[parent],
        momentum=direction * momentum[:, None],
        particle_id=np.zeros(n, np.int64),
    )
    return born.where(visible(born.vertex, born.momentum, TRACKML))


def _around(axis: Float64, rng: np.random.Generator) -> Float64:
    """(n, 3) unit vectors about the unit vectors `axis`, with the density that FORWARD gives."""
    n = len(axis)
    # Solve c + FORWARD c^2 / 2 = t for t uniform between its values at -1 and 1.
    t = rng.uniform(FORWARD / 2 - 1, FORWARD / 2 + 1, n)
    cosine = (np.sqrt(1 + 2 * FORWARD * t) - 1) / FORWARD
    phi = rng.uniform(-math.pi, math.pi, n)
    # Any vector across the axis will do: phi is uniform.
    helper = np.where(np.abs(axis[:, 2:3]) < 0.9, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    u = np.cross(axis, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(axis, u)
    sine = np.sqrt(np.maximum(1 - cosine**2, 0.0))
    around: Float64 = (
        cosine[:, None] * axis
        + (sine * np.cos(phi))[:, None] * u
        + (sine * np.sin(phi))[:, None] * v
    )
    return around
