"""The study `robustness`: tracks where the detector, the beam or the events are not as taught.

Rows made from an event keep its particles and, but for what the change takes away, its hits.
Others are simulated samples. Each stands beside the unmodified events.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.ratio import BinnedRatio, binned_ratio
from hitgraph.event.event import Event
from hitgraph.event.source import EventSource
from hitgraph.event.truth import (
    SELECTED,
    SELECTED_500,
    SELECTED_1000,
    ParticleSummary,
    summarise_particles,
)
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import START
from hitgraph.state import State
from hitgraph.studies import robustness_output
from hitgraph.studies.conditions import CHANGES, NOMINAL, OVERLAY, UNMODIFIED, changes
from hitgraph.studies.decays import DECAYS, daughters
from hitgraph.studies.plan import Plan
from hitgraph.studies.points import Point
from hitgraph.studies.quality import found_particles, quality_of
from hitgraph.studies.scan import Change, read, unchanged
from hitgraph.studies.walk import refiners

VZ_EDGES = (0.0, 50.0, 100.0, 140.0, 170.0, 190.0, 210.0, 250.0, 300.0)  # mm; 200 has a bin
DECAY_EDGES = (2.0, 10.0, 20.0, 50.0, 100.0, 200.0, 300.0, 500.0)  # mm

VERTEX_ROWS = (UNMODIFIED, NOMINAL, "beam-z-100mm", "beam-wide")
DECAY_ROWS = (UNMODIFIED, NOMINAL)
DENSITY_ROWS = (UNMODIFIED, NOMINAL, OVERLAY, "pileup-20", "pileup-400")


def plan(
    sources: Sequence[EventSource],
    simulated: Mapping[str, Sequence[EventSource]],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    names: tuple[str, ...] = CHANGES,
    seed: int = 1,
) -> Plan:
    """The changes `names` of the events `sources`, and samples by their names in SAMPLES.

    Events are laid over each other in pairs: the first over the second, the third over the fourth.
    """
    points: list[Point] = []
    for k, source in enumerate(sources):
        partner = sources[k + 1] if k % 2 == 0 and k + 1 < len(sources) else None
        points += _points([source], pipelines, changes(names, source, partner, seed))
    for name, there in simulated.items():
        points += _points(there, pipelines, [Change(0.0, unchanged, name)])
    known = {**settings, "changes": list(names), "samples": list(simulated), "seed": seed}
    return Plan(points, known, robustness_output.result)


def _points(
    sources: Sequence[EventSource], pipelines: Mapping[str, Pipeline], made: Sequence[Change]
) -> list[Point]:
    return [
        Point(
            f"{change.variant}-{name}-{source.name}",
            partial(_measure, source, name, pipeline, change),
        )
        for source in sources
        for name, pipeline in pipelines.items()
        for change in made
    ]


def _measure(source: EventSource, name: str, pipeline: Pipeline, change: Change) -> dict[str, Any]:
    changed, event = change.apply(pipeline, read(source, pipeline.recipe.clusters))
    row = change.variant
    refined = refiners(changed) if row in DENSITY_ROWS else []
    stages = [START, *changed.stages]
    before = {stage: stages[stages.index(stage) - 1] for stage in refined}
    run = changed.run(event, keep=[*before, *before.values()])
    particles = summarise_particles(event)
    place = {"pipeline": name, "row": row, "sample": str(source.path)}
    measured = place | quality_of(event, run.labels)
    if row in VERTEX_ROWS:
        measured["vertices"] = vertex_curve(event, particles, run.labels).to_dict()
    if row in DECAY_ROWS:
        curves = decay_curves(event, particles, run.labels)
        measured["decays"] = {key: curve.to_dict() for key, curve in curves.items()}
    measured["refiners"] = {
        stage: refined_tracks(event, particles, _labels(run.kept[first]), _labels(run.kept[stage]))
        for stage, first in before.items()
    }
    return measured


def vertex_curve(
    event: Event, particles: ParticleSummary, labels: NDArray[np.integer]
) -> BinnedRatio:
    """Technical efficiency of prompt particles above 0.5 GeV against |vz|; labels (n_hits,).

    The last bin holds what lies beyond it.
    """
    found = found_particles(event, particles, labels)
    among = SELECTED_500.reconstructable.mask(particles) & particles.primary
    return binned_ratio(np.abs(particles.vz), found, among, VZ_EDGES)


def decay_curves(
    event: Event, particles: ParticleSummary, labels: NDArray[np.integer]
) -> dict[str, BinnedRatio]:
    """Technical efficiency of the daughters of each of DECAYS against the radius of the decay."""
    found = found_particles(event, particles, labels)
    among = SELECTED.reconstructable.mask(particles)
    return {
        decay.name: binned_ratio(
            particles.vertex_radius, found, among & daughters(event, decay), DECAY_EDGES
        )
        for decay in DECAYS
    }


def refined_tracks(
    event: Event,
    particles: ParticleSummary,
    before: NDArray[np.integer],
    after: NDArray[np.integer],
) -> dict[str, int]:
    """What a stage that changes tracks does to the particles above 1 GeV; labels (n_hits,).

    Reconstructable ones; how many tracks match before and after, and how many the stage gained
    and lost.
    """
    among = SELECTED_1000.reconstructable.mask(particles)
    first, second = (
        found_particles(event, particles, labels) & among for labels in (before, after)
    )
    return {
        "particles": int(among.sum()),
        "before": int(first.sum()),
        "after": int(second.sum()),
        "gained": int((second & ~first).sum()),
        "lost": int((first & ~second).sum()),
    }


def _labels(state: State) -> NDArray[np.int64]:
    assert state.labels is not None
    labels: NDArray[np.int64] = state.labels.cpu().numpy()
    return labels
