"""The figures of a report. Each function takes numbers and gives a matplotlib Figure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.bins import LENGTH
from hitgraph.evaluation.edges import ScoreHistogram
from hitgraph.evaluation.matching import MatchingName
from hitgraph.evaluation.metrics import Metrics, shown
from hitgraph.evaluation.ratio import BinnedRatio
from hitgraph.evaluation.run_summary import RunSummary
from hitgraph.evaluation.style import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    Axes,
    Figure,
    MultipleLocator,
    NullLocator,
    Patch,
    legend_above,
    mplhep,
    new_figure,
    plain_text,
    styled,
)

Variable = Literal["pt", "eta", "radius"]

AXIS_LABELS = {
    "pt": r"particle $p_\mathrm{T}$ [GeV]",
    "eta": r"particle $\eta$",
    "radius": "production radius [mm]",
}
TICKS = tuple(round(one * 10.0**power, 6) for power in range(-2, 4) for one in (1, 2, 5))
SYMLOG: dict[str, Any] = {"value": "symlog", "linthresh": 1.0}
SCORE_TICKS = (1e-4, 1e-2, 0.1, 0.5, 0.9, 0.99, 0.9999)
SHADES = (1.0, 0.75, 0.5, 0.3, 0.15)  # of a pipeline's colour, for its stages
HATCHES = ("", "//", "..")  # tell stages beyond the shades apart
EFFICIENCY_LABEL = "efficiency"
PURITY_LABEL = "purity"


def efficiency_figure(
    columns: Mapping[str, Metrics],
    variable: Variable,
    matching: MatchingName = "double majority",
) -> Figure:
    """Technical (filled) and physics (open) efficiency of each pipeline, and the particles below.

    Error bars: Clopper-Pearson, one standard deviation; horizontally the width of the bin.
    """
    with styled():
        figure = new_figure(6.4, 5.4)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2.5, 1])
        handles, labels, floor = [], [], 1.0
        kinds = ("technical", "physics")
        names = [f"{kind} efficiency vs {variable}" for kind in kinds]
        curves = _curves(columns, names, matching)
        for row, name in enumerate(columns):
            for kind, key in zip(kinds, names, strict=True):
                curve = curves[key][row]
                handles.append(draw_curve(top, curve, row, kind == kinds[0], variable != "eta"))
                labels.append(f"{name}, {kind}")
                floor = min(floor, _floor(curve))
        _fraction_axis(top, EFFICIENCY_LABEL, floor)
        n_events = len(next(iter(columns.values())).events)
        technical, physics = (curves[key][0] for key in names)
        _draw_particles(bottom, physics, technical, n_events, variable)
        set_x(bottom, variable, physics.edges)
        legend_above(figure, handles, labels, columns=2)
        figure.align_ylabels([top, bottom])
    return figure


def purity_figure(
    columns: Mapping[str, Metrics],
    variable: Literal["eta", "length"],
    matching: MatchingName = "double majority",
) -> Figure:
    """Share of the tracks that match a particle, and how many tracks there are below."""
    with styled():
        figure = new_figure(6.4, 5.4)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2.5, 1])
        handles, floor = [], 1.0
        name = f"purity vs {variable}"
        curves = _curves(columns, [name], matching)[name]
        for k, (curve, metrics) in enumerate(zip(curves, columns.values(), strict=True)):
            handles.append(draw_curve(top, curve, k))
            floor = min(floor, _floor(curve))
            _steps(bottom, curve.total, curve.edges, len(metrics.events), COLOURS[k % 6])
        _fraction_axis(top, PURITY_LABEL, floor)
        bottom.set_ylabel("tracks / event")
        bottom.set_ylim(bottom=0)
        bottom.set_xlabel(r"track $\eta$" if variable == "eta" else "hits on the track")
        bottom.set_xlim(curves[0].edges[0], curves[0].edges[-1])
        bottom.xaxis.set_minor_locator(MultipleLocator(1 if variable == "length" else 0.5))
        legend_above(figure, handles, list(columns), columns=3)
        figure.align_ylabels([top, bottom])
    return figure


def length_figure(columns: Mapping[str, Metrics]) -> Figure:
    """Distribution of the number of hits on tracks, and on selected particles, an event."""
    with styled():
        figure = new_figure(6.4, 5.4)
        axes = figure.subplots()
        first = next(iter(columns.values()))
        n_events = len(first.events)
        edges, (particles, *tracks) = LENGTH.shown_counts(
            [first.particle_lengths, *(metrics.track_lengths for metrics in columns.values())]
        )
        values = np.asarray(particles) / n_events
        filled = axes.stairs(values, edges, fill=True, color=GREY, alpha=0.35)
        handles, labels = [filled], ["selected particles"]
        for k, (name, counts) in enumerate(zip(columns, tracks, strict=True)):
            handles.append(_steps(axes, counts, edges, n_events, COLOURS[k % 6]))
            labels.append(name)
        axes.axvline(first.min_track_hits - 0.5, color=INK, linewidth=0.8, linestyle=":")
        axes.set(xlabel="hits", ylabel="tracks / event", xlim=(edges[0], edges[-1]))
        axes.set_ylim(bottom=0)
        axes.xaxis.set_minor_locator(MultipleLocator(1))
        legend_above(figure, handles, labels, columns=3)
    return figure


def timing_figure(columns: Mapping[str, RunSummary | None]) -> Figure:
    """Mean wall time an event, one bar a pipeline in its colour, stage by stage in shades.

    Pipelines whose run is not known have no bar.
    """
    with styled():
        runs = {name: run for name, run in columns.items() if run is not None}
        stages = list(dict.fromkeys(stage.name for run in runs.values() for stage in run.stages))
        in_row = len(stages) if len(stages) <= 6 else 4
        figure = new_figure(6.4, 1.3 + 0.5 * len(runs) + 0.2 * -(-len(stages) // in_row))
        axes = figure.subplots()
        looks: dict[str, dict[str, Any]] = {
            stage: {"alpha": SHADES[k % len(SHADES)], "hatch": HATCHES[k // len(SHADES) % 3]}
            for k, stage in enumerate(stages)
        }
        for row, (name, run) in enumerate(runs.items()):
            colour, start = COLOURS[list(columns).index(name) % 6], 0.0
            for stage in run.stages:
                axes.barh(
                    row,
                    stage.seconds,
                    left=start,
                    height=0.55,
                    color=colour,
                    edgecolor="white",
                    linewidth=0.0,
                    **looks[stage.name],
                )
                start += stage.seconds
            axes.annotate(
                f"{start:.3g} s", (start, row), (5, 0), textcoords="offset points", va="center"
            )
        axes.set_yticks(range(len(runs)), [plain_text(name) for name in runs])
        axes.set(xlabel="wall time / event [s]", ylim=(len(runs) - 0.4, -0.6))
        axes.margins(x=0.15)
        axes.set_xlim(left=0)
        axes.tick_params(axis="y", which="both", length=0)
        axes.grid(visible=False, axis="y")
        handles = [
            Patch(facecolor=GREY, edgecolor="white", linewidth=0.0, **look)
            for look in looks.values()
        ]
        legend_above(figure, handles, stages, columns=in_row)
    return figure


def score_figure(histograms: Mapping[str, ScoreHistogram | None]) -> Figure:
    """Scores that one stage gave to edges, and the ROC curve, of each pipeline.

    True are here all pairs of one particle. The outer bins hold what lies beyond them. Pipelines
    without such a stage are None.
    """
    with styled():
        figure = new_figure(12.4, 4.6)
        left, right = figure.subplots(1, 2)
        handles, labels = [], []
        for k, (name, histogram) in enumerate(histograms.items()):
            if histogram is None:
                continue
            colour = COLOURS[k % 6]
            edges = _logit(np.asarray(histogram.edges))
            for counts, style, what in (
                (histogram.true, "-", "true"),
                (histogram.fake, "--", "fake"),
            ):
                share = np.asarray(counts) / max(sum(counts), 1)
                mplhep.histplot(
                    share, edges, ax=left, color=colour, linestyle=style, flow="none", edges=False
                )
                handles.append(left.patches[-1])
                labels.append(f"{name}, {what}")
            fake, true = histogram.roc()
            shown = fake >= 1e-4
            area = plain_text(f"{name}, area {histogram.area:.4f}")
            right.plot(fake[shown], true[shown], color=colour, label=area)
        left.set_xticks(_logit(np.array(SCORE_TICKS)), [f"{tick:g}" for tick in SCORE_TICKS])
        left.xaxis.set_minor_locator(NullLocator())
        left.set(xlabel="edge score", ylabel="fraction of the edges / bin")
        if left.dataLim.y1 > 0:
            left.set_yscale("log")
        right.set(xlabel="fraction of fake edges kept", ylabel="fraction of true edges kept")
        right.set(xscale="log", xlim=(1e-4, 1))
        right.set_ylim(top=1.02)
        right.legend(loc="lower right")
        legend_above(figure, handles, labels, columns=2)
    return figure


def draw_curve(
    axes: Axes, curve: BinnedRatio, k: int, filled: bool = True, logarithmic: bool = False
) -> Any:
    """Points of the k-th colour with error bars, horizontally the width of the bin.

    Bins without entries are left out. A point stands in the middle of its bin as its axis shows
    it: geometric where that is logarithmic.
    """
    edges = np.asarray(curve.edges)
    full = np.asarray(curve.total) > 0
    centre = (edges[:-1] + edges[1:]) / 2
    if logarithmic:
        centre = np.sqrt(np.maximum(edges[:-1], 0.25 * edges[1:]) * edges[1:])
    low, high = curve.interval
    value = curve.value
    return axes.errorbar(
        centre[full],
        value[full],
        xerr=[(centre - edges[:-1])[full], (edges[1:] - centre)[full]],
        yerr=[(value - low)[full], (high - value)[full]],
        linestyle="none",
        marker=MARKERS[k % 6],
        color=COLOURS[k % 6],
        markerfacecolor=COLOURS[k % 6] if filled else "none",
        elinewidth=1.0,
    )


def set_x(axes: Axes, variable: Variable, edges: Sequence[float]) -> None:
    """The axis of a particle's pT, pseudorapidity or production radius, over these bins."""
    axes.set_xlabel(AXIS_LABELS[variable])
    if variable != "eta":
        axes.set_xscale(**({"value": "log"} if variable == "pt" else SYMLOG))
        lowest = edges[0] if variable == "pt" else max(edges[0], SYMLOG["linthresh"])
        known = [tick for tick in TICKS if lowest <= tick <= edges[-1]]
        known = ([0.0] if edges[0] == 0.0 else []) + known
        ticks = known if len(known) > 2 else edges
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_minor_formatter("")
    axes.set_xlim(edges[0], edges[-1])


