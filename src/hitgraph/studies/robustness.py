"""The study `robustness`: tracks where the detector, the beam or the events are not as taught.

Rows made from an event keep its particles and, but for what the change takes away, its hits.
Others are simulated samples. Each stands beside the unmodified events.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.bins import RADIUS, VZ
from hitgraph.evaluation.metrics import STIFF, STIFFER
from hitgraph.evaluation.ratio import BinnedRatio, binned_ratio
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.source import EventSource
from hitgraph.event.truth import ParticleSummary, summarise_particles
from hitgraph.pipeline import Pipeline
from hitgraph.state import State
from hitgraph.studies import robustness_output
from hitgraph.studies.conditions import CHANGES, NOMINAL, OVERLAY, UNMODIFIED, changes
from hitgraph.studies.decays import DECAYS, daughters
from hitgraph.studies.plan import Plan
from hitgraph.studies.points import Point
from hitgraph.studies.quality import found_particles, quality_of
from hitgraph.studies.scan import Change, read, unchanged
from hitgraph.studies.walk import refiners

VERTEX_ROWS = (UNMODIFIED, NOMINAL, "beam-z-100mm", "beam-wide")
DECAY_ROWS = (UNMODIFIED, NOMINAL)
DENSITY_ROWS = (UNMODIFIED, NOMINAL, OVERLAY, "pileup-20", "pileup-400")


def plan(
    sources: Sequence[EventSource],
    simulated: Mapping[str, Sequence[EventSource]],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    selection: Selection,
    names: tuple[str, ...] = CHANGES,
    seed: int = 1,
) -> Plan:
    """The changes `names` of the events `sources`, and samples by their names in SAMPLES.

    Events are laid over each other in pairs: the first over the second, the third over the fourth.
    """
    points: list[Point] = []
    for k, source in enumerate(sources):
        partner = sources[k + 1] if k % 2 == 0 and k + 1 < len(sources) else None
        points += _points([source], pipelines, changes(names, source, partner, seed), selection)
    for name, there in simulated.items():
        points += _points(there, pipelines, [Change(0.0, unchanged, name)], selection)
    known = {**settings, "changes": list(names), "samples": list(simulated), "seed": seed}
    return Plan(points, known, partial(robustness_output.result, selection=selection))


def _points(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    made: Sequence[Change],
    selection: Selection,
) -> list[Point]:
    return [
        Point(
            f"{change.variant}-{name}-{source.name}",
            partial(_measure, source, name, pipeline, change, selection),
        )
        for source in sources
        for name, pipeline in pipelines.items()
        for change in made
    ]


def _measure(
    source: EventSource, name: str, pipeline: Pipeline, change: Change, selection: Selection
) -> dict[str, Any]:
    changed, event = change.apply(pipeline, read(source, pipeline.recipe.clusters))
    row = change.variant
    before = refiners(changed) if row in DENSITY_ROWS else {}
    run = changed.run(event, keep=[*before, *before.values()])
    particles = summarise_particles(event)
    place = {"pipeline": name, "row": row, "sample": str(source.path)}
    measured = place | quality_of(event, run.labels, selection)
    if row in VERTEX_ROWS:
        measured["vertices"] = vertex_curve(event, particles, run.labels, selection).to_dict()
    if row in DECAY_ROWS:
        curves = decay_curves(event, particles, run.labels, selection)
        measured["decays"] = {key: curve.to_dict() for key, curve in curves.items()}
    measured["refiners"] = {
        stage: refined_tracks(
            event, particles, _labels(run.kept[first]), _labels(run.kept[stage]), selection
        )
        for stage, first in before.items()
    }
    return measured


def vertex_curve(
    event: Event,
    particles: ParticleSummary,
    labels: NDArray[np.integer],
    selection: Selection = SELECTED,
) -> BinnedRatio:
    """Technical efficiency of primary particles above 0.5 GeV against |vz|; labels (n_hits,)."""
    found = found_particles(event, particles, labels)
    among = selection.above(STIFF).reconstructable(particles) & particles.primary
    return binned_ratio(np.abs(particles.vz), found, among, VZ.edges)


def decay_curves(
    event: Event,
    particles: ParticleSummary,
    labels: NDArray[np.integer],
    selection: Selection = SELECTED,
) -> dict[str, BinnedRatio]:
    """Technical efficiency of the daughters of each of DECAYS against the radius of the decay."""
    found = found_particles(event, particles, labels)
    among = selection.reconstructable(particles)
    return {
        decay.name: binned_ratio(
            particles.vertex_radius, found, among & daughters(event, decay), RADIUS.edges
        )
        for decay in DECAYS
    }


def refined_tracks(
    event: Event,
    particles: ParticleSummary,
    before: NDArray[np.integer],
    after: NDArray[np.integer],
    selection: Selection = SELECTED,
) -> dict[str, int]:
    """What a stage that changes tracks does to the particles above 1 GeV; labels (n_hits,).

    Reconstructable ones; how many tracks match before and after, and how many the stage gained
    and lost.
    """
    among = selection.above(STIFFER).reconstructable(particles)
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
