"""The same event under other conditions: other noise, layers out of place, turned.

Made from an event that is there, which is faster than simulating again and keeps every particle
and its hits, so that differences are due to the change alone.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event, HitTable, TruthTable
from hitgraph.event.rows import joined, select_hits
from hitgraph.event.truth import NOISE, require_truth
from hitgraph.simulate.digitise import digitise, response_of
from hitgraph.simulate.noise import noise_crossings, number_of_noise_hits
from hitgraph.simulate.settings import SimulationSettings

LARGEST_NOISE = 0.95  # of all hits


def with_noise(
    event: Event,
    detector: Detector,
    fraction: float,
    rng: np.random.Generator,
    preset: str = "plain",
) -> Event:
    """The event with noise that makes `fraction` of all its hits; the noise it had is dropped.

    The new noise is that of the simulation with `preset`, in the event's field: uniform over the
    modules, with wide clusters. Its hits come last, so that the hits of particles keep their
    rows. Raises InputError without truth, SettingsError for an impossible fraction.
    """
    check_noise(fraction)
    truth = require_truth(event)
    clean = select_hits(event, truth.particle_id != NOISE)
    if clean.n_hits == 0:
        raise InputError(f"{event.name}: no hit of a particle, so noise has no fraction of them")
    simulated = SimulationSettings(preset=preset, field=event.likely_field)
    n_noise = number_of_noise_hits(clean.n_hits, fraction)
    noise = noise_crossings(detector, n_noise, rng, simulated.effects.min_cosine)
    clusters = digitise(
        detector, noise.module, noise.position, noise.momentum, response_of(simulated), rng
    )
    hit_id = clean.hits.hit_id.max() + 1 + np.arange(len(noise))
    x, y, z = clusters.position.T
    tx, ty, tz = noise.position.T
    tpx, tpy, tpz = noise.momentum.T
    volume, layer, module = (
        getattr(detector, key)[noise.module] for key in ("volume_id", "layer_id", "module_id")
    )
    weight = np.zeros(len(noise), np.float32)
    cells = CellTable(hit_id[clusters.hit], clusters.ch0, clusters.ch1, clusters.value)
    assert clean.truth is not None
    return replace(
        clean,
        hits=joined([clean.hits, HitTable(hit_id, x, y, z, volume, layer, module)]),
        cells=None if clean.cells is None else joined([clean.cells, cells]),
        truth=joined(
            [
                clean.truth,
                TruthTable(hit_id, noise.particle_id, tx, ty, tz, tpx, tpy, tpz, weight),
            ]
        ),
    )


def check_noise(fraction: float) -> None:
    """Raise SettingsError for a share of noise hits that cannot be made."""
    if not 0 <= fraction <= LARGEST_NOISE:
        raise SettingsError(f"noise: {fraction} is not in [0, {LARGEST_NOISE}]")


def with_shifted_layers(
    event: Event, layers: NDArray[np.int64], shift: tuple[float, float, float]
) -> Event:
    """The event as seen when layers stand elsewhere than the module table has them.

    `layers` (n_layers, 2) volume_id and layer_id; their hits are moved by `shift` (mm, x, y, z).
    """
    hits = event.hits
    place = np.stack([hits.volume_id, hits.layer_id], axis=1)
    moved = (place[:, None] == layers[None]).all(axis=2).any(axis=1)
    x, y, z = (
        np.where(moved, old + np.float32(by), old)
        for old, by in zip((hits.x, hits.y, hits.z), shift, strict=True)
    )
    return replace(event, hits=replace(hits, x=x, y=y, z=z))


def innermost_layers(detector: Detector, n: int) -> NDArray[np.int64]:
    """(n, 2) volume_id and layer_id of the barrel layers nearest to the beam line.

    Raises SettingsError where the detector has fewer.
    """
    barrel = np.abs(detector.rotation[:, 2, 2]) < np.sqrt(0.5)
    layers = np.unique(detector.layer[barrel])
    if not 1 <= n <= len(layers):
        raise SettingsError(f"layers: {n} is not allowed, 1 to {len(layers)} (barrel layers)")
    radius = np.hypot(detector.centre[:, 0], detector.centre[:, 1])
    mean = [radius[detector.layer == layer].mean() for layer in layers]
    nearest: NDArray[np.int64] = detector.layer_keys[layers[np.argsort(mean)[:n]]]
    return nearest


def turned_event(event: Event, angle: float) -> Event:
    """The event with everything measured turned by `angle` (rad) about the beam line.

    Module numbers stay, so a module's hits lie where `turned_detector` has the module.
    """
    hits = event.hits
    x, y = _turned(hits.x, hits.y, angle)
    turned = replace(event, hits=replace(hits, x=x, y=y))
    if (truth := event.truth) is not None:
        tx, ty = _turned(truth.tx, truth.ty, angle)
        tpx, tpy = _turned(truth.tpx, truth.tpy, angle)
        turned = replace(turned, truth=replace(truth, tx=tx, ty=ty, tpx=tpx, tpy=tpy))
    if (particles := event.particles) is not None:
        vx, vy = _turned(particles.vx, particles.vy, angle)
        px, py = _turned(particles.px, particles.py, angle)
        turned = replace(turned, particles=replace(particles, vx=vx, vy=vy, px=px, py=py))
    return turned


def turned_detector(detector: Detector, angle: float) -> Detector:
    """The module table turned by `angle` (rad) about the beam line."""
    sin, cos = np.sin(angle), np.cos(angle)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return replace(
        detector, centre=detector.centre @ turn.T, rotation=turn[None] @ detector.rotation
    )


def _turned(
    x: NDArray[np.float32], y: NDArray[np.float32], angle: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    sin, cos = np.sin(angle), np.cos(angle)
    old_x, old_y = x.astype(np.float64), y.astype(np.float64)
    return (
        (cos * old_x - sin * old_y).astype(np.float32),
        (sin * old_x + cos * old_y).astype(np.float32),
    )
