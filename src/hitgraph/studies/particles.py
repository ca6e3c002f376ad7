"""The study `particles`: efficiency against what a particle is like and what is around it.

As figure 5 of arXiv 2103.06995, and what experiments show of dense environments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.bins import ETA, PT, RADIUS, Grid, linear, logarithmic
from hitgraph.evaluation.metrics import STIFF
from hitgraph.evaluation.ratio import BinnedRatio, Ratio, binned_ratio
from hitgraph.evaluation.tables import percent, range_of
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.source import EventSource
from hitgraph.event.truth import summarise_particles
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
    grid: Grid
    scale: str = "linear"  # of the figure's axis


VARIABLES = {
    "pt": Variable("pT [GeV]", PT, "log"),
    "eta": Variable("eta", ETA),
    "radius": Variable("production radius [mm]", RADIUS, "symlog"),
    "jet_pt": Variable("charged jet pT [GeV]", PT, "log"),
    "jet_distance": Variable("Delta R to the jet axis", linear(1.0, (0.01, 0.02, 0.05, 0.1))),
    "nearest": Variable("Delta R to the nearest particle", logarithmic(-4, 1), "log"),
}


def plan(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    selection: Selection,
) -> Plan:
    """One point an event and pipeline."""
    points = [
        Point(f"{name}-{source.name}", partial(_measure, source, name, pipeline, selection))
        for source in sources
        for name, pipeline in pipelines.items()
    ]
    return Plan(points, settings, partial(_summarise, selection=selection))


def _measure(
    source: EventSource, name: str, pipeline: Pipeline, selection: Selection
) -> dict[str, Any]:
    event = read(source, pipeline.recipe.clusters)
    labels = pipeline.run(event).labels
    curves = efficiency_curves(event, labels, selection)
    return {"pipeline": name, "curves": {key: one.to_dict() for key, one in curves.items()}}


def efficiency_curves(
    event: Event, labels: NDArray[np.integer], selection: Selection = SELECTED
) -> dict[str, BinnedRatio]:
    """Technical efficiency of one event against each of VARIABLES; labels (n_hits,).

    Against pT of all particles of the selection, else of those above 0.5 GeV; particles in no jet
    are left out where jets are asked for. In the fine bins of their grids.
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
        among = _among(key, selection).reconstructable(particles) & ~np.isnan(value)
        curves[key] = binned_ratio(value, found, among, VARIABLES[key].grid.edges)
    return curves


def _among(key: str, selection: Selection) -> Selection:
    return selection if key == "pt" else selection.above(STIFF)


def _summarise(points: Points, selection: Selection) -> Result:
    series: dict[str, dict[str, list[BinnedRatio]]] = {}
    for point in points.values():
        for key, one in point["curves"].items():
            curve = BinnedRatio(**{name: tuple(values) for name, values in one.items()})
            series.setdefault(point["pipeline"], {}).setdefault(key, []).append(curve)
    curves: dict[str, dict[str, BinnedRatio]] = {name: {} for name in series}
    for key, variable in VARIABLES.items():
        summed = [add_bins(found[key]) for found in series.values()]
        for name, curve in zip(series, variable.grid.shown(summed), strict=True):
            curves[name][key] = curve
    tables = tuple(
        _table(key, {name: one[key] for name, one in curves.items()}, _among(key, selection))
        for key in VARIABLES
    )
    numbers = {
        name: {key: curve.to_dict() for key, curve in found.items()}
        for name, found in curves.items()
    }
    return Result(tables, {"particles": particles_figure(curves)}, {"pipelines": numbers})


def _table(key: str, curves: Mapping[str, BinnedRatio], among: Selection) -> Table:
    first = next(iter(curves.values()))
    variable = VARIABLES[key]
    rows = [
        (
            f"{first.edges[k]:g} to {first.edges[k + 1]:g}",
            str(first.total[k]),
            *(percent(Ratio(curve.passed[k], curve.total[k])) for curve in curves.values()),
        )
        for k in range(len(first.total))
        if first.total[k]
    ]
    return Table(
        f"Technical efficiency, {range_of(among)}, against {variable.label}",
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
            edges = found[key].edges
            axes.set_xlim(edges[0], edges[-1])
            axes.set(xlabel=variable.label, ylabel="technical efficiency")
            axes.set_ylim(top=1.02)
        legend_above(figure, list(handles.values()), list(handles), columns=3)
    return figure
