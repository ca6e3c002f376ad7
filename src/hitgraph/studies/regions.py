"""The study `regions`: tracks found region by region beside those of the full event, and the time.

Particles are judged by the hits of the full event. *Inside* are those whose direction is at least
AWAY from every border of the regions, *at borders* the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.domain import beam_of
from hitgraph.evaluation.metrics import cuts_of
from hitgraph.event.event import Event
from hitgraph.event.regions import TURN, Region, Regions, parts_of_event
from hitgraph.event.selection import Selection
from hitgraph.event.source import EventSource
from hitgraph.event.truth import summarise_particles
from hitgraph.pipeline import Pipeline
from hitgraph.regional import Regional, RegionTracks, merge_regions
from hitgraph.studies.plan import Plan
from hitgraph.studies.points import Point
from hitgraph.studies.quality import found_particles, quality_of
from hitgraph.studies.regions_output import summarise
from hitgraph.studies.scan import read

PARTS = ((8, 1), (8, 4), (16, 8))  # in azimuth and eta
MIN_PTS = (1.0, 0.5, 0.3, 0.1)  # GeV
AWAY = 0.1  # rad, and of eta
PLACES = ("inside", "at borders")


@dataclass(frozen=True, eq=False)
class _Timed:
    """Tracks of an event, and the CPU time that they took."""

    labels: NDArray[np.int64]
    seconds: float


def plan(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    selection: Selection,
    parts: Sequence[tuple[int, int]] = PARTS,
    min_pts: Sequence[float] = MIN_PTS,
) -> Plan:
    """Every event in `parts` (azimuth, eta), with the hits of particles above `min_pts` (GeV).

    Raises SettingsError for a pT that cannot be.
    """
    divided = [Regions(parts_of_event(*n), min_pt) for n in parts for min_pt in min_pts]
    named = [f"{n_phi}x{n_eta}" for n_phi, n_eta in parts for _ in min_pts]
    points = [
        Point(
            f"{name}-{source.name}-{text}-{regions.min_pt:g}",
            partial(_measure, source, name, pipeline, text, regions, selection),
        )
        for source in sources
        for name, pipeline in pipelines.items()
        for text, regions in zip(named, divided, strict=True)
    ]
    known = {**settings, "regions": named[:: len(min_pts)], "min_pt": list(min_pts)}
    return Plan(points, known, summarise)


def _measure(
    source: EventSource,
    name: str,
    pipeline: Pipeline,
    text: str,
    regions: Regions,
    selection: Selection,
) -> dict[str, Any]:
    event = read(source, pipeline.recipe.clusters)
    full = _full(source, pipeline)
    finder = Regional(pipeline, regions, beam_of(pipeline.domain, pipeline.detector, name))
    found, seconds = zip(*(_region(finder, event, part) for part in regions.parts), strict=True)
    labels = merge_regions(found)[0]
    return {
        "pipeline": name,
        "regions": text,
        "min_pt": regions.min_pt,
        "n_hits": event.n_hits,
        "seconds": full.seconds,
        "region_hits": [one.n_hits for one in found],
        "region_seconds": list(seconds),
        "purity": {
            key: quality_of(event, one, selection)["purity"]
            for key, one in (("full", full.labels), ("regions", labels))
        },
        "places": _beside(event, full.labels, labels, regions.parts, selection),
    }


@lru_cache(maxsize=1)
def _full(source: EventSource, pipeline: Pipeline) -> _Timed:
    """The full event; run twice, since the first run compiles kernels and fills caches."""
    event = read(source, pipeline.recipe.clusters)
    pipeline.run(event)
    start = process_time()
    labels = pipeline.run(event).labels
    return _Timed(labels, process_time() - start)


def _region(finder: Regional, event: Event, part: Region) -> tuple[RegionTracks, float]:
    """What is found among the hits of a part, and the CPU time that it takes."""
    start = process_time()
    found = finder.find(event, part)
    return found, process_time() - start


def _beside(
    event: Event,
    full: NDArray[np.int64],
    labels: NDArray[np.int64],
    parts: Sequence[Region],
    selection: Selection,
) -> dict[str, dict[str, dict[str, int]]]:
    """How many particles each way finds, by place and lowest pT."""
    particles = summarise_particles(event)
    one, other = (found_particles(event, particles, found) for found in (full, labels))
    inside = np.zeros(len(particles), np.bool_)
    for part in parts:
        inside |= _inner(part).holds(particles.eta, particles.phi)
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for place, here in zip(PLACES, (inside, ~inside), strict=True):
        counts[place] = {}
        for cut in cuts_of(selection):
            counted = here & cut.reconstructable(particles)
            counts[place][f"{cut.min_pt:g}"] = {
                "particles": int(np.count_nonzero(counted)),
                "full": int(np.count_nonzero(one & counted)),
                "regions": int(np.count_nonzero(other & counted)),
                "different": int(np.count_nonzero((one ^ other) & counted)),
            }
    return counts


def _inner(part: Region) -> Region:
    """The directions in a part that are AWAY from its borders."""
    around = part.max_phi - part.min_phi >= TURN
    away = 0.0 if around else AWAY
    return Region(
        part.min_eta + AWAY, part.max_eta - AWAY, part.min_phi + away, part.max_phi - away
    )
