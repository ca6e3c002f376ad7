"""Noise hits: clusters no particle made, spread over all modules alike."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.simulate.crossings import Crossings

# Spread in rad of the pretended particle's angles about the line from the origin, along the
# module's u and v. The noise of a real TrackML event has these and hence wide clusters.
ANGLE_SPREAD = (0.22, 0.4)
MAX_ANGLE = 1.47  # rad from the module's normal
MAX_DRAWS = 20  # of a spread, until the angle is steep enough
NOISE_MOMENTUM = 1e6  # GeV: what TrackML's truth gives to noise hits


def number_of_noise_hits(n_signal: int, fraction: float) -> int:
    """Noise hits that make `fraction` of all hits, with `n_signal` hits of particles."""
    return round(fraction / (1 - fraction) * n_signal)


def noise_crossings(
    detector: Detector, n: int, rng: np.random.Generator, min_cosine: float = 0.0
) -> Crossings:
    """`n` crossings (particle_id 0) uniform over the modules and over each module's area.

    With `min_cosine`, flatter angles to the normal are drawn again.
    """
    module = rng.integers(0, detector.n_modules, n)
    half_v = detector.half_v[module]
    low, high = detector.min_half_u[module], detector.max_half_u[module]
    # Uniform over the trapezoid: v where a fraction t of the area lies below.
    t = rng.random(n)
    wide = (high - low) / low
    root = np.where(
        wide > 1e-9, (np.sqrt(1 + t * wide * (2 + wide)) - 1) / np.maximum(wide, 1e-9), t
    )
    v = (2 * root - 1) * half_v
    u = rng.uniform(-1, 1, n) * (low + (high - low) * root)
    local = np.stack([u, v, np.zeros(n)], axis=1)
    rotation = detector.rotation[module]
    position = detector.centre[module] + np.einsum("nij,nj->ni", rotation, local)

    outward = np.einsum("nji,nj->ni", rotation, position)
    side = np.where(outward[:, 2] < 0, -1.0, 1.0)
    depth = np.abs(outward[:, 2])
    angle = np.arctan2(outward[:, :2] * side[:, None], depth[:, None])
    slope = _slopes(angle, rng)
    for _ in range(MAX_DRAWS if min_cosine > 0 else 0):
        flat = np.flatnonzero(np.linalg.norm(slope, axis=1) * min_cosine > 1)
        slope[flat] = _slopes(angle[flat], rng)
    slope *= side[:, None]
    slope *= NOISE_MOMENTUM / np.linalg.norm(slope, axis=1, keepdims=True)
    return Crossings(
        module=module,
        particle_id=np.zeros(n, np.int64),
        position=position,
        momentum=np.einsum("nij,nj->ni", rotation, slope),
    )


def _slopes(angle: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(n, 3) directions (tan u, tan v, 1) whose angles are spread about `angle` (n, 2)."""
    angle = angle + rng.normal(size=angle.shape) * ANGLE_SPREAD
    tangent = np.tan(np.clip(angle, -MAX_ANGLE, MAX_ANGLE))
    return np.concatenate([tangent, np.ones((len(angle), 1))], axis=1)
