"""Events made by hand: particles fly straight out, one hit a layer."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hitgraph.event.event import Event, HitTable, ParticleTable, TruthTable

LAYER_STEP = 50.0  # mm between layers

EventMaker = Callable[..., Event]


def _event(
    hits: Sequence[int],
    noise: int = 0,
    pt: Sequence[float] | None = None,
    eta: Sequence[float] | None = None,
    charge: Sequence[int] | None = None,
    radius: Sequence[float] | None = None,
    weight: Sequence[float] | None = None,
    name: str = "event000000001",
) -> Event:
    """Particle k (particle_id k + 1) leaves hits[k] hits, in order; then come the noise hits.

    Each particle flies in a direction of its own from (radius, 0, 0) along x-y at its eta.
    `weight` is that of every hit; 1 / number of particle hits by default.
    """
    n_particles, n_true = len(hits), sum(hits)
    n = n_true + noise
    pts = np.full(n_particles, 2.0) if pt is None else np.asarray(pt, dtype=float)
    etas = np.zeros(n_particles) if eta is None else np.asarray(eta, dtype=float)
    charges = np.ones(n_particles) if charge is None else np.asarray(charge)
    radii = np.zeros(n_particles) if radius is None else np.asarray(radius, dtype=float)

    owner = np.repeat(np.arange(n_particles), hits)
    layer = np.concatenate([np.arange(1, count + 1) for count in (*hits, noise)])
    phi = 2 * np.pi * (np.arange(n_particles) + 0.5) / max(n_particles, 1)
    r = LAYER_STEP * layer
    angle = np.concatenate([phi[owner], np.linspace(-3.0, 3.0, noise)])
    slope = np.concatenate([np.sinh(etas)[owner], np.zeros(noise)])
    x = r * np.cos(angle) + np.concatenate([radii[owner], np.zeros(noise)])
    y, z = r * np.sin(angle), r * slope
    hit_id = 10 + 3 * np.arange(n, dtype=np.int64)
    particle_id = np.concatenate([owner + 1, np.zeros(noise)]).astype(np.int64)
    if weight is None:
        weights = np.where(particle_id > 0, 1.0 / max(n_true, 1), 0.0)
    else:
        weights = np.asarray(weight, dtype=float)

    def f32(values: object) -> np.ndarray:
        return np.asarray(values, dtype=np.float32)

    def i32(values: object) -> np.ndarray:
        return np.asarray(values, dtype=np.int32)

    zeros = np.zeros(n_particles)
    momentum = np.append(pts, 0.0)[np.where(particle_id > 0, particle_id - 1, -1)]
    return Event(
        name=name,
        hits=HitTable(hit_id, f32(x), f32(y), f32(z), i32(np.full(n, 8)), i32(layer), i32(layer)),
        particles=ParticleTable(
            particle_id=np.arange(1, n_particles + 1, dtype=np.int64),
            particle_type=i32(zeros),
            vx=f32(radii),
            vy=f32(zeros),
            vz=f32(zeros),
            px=f32(pts * np.cos(phi)),
            py=f32(pts * np.sin(phi)),
            pz=f32(pts * np.sinh(etas)),
            q=i32(charges),
            nhits=i32(hits),
        ),
        truth=TruthTable(
            hit_id=hit_id,
            particle_id=particle_id,
            tx=f32(x),
            ty=f32(y),
            tz=f32(z),
            tpx=f32(momentum * np.cos(angle)),
            tpy=f32(momentum * np.sin(angle)),
            tpz=f32(momentum * slope),
            weight=f32(weights),
        ),
    )


@pytest.fixture(scope="session")
def straight_event() -> EventMaker:
    """`straight_event(hits, noise, pt, eta, charge, radius, weight, name) -> Event`."""
    return _event
