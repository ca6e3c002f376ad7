"""The study `particles`: efficiency against what a particle is like and what is around it.

As figure 5 of arXiv 2103.06995, and what experiments show of dense environments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.metrics import ETA_EDGES, PT_EDGES, RADIUS_EDGES
from hitgraph.evaluation.ratio import BinnedRatio, Ratio, binned_ratio
from hitgraph.evaluation.tables import percent
from hitgraph.event.event import Event
from hitgraph.event.source import EventSource
from hitgraph.event.truth import SELECTED, SELECTED_500, summarise_particles
from hitgraph.pipeline import Pipeline
from hitgraph.studies.jets import surroundings
from hitgraph.studies.output import Result, Table
from hitgraph.studies.plan import Plan, Points
from hitgraph.studies.points import Point
from hitgraph.studies.quality import add_bins, found_particles
from hitgraph.studies.scan import read

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Figure


@dataclass(frozen=True)
class Variable:
    """What the efficiency is shown against."""

    label: str  # with unit
    edges: tuple[float, ...]
    scale: str = "linear"  # of the figure's axis


VARIABLES = {
    "pt": Variable("pT [GeV]", PT_EDGES, "log"),
    "eta": Variable("eta", ETA_EDGES),
    "radius": Variable("production radius [mm]", RADIUS_EDGES, "symlog"),
    "jet_pt": Variable("charged jet pT [GeV]", (10, 15, 20, 30, 50, 75, 100, 150, 250), "log"),
    "jet_distance": Variable("Delta R to the jet axis", (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)),
    "nearest": Variable(
        "Delta R to the nearest particle", (0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2), "log"
    ),
}


def plan(
    sources: Sequence[EventSource], pipelines: Mapping[str, Pipeline], settings: Mapping[str, Any]
) -> Plan:
    """One point an event and pipeline."""
    points = [
        Point(f"{name}-{source.name}", partial(_measure, source, name, pipeline))
        for source in sources
        for name, pipeline in pipelines.items()
    ]
    return Plan(points, settings, _summarise)


def _measure(source: EventSource, name: str, pipeline: Pipeline) -> dict[str, Any]:
    event = read(source, pipeline.recipe.clusters)
    labels = pipeline.run(event).labels
    curves = efficiency_curves(event, labels)
    return {"pipeline": name, "curves": {key: one.to_dict() for key, one in curves.items()}}


def efficiency_curves(event: Event, labels: NDArray[np.integer]) -> dict[str, BinnedRatio]:
    """Technical efficiency of one event against each of VARIABLES; labels (n_hits,).

    Against pT of all selected particles, else of those above 0.5 GeV; particles in no jet are
    left out where jets are asked for. The outermost bins hold what lies beyond them.
    """
    particles = summarise_particles(event)
    found = found_particles(event, particles, labels)
    around = surroundings(particles)
    values = {
        "pt": particles.pt,
        "eta": particles.eta,
        "radius": particles.vertex_radius,
        "jet_pt": around.jet_pt,
        "jet_distance": around.jet_distance,
        "nearest": around.nearest,
    }
    curves = {}
    for key, value in values.items():
        selection = SELECTED if key == "pt" else SELECTED_500
        among = selection.reconstructable.mask(particles) & ~np.isnan(value)
        curves[key] = binned_ratio(value, found, among, VARIABLES[key].edges)
    return curves


def _summarise(points: Points) -> Result:
    series: dict[str, dict[str, list[BinnedRatio]]] = {}
    for point in points.values():
        for key, one in point["curves"].items():
            curve = BinnedRatio(**{name: tuple(values) for name, values in one.items()})
            series.setdefault(point["pipeline"], {}).setdefault(key, []).append(curve)
    curves = {
        name: {key: add_bins(events) for key, events in found.items()}
        for name, found in series.items()
    }
    tables = tuple(
        _table(key, {name: one[key] for name, one in curves.items()}) for key in VARIABLES
    )
    numbers = {
        name: {key: curve.to_dict() for key, curve in found.items()}
        for name, found in curves.items()
    }
    return Result(tables, {"particles": particles_figure(curves)}, {"pipelines": numbers})


def _table(key: str, curves: Mapping[str, BinnedRatio]) -> Table:
    first = next(iter(curves.values()))
    variable = VARIABLES[key]
    rows = [
        (
            f"{variable.edges[k]:g} to {variable.edges[k + 1]:g}",
            str(first.total[k]),
            *(percent(Ratio(curve.passed[k], curve.total[k])) for curve in curves.values()),
        )
        for k in range(len(first.total))
        if first.total[k]
    ]
    among = "0.1" if key == "pt" else "0.5"
    return Table(
        f"Technical efficiency, pT > {among} GeV, against {variable.label}",
        (variable.label, "particles", *curves),
        tuple(rows),
    )


def particles_figure(curves: Mapping[str, Mapping[str, BinnedRatio]]) -> "Figure":
    """One panel a variable, one colour a pipeline; horizontally the width of the bin."""
    from hitgraph.evaluation.plots import draw_curve
    from hitgraph.evaluation.style import legend_above, new_figure, styled

    with styled():
        figure = new_figure(12.4, 7.6)
        handles = {}
        for axes, (key, variable) in zip(
            figure.subplots(2, 3).flat, VARIABLES.items(), strict=True
        ):
            for k, (name, found) in enumerate(curves.items()):
                handles[name] = draw_curve(
                    axes, found[key], k, logarithmic=variable.scale != "linear"
                )
            axes.set_xscale(
                variable.scale, **({"linthresh": 1} if variable.scale == "symlog" else {})
            )
            axes.set_xlim(variable.edges[0], variable.edges[-1])
            axes.set(xlabel=variable.label, ylabel="technical efficiency")
            axes.set_ylim(top=1.02)
        legend_above(figure, list(handles.values()), list(handles), columns=3)
    return figure
