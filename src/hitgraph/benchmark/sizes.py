"""Events of a wanted number of hits, made from events that are there, at a realistic density.

Smaller: whole particles are dropped at random and noise hits in the same proportion, as a lower
pile-up would have it. Larger: other events are laid over the first, as a higher pile-up would;
when there are no more, events turned by half a turn about the beam line, which maps the modules
onto each other up to the staggering of some rings (their hits move with the module). Either way
the detector stays and the density of hits grows with their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.cluster_tables import refuse_clusters
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.rows import joined, take_rows, visible, weighted
from hitgraph.event.truth import (
    NOISE,
    particle_rows,
    require_particles,
    require_truth,
)
from hitgraph.event.turned import turned_event

SAME_PLACE = 5.0  # mm, between a module and its turned twin: staggered rings differ by 3 mm in z
HALF_TURN = np.diag([-1.0, -1.0, 1.0])
SAME_AXES = 1e-3  # sine of the angle between their axes


@dataclass(frozen=True, eq=False)
class SizedEvent:
    """An event of about the wanted size, and how it was made."""

    event: Event
    recipe: str  # for people


def event_of_size(
    events: Sequence[Event], n_hits: int, detector: Detector, seed: int = 0
) -> SizedEvent:
    """About `n_hits` hits from complete events (with cells, truth and particles).

    Raises InputError where even with turned copies the events are too few.
    """
    rng = np.random.default_rng([seed, n_hits])
    parts: list[Event] = []
    turned = 0
    for extra, event in [(False, e) for e in events] + [(True, e) for e in events]:
        if sum(part.n_hits for part in parts) >= n_hits:
            break
        if extra:
            half = half_turn(event, detector)
            if half is None:
                break
            event = half
            turned += 1
        parts.append(event)
    available = sum(part.n_hits for part in parts)
    if available < n_hits:
        raise InputError(
            f"an event of {n_hits} hits is asked for, but all events together, overlaid, have "
            f"{available}: give more events, or smaller --sizes"
        )
    whole = overlay(parts) if len(parts) > 1 else parts[0]
    sized = thin(whole, n_hits / whole.n_hits, rng)
    recipe = f"{len(parts)} events overlaid" if len(parts) > 1 else "1 event"
    recipe += f" ({turned} turned by half a turn)" if turned else ""
    share = sized.n_hits / whole.n_hits
    recipe += f", {share:.0%} of its particles and noise" if share < 0.995 else ""
    return SizedEvent(replace(sized, name=f"event{n_hits:09d}", detector=detector), recipe)


def thin(event: Event, share: float, rng: np.random.Generator) -> Event:
    """The event with about that share of its hits: whole particles stay or go."""
    if share >= 1:
        return event
    rows = particle_rows(event)
    n_particles = len(require_particles(event))
    lonely = rows < 0  # noise
    n_hits = np.bincount(rows[~lonely], minlength=n_particles)
    order = rng.permutation(n_particles)
    enough = np.cumsum(n_hits[order]) <= share * n_hits.sum()
    keep_particle = np.zeros(n_particles, np.bool_)
    keep_particle[order[enough]] = True
    keep = np.zeros(event.n_hits, np.bool_)
    keep[~lonely] = keep_particle[rows[~lonely]]
    noise = np.flatnonzero(lonely)
    keep[rng.permutation(noise)[: round(share * len(noise))]] = True
    return visible(event, keep, keep_particle)


def overlay(events: Sequence[Event]) -> Event:
    """One event with the hits and particles of all, as if they had happened together.

    Hits are sorted by module, numbered from 1; particles get new numbers.
    """
    hits, cells, truth, particles = [], [], [], []
    first_hit = first_particle = 1
    for event in events:
        refuse_clusters(event, "clusters of two events are not crossed with one another")
        number = _numbers(event.hits.hit_id, first_hit)
        hits.append(replace(event.hits, hit_id=number))
        if event.cells is not None:
            rows = np.searchsorted(event.hits.hit_id, event.cells.hit_id)
            cells.append(replace(event.cells, hit_id=number[rows]))
        own, rows = require_particles(event), particle_rows(event)
        particle = _numbers(own.particle_id, first_particle)
        particles.append(replace(own, particle_id=particle))
        made_by = np.full(event.n_hits, NOISE, np.int64)
        made_by[rows >= 0] = particle[rows[rows >= 0]]
        truth.append(replace(require_truth(event), hit_id=number, particle_id=made_by))
        first_hit += event.n_hits
        first_particle += len(own)
    together = Event(
        events[0].name,
        joined(hits),
        joined(cells) if len(cells) == len(events) else None,
        joined(particles),
        joined(truth),
        events[0].detector,
    )
    return weighted(_sorted_by_module(together))


def half_turn(event: Event, detector: Detector) -> Event | None:
    """The event turned by half a turn about the beam line; None if the detector is not symmetric.

    The field along the beam line and the cells on a module stay what they are. A hit moves with
    its module where the turned one lies up to SAME_PLACE from the next.
    """
    twin = _half_turn_twins(detector)
    if twin is None:
        return None
    before = detector.module_index(event.hits.volume_id, event.hits.layer_id, event.hits.module_id)
    module = twin[before]
    shift = (detector.centre[module] - detector.centre[before] @ HALF_TURN).astype(np.float32)
    turned = turned_event(event, np.pi)
    hits = replace(
        turned.hits,
        x=turned.hits.x + shift[:, 0],
        y=turned.hits.y + shift[:, 1],
        z=turned.hits.z + shift[:, 2],
        volume_id=detector.volume_id[module],
        layer_id=detector.layer_id[module],
        module_id=detector.module_id[module],
    )
    return replace(turned, hits=hits)


def _half_turn_twins(detector: Detector) -> NDArray[np.int64] | None:
    """(n_modules,) the module that each one lies on after half a turn, if all do."""
    from scipy.spatial import cKDTree

    distance, twin = cKDTree(detector.centre).query(detector.centre @ HALF_TURN)
    axes = np.abs(HALF_TURN @ detector.rotation - detector.rotation[twin]).max()
    shape_is_kept = np.array_equal(detector.layer[twin], detector.layer)
    if distance.max() > SAME_PLACE or axes > SAME_AXES or not shape_is_kept:
        return None
    return np.asarray(twin, dtype=np.int64)


def _sorted_by_module(event: Event) -> Event:
    hits = event.hits
    order = np.lexsort((hits.module_id, hits.layer_id, hits.volume_id))
    number = np.arange(1, event.n_hits + 1, dtype=np.int64)
    new_number = np.empty_like(number)
    new_number[order] = number
    cells = event.cells
    if cells is not None:
        cells = replace(cells, hit_id=new_number[np.searchsorted(hits.hit_id, cells.hit_id)])
        cells = take_rows(cells, np.argsort(cells.hit_id, kind="stable"))
    return replace(
        event,
        hits=replace(take_rows(hits, order), hit_id=number),
        truth=replace(take_rows(require_truth(event), order), hit_id=number),
        cells=cells,
    )


def _numbers(rows: NDArray[np.int64], first: int) -> NDArray[np.int64]:
    return np.arange(first, first + len(rows), dtype=np.int64)