def _curves(
    columns: Mapping[str, Metrics], names: Sequence[str], matching: MatchingName
) -> dict[str, list[BinnedRatio]]:
    """By name the curve of each column, all in the same bins."""
    each = [
        metrics.matchings[matching].curves[name] for name in names for metrics in columns.values()
    ]
    found, n = shown(each, names[0]), len(columns)
    return {name: found[k * n : (k + 1) * n] for k, name in enumerate(names)}


def _draw_particles(
    axes: Axes, physics: BinnedRatio, technical: BinnedRatio, n_events: int, variable: Variable
) -> None:
    for curve, label, alpha in ((physics, "selected", 0.3), (technical, "reconstructable", 0.6)):
        counts = np.asarray(curve.total) / n_events
        axes.stairs(counts, curve.edges, fill=True, color=GREY, alpha=alpha, label=label)
    axes.set_ylabel("particles / event")
    highest = axes.dataLim.y1
    if variable == "eta" or highest <= 0:
        axes.set_ylim(0, 1.4 * highest or 1.0)  # room for the legend
    else:
        axes.set_yscale("log")
    axes.legend(loc="upper right", ncols=2, fontsize="small")


def _steps(
    axes: Axes, counts: tuple[int, ...], edges: tuple[float, ...], n_events: int, colour: str
) -> Any:
    artists = mplhep.histplot(
        np.asarray(counts) / n_events, np.asarray(edges), ax=axes, color=colour, flow="none"
    )
    return artists[0].stairs


def _floor(curve: BinnedRatio) -> float:
    """Lower end of the lowest error bar, of bins with entries."""
    full = np.asarray(curve.total) > 0
    return float(curve.interval[0][full].min()) if full.any() else 1.0


def _fraction_axis(axes: Axes, label: str, floor: float) -> None:
    axes.set_ylabel(label)
    bottom = max(np.floor(10 * floor - 0.2) / 10, 0.0)
    axes.set_ylim(bottom, 1.02)
    axes.yaxis.set_major_locator(MultipleLocator(0.05 if bottom > 0.65 else 0.1))
    axes.axhline(1.0, color=INK, linewidth=0.8, linestyle=":")


def _logit(score: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(score, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)
