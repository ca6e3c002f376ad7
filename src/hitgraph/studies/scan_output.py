"""A scan as a table, figures and numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hitgraph.evaluation.metrics import shown
from hitgraph.evaluation.ratio import BinnedRatio, Ratio
from hitgraph.evaluation.tables import percent, with_error
from hitgraph.studies.output import Result, Table
from hitgraph.studies.quality import PT_CURVE, Quality
from hitgraph.studies.scan import Scan

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Axes, Figure


@dataclass(frozen=True)
class Axis:
    """What is changed in a scan."""

    name: str  # with its unit; labels the figures
    text: Callable[[float, Quality], str] = lambda value, _: f"{value:g}"
    place: Callable[[float, Quality], float] = lambda value, _: value  # on the figure's axis
    heading: str = ""  # of the column of values, where it is not the name


def scan_result(study: str, scan: Scan, axis: Axis, relative: bool = False) -> Result:
    """With `relative`, also the efficiency against pT over that of the lowest value."""
    n_events = max(len(one.n_hits) for values in scan.values() for one in values.values())
    title = f"{n_events} events a value" if n_events > 1 else "1 event a value"
    tables = tuple(_table(f"{series}: {title}", values, axis) for series, values in scan.items())
    figures = {study: scan_figure(scan, axis)}
    if relative:
        figures |= {
            f"{study}-pt-{k + 1}" if len(scan) > 1 else f"{study}-pt": relative_figure(values, axis)
            for k, values in enumerate(scan.values())
        }
    return Result(tables, figures, {"axis": axis.name, "series": _numbers(scan)})


def _numbers(scan: Scan) -> dict[str, Any]:
    return {
        series: [{"value": value, **one.to_dict()} for value, one in values.items()]
        for series, values in scan.items()
    }


def _table(title: str, values: Mapping[float, Quality], axis: Axis) -> Table:
    cuts = _cuts(values)
    columns = (
        *(axis.heading or axis.name, "hits", "noise"),
        *(f"technical eff. > {cut} GeV" for cut in cuts),
        *("purity", "score", "score, primaries"),
    )
    rows = tuple(
        (
            axis.text(value, one),
            f"{one.mean_hits:,.0f}",
            f"{100 * one.noise:.1f} %",
            *(percent(one.technical[cut]) for cut in cuts),
            percent(one.purity),
            with_error(one.score, one.score_error),
            with_error(one.score_primaries, one.score_primaries_error),
        )
        for value, one in values.items()
    )
    return Table(title, columns, rows)


def _cuts(values: Mapping[float, Quality]) -> list[str]:
    """The lowest pT (GeV) that efficiencies are given for, rising."""
    return list(next(iter(values.values())).technical)


def scan_figure(scan: Scan, axis: Axis) -> "Figure":
    """Technical efficiency, of stiff particles too, purity, and score (of all particles)."""
    from hitgraph.evaluation.style import legend_above, new_figure, styled

    with styled():
        figure = new_figure(12.4, 4.6)
        left, middle, right = figure.subplots(1, 3)
        handles = []
        cuts = _cuts(next(iter(scan.values())))[:2]
        for k, values in enumerate(scan.values()):
            x = np.array([axis.place(value, one) for value, one in values.items()])
            every = list(values.values())
            for cut in cuts:
                filled = cut == cuts[0]
                drawn = _ratios(left, x, [one.technical[cut] for one in every], k, filled)
                if filled:
                    handles.append(drawn)
            _ratios(middle, x, [one.purity for one in every], k, filled=True)
            error = [0 if np.isnan(one.score_error) else one.score_error for one in every]
            _points(
                right, x, np.array([one.score for one in every]), np.array([error] * 2), k, True
            )
        above = ", open: ".join(cuts)
        left.set_ylabel(f"technical efficiency, filled: above {above} GeV")
        middle.set_ylabel("purity")
        right.set_ylabel("score")
        for axes in (left, middle, right):
            axes.set_xlabel(axis.name)
            axes.margins(y=0.15)
        legend_above(figure, handles, list(scan), columns=3)
    return figure


def relative_figure(values: Mapping[float, Quality], axis: Axis) -> "Figure":
    """Technical efficiency against pT, over that of the first value (2103.06995, figure 7)."""
    from hitgraph.evaluation.style import INK, legend_above, new_figure, styled

    with styled():
        figure = new_figure(6.4, 4.8)
        axes = figure.subplots()
        curves = shown([one.by_pt for one in values.values()], PT_CURVE)
        edges = np.array(curves[0].edges)
        x = np.sqrt(edges[1:] * edges[:-1])
        (first, reference), *others = values.items()
        handles, labels = [], []
        for k, (value, one) in enumerate(others):
            relative, error = _relative(curves[k + 1], curves[0])
            known = np.isfinite(relative)
            drawn = _points(axes, x[known], relative[known], np.stack([error[known]] * 2), k, True)
            handles.append(drawn)
            labels.append(f"{axis.text(value, one)} / {axis.text(first, reference)}")
        axes.axhline(1.0, color=INK, linewidth=0.8, linestyle=":")
        axes.set(xscale="log", xlim=(edges[0], edges[-1]))
        axes.set_xlabel(r"particle $p_\mathrm{T}$ [GeV]")
        axes.set_ylabel("technical efficiency, relative")
        legend_above(figure, handles, labels, columns=5)
    return figure


def _relative(one: BinnedRatio, reference: BinnedRatio) -> tuple[Any, Any]:
    """Ratio of two curves, and the error as if the two samples were independent."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = one.value / reference.value
        parts = [np.diff(np.stack(c.interval), axis=0)[0] / 2 / c.value for c in (one, reference)]
    return ratio, ratio * np.hypot(*parts)


def _ratios(axes: "Axes", x: Any, ratios: list[Ratio], k: int, filled: bool) -> Any:
    value = np.array([one.value for one in ratios])
    low, high = np.array([one.interval for one in ratios]).T
    return _points(axes, x, value, np.stack([value - low, high - value]), k, filled)


def _points(axes: "Axes", x: Any, value: Any, error: Any, k: int, filled: bool) -> Any:
    """Points with error bars (2, n), joined by a thin line."""
    from hitgraph.evaluation.style import COLOURS, MARKERS

    colour = COLOURS[k % 6]
    return axes.errorbar(
        x,
        value,
        yerr=error,
        color=colour,
        marker=MARKERS[k % 6],
        markerfacecolor=colour if filled else "none",
        linewidth=0.8,
        elinewidth=1.0,
    )
