"""The same event under other conditions: other noise, modules dead or out of place.

Made from an event that is there, which is faster than simulating again and keeps every particle
and its hits, so that differences are due to the change alone. What changes the read-out of the
sensors is in hitgraph.studies.readout.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.cluster_tables import refuse_clusters
from hitgraph.event.clusters import modules_of_hits
from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event, HitTable, TruthTable
from hitgraph.event.rows import joined, select_hits
from hitgraph.event.truth import NOISE, require_particles, require_truth
from hitgraph.event.volumes import reweighted
from hitgraph.simulate.digitise import digitise, response_of
from hitgraph.simulate.noise import noise_crossings, number_of_noise_hits
from hitgraph.simulate.settings import PRESETS
from hitgraph.studies.jets import collision_bits

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
    refuse_clusters(event, "noise hits have none")
    truth = require_truth(event)
    clean = select_hits(event, truth.particle_id != NOISE)
    if clean.n_hits == 0:
        raise InputError(f"{event.name}: no hit of a particle, so noise has no fraction of them")
    effects = PRESETS[preset]
    response = response_of(effects, event.likely_field)
    n_noise = number_of_noise_hits(clean.n_hits, fraction)
    noise = noise_crossings(detector, n_noise, rng, effects.min_cosine)
    clusters = digitise(detector, noise.module, noise.position, noise.momentum, response, rng)
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


def with_dead_modules(
    event: Event, detector: Detector, fraction: float, rng: np.random.Generator
) -> Event:
    """The event without the hits of `fraction` of all modules, chosen at random.

    The hits that are left are weighed anew (`reweighted`). Raises InputError where none is left.
    """
    dead = np.zeros(detector.n_modules, bool)
    dead[rng.choice(detector.n_modules, round(fraction * detector.n_modules), replace=False)] = True
    return _left(event, ~dead[modules_of_hits(event, detector)])


def with_inefficiency(event: Event, fraction: float, rng: np.random.Generator) -> Event:
    """The event without every hit, of particles and noise, that a chance of `fraction` takes.

    The hits that are left are weighed anew (`reweighted`). Raises InputError where none is left.
    """
    return _left(event, rng.random(event.n_hits) >= fraction)


def _left(event: Event, keep: NDArray[np.bool_]) -> Event:
    if not keep.any():
        raise InputError(f"{event.name}: no hit is left of {event.n_hits}")
    return reweighted(select_hits(event, keep))


def with_misaligned_modules(
    event: Event, detector: Detector, size: float, rng: np.random.Generator
) -> Event:
    """The event as seen when every module stands elsewhere than the module table has it.

    Each is moved as a whole by up to `size` (mm) either way along x, y and z; its hits go along.
    The same `rng` moves the modules of every event alike.
    """
    shift = rng.uniform(-size, size, (detector.n_modules, 3))
    return moved_hits(event, shift[modules_of_hits(event, detector)])


def moved_hits(event: Event, shift: NDArray[np.float64]) -> Event:
    """The event with each measured position moved by `shift` (n_hits, 3), mm."""
    hits = event.hits
    x, y, z = (np.stack([hits.x, hits.y, hits.z]) + shift.T).astype(np.float32)
    return replace(event, hits=replace(hits, x=x, y=y, z=z))


def overlaid(event: Event, other: Event) -> Event:
    """Both events as one, with the name of the first, and weighed anew.

    Hits, collisions and particles of the second get higher numbers than those of the first.
    Clusters that touch stay apart. Raises InputError where one has no truth, or the events were
    taken in different magnetic fields.
    """
    for one in (event, other):
        refuse_clusters(one, "clusters of two events are not crossed with one another")
    if event.known_field != other.known_field:
        raise InputError(
            f"{event.name} was taken in the field {event.likely_field.name}, {other.name} in "
            f"{other.likely_field.name}: they cannot be overlaid"
        )
    truth, second = require_truth(event), require_truth(other)
    particles, more = require_particles(event), require_particles(other)
    hits_after = event.hits.hit_id.max() - other.hits.hit_id.min() + 1
    ids = np.concatenate([[0], particles.particle_id, more.particle_id])
    bits = collision_bits(ids)
    particles_after = ((particles.particle_id.max(initial=0) >> bits) + 1) << bits
    made_by = np.where(second.particle_id == NOISE, NOISE, second.particle_id + particles_after)
    hit_id = other.hits.hit_id + hits_after
    both = replace(
        event,
        hits=joined([event.hits, replace(other.hits, hit_id=hit_id)]),
        particles=joined(
            [particles, replace(more, particle_id=more.particle_id + particles_after)]
        ),
        truth=joined([truth, replace(second, hit_id=hit_id, particle_id=made_by)]),
        cells=None
        if event.cells is None or other.cells is None
        else joined(
            [event.cells, replace(other.cells, hit_id=other.cells.hit_id + hits_after)],
        ),
    )
    return reweighted(both)


def with_shifted_layers(
    event: Event, layers: NDArray[np.int64], shift: tuple[float, float, float]
) -> Event:
    """The event as seen when layers stand elsewhere than the module table has them.

    `layers` (n_layers, 2) volume_id and layer_id; their hits are moved by `shift` (mm, x, y, z).
    """
    place = np.stack([event.hits.volume_id, event.hits.layer_id], axis=1)
    moved = (place[:, None] == layers[None]).all(axis=2).any(axis=1)
    return moved_hits(event, moved[:, None] * np.array(shift))


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
