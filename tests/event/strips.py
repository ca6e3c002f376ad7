"""A telescope of one pixel plane and three double-sided strip planes, and particles through it."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.cluster_tables import NO_ROW
from hitgraph.event.detector import Detector
from hitgraph.event.event import ClusterTable, Event, ParticleTable, TruthTable
from hitgraph.event.space_points import hits_of, particles_of
from hitgraph.event.truth import hit_weights
from hitgraph.hits.strips.points import space_points

PIXEL_X, STRIP_X, GAP, STEREO = 100.0, (400.0, 560.0, 720.0), 6.0, 0.052  # mm, rad
HALF_U, HALF_V = 50.0, 24.0  # mm
Float64 = NDArray[np.float64]


def strip_detector() -> Detector:
    """Modules across x, u along y, v along z: 1 of pixels; 2 and 3 of every strip layer."""
    sides = [(1, 1, 0.0, PIXEL_X)]
    for layer, x in enumerate(STRIP_X, start=2):
        sides += [(layer, 2, 0.0, x), (layer, 3, STEREO, x + GAP)]
    layer_id, module_id, stereo, x = map(np.array, zip(*sides, strict=True))
    zero, cos, sin = np.zeros(len(x)), np.cos(stereo), np.sin(stereo)
    u = np.stack([zero, cos, -sin], axis=1)
    v = np.stack([zero, sin, cos], axis=1)
    size = np.ones(len(x))
    strip = layer_id > 1
    return Detector(
        volume_id=np.full(len(x), 1, np.int32),
        layer_id=layer_id.astype(np.int32),
        module_id=module_id.astype(np.int32),
        centre=np.stack([x, zero, zero], axis=1),
        rotation=np.stack([u, v, np.cross(u, v)], axis=2),
        half_thickness=0.15 * size,
        min_half_u=HALF_U * size,
        max_half_u=HALF_U * size,
        half_v=HALF_V * size,
        pitch_u=np.where(strip, 0.0755, 0.05),
        pitch_v=np.where(strip, 2 * HALF_V, 0.05),
    )


def clusters_of(detector: Detector, y: Float64, z: Float64) -> ClusterTable:
    """Where straight particles from the origin, at y and z in the pixels, are seen; ids from 1."""
    columns: list[tuple[Float64, NDArray[np.int64], int]] = []
    particle = np.arange(1, len(y) + 1)
    for module in range(detector.n_modules):
        centre, (u, v, _) = detector.centre[module], detector.rotation[module].T
        true = np.stack([np.full(len(y), PIXEL_X), y, z], axis=1) * (centre[0] / PIXEL_X)
        along = (true - centre) @ v if detector.pitch_v[module] < 1 else np.zeros(len(y))
        seen = centre + ((true - centre) @ u)[:, None] * u + along[:, None] * v
        columns.append((seen, particle, module))
    position = np.concatenate([seen for seen, _, _ in columns])
    module = np.repeat([module for *_, module in columns], len(y))
    x, y, z = position.astype(np.float32).T.copy()
    ids = (getattr(detector, key)[module] for key in ("volume_id", "layer_id", "module_id"))
    return ClusterTable(
        np.arange(1, len(x) + 1),
        x,
        y,
        z,
        *ids,
        np.ones(len(x), np.int32),
        np.concatenate([particle for _, particle, _ in columns]),
    )


def strip_event(n_particles: int = 4, seed: int = 0) -> Event:
    """Particles so near each other that all their strips cross: n^2 space points a layer."""
    random = np.random.default_rng(seed)
    y, z = random.uniform(-0.05, 0.05, n_particles), random.uniform(-0.5, 0.5, n_particles)
    detector = strip_detector()
    clusters = clusters_of(detector, y, z)
    rows, position = space_points(clusters, detector)
    hits, points = hits_of(clusters, rows, position)
    made_by = particles_of(rows, clusters.particle_id)
    nothing = np.zeros(n_particles, np.float32)
    particles = ParticleTable(
        np.arange(1, n_particles + 1),
        np.full(n_particles, 13, np.int32),
        nothing,
        nothing,
        nothing,
        np.full(n_particles, 2.0, np.float32),
        (2.0 * y / PIXEL_X).astype(np.float32),
        (2.0 * z / PIXEL_X).astype(np.float32),
        np.ones(n_particles, np.int32),
        np.bincount(made_by, minlength=n_particles + 1)[1:].astype(np.int32),
    )
    zero = np.zeros(len(hits), np.float32)
    truth = TruthTable(hits.hit_id, made_by, hits.x, hits.y, hits.z, zero, zero, zero, zero)
    event = Event(
        "event000000007",
        hits,
        None,
        particles,
        truth,
        detector,
        clusters=clusters,
        spacepoints=points,
    )
    weighed = TruthTable(**{**vars(truth), "weight": hit_weights(event)})
    assert (rows[hits.layer_id > 1] != NO_ROW).all()
    return Event(**{**vars(event), "truth": weighed})
