"""Vertex finders against pile-up, as tables and a figure."""

from typing import TYPE_CHECKING, Any

import numpy as np

from hitgraph.evaluation.fit_quality import half_width
from hitgraph.evaluation.ratio import Ratio
from hitgraph.evaluation.tables import NOTHING, percent
from hitgraph.evaluation.vertex_quality import CLASSES, VertexQuality
from hitgraph.studies.output import Result, Table

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Axes, Figure

VertexScan = dict[str, dict[str, dict[float, VertexQuality]]]  # by tracks, finder, pile-up

COLUMNS = (
    *("pile-up", "finder", "efficiency", "by a clean vertex", "purity"),
    *CLASSES,
    *("resolution of z", "width of its pull", "hard found", "and chosen"),
)


def vertex_result(scan: VertexScan) -> Result:
    """One table for the tracks of each finder of tracks, one figure and all numbers."""
    numbers = {
        tracks: {
            finder: [{"pileup": mu, **quality.to_dict()} for mu, quality in values.items()]
            for finder, values in finders.items()
        }
        for tracks, finders in scan.items()
    }
    tables = tuple(_table(tracks, finders) for tracks, finders in scan.items())
    return Result(tables, {"vertices": vertex_scan_figure(scan)}, {"series": numbers})


def _table(tracks: str, finders: dict[str, dict[float, VertexQuality]]) -> Table:
    first = next(iter(finders.values()))
    seen = ", ".join(
        f"{quality.n_events} event{'s' * (quality.n_events > 1)} with {quality.n_collisions} "
        f"visible collisions at {mu:g}"
        for mu, quality in first.items()
    )
    rows = [
        (f"{mu:g}", finder, *_cells(quality))
        for mu in first
        for finder, values in finders.items()
        if (quality := values.get(mu)) is not None
    ]
    return Table(f"Vertices from the tracks of {tracks}: {seen}", COLUMNS, tuple(rows))


def _cells(quality: VertexQuality) -> tuple[str, ...]:
    resolution, width = 1e3 * quality.resolution, half_width(quality.pull)
    return (
        percent(quality.efficiency),
        percent(quality.clean_efficiency),
        percent(quality.purity),
        *(_share(quality.share_of(kind)) for kind in range(len(CLASSES))),
        f"{resolution:.0f} um" if resolution == resolution else NOTHING,
        f"{width:.2f}" if width == width else NOTHING,
        f"{quality.n_hard_found} of {quality.n_hard}",
        f"{quality.n_hard_chosen} of {quality.n_hard}",
    )


def _share(ratio: Ratio) -> str:
    return f"{100 * ratio.value:.0f} %" if ratio.total else NOTHING


def vertex_scan_figure(scan: VertexScan) -> "Figure":
    """Efficiency, purity and resolution against pile-up: a colour a finder, filled for the first
    tracks, open for others."""
    from hitgraph.evaluation.style import legend_above, new_figure, styled

    with styled():
        figure = new_figure(12.4, 4.8)
        left, middle, right = figure.subplots(1, 3)
        handles, labels = [], []
        for number, (tracks, finders) in enumerate(scan.items()):
            for k, (finder, values) in enumerate(finders.items()):
                every = list(values.values())
                handles.append(_ratios(left, values, [one.efficiency for one in every], k, number))
                labels.append(f"{finder}, {tracks}")
                _ratios(middle, values, [one.purity for one in every], k, number)
                width = 1e3 * np.array([one.resolution for one in every])
                error = width / np.sqrt([max(1, 2 * len(one.residual)) for one in every])
                _points(right, list(values), width, np.stack([error, error]), k, number)
        left.set(ylabel="efficiency", ylim=(0, 1.05))
        middle.set(ylabel="purity of the tracks", ylim=(0, 1.05))
        right.set(ylabel="resolution of z [µm]")
        right.set_ylim(bottom=0)
        for axes in (left, middle, right):
            axes.set_xlabel("pile-up")
        legend_above(figure, handles, labels, columns=5)
    return figure


def _ratios(
    axes: "Axes", values: dict[float, VertexQuality], ratios: list[Ratio], k: int, number: int
) -> Any:
    value = np.array([one.value for one in ratios])
    low, high = np.array([one.interval for one in ratios]).T
    return _points(axes, list(values), value, np.stack([value - low, high - value]), k, number)


def _points(axes: "Axes", x: list[float], value: Any, error: Any, k: int, number: int) -> Any:
    """Points with error bars (2, n), joined; those of other tracks are open and dashed."""
    from hitgraph.evaluation.style import COLOURS, MARKERS

    known = np.isfinite(value)
    return axes.errorbar(
        np.array(x)[known],
        value[known],
        yerr=error[:, known],
        color=COLOURS[k % 6],
        marker=MARKERS[k % 6],
        markerfacecolor=COLOURS[k % 6] if number == 0 else "none",
        linestyle="-" if number == 0 else "--",
        linewidth=0.8,
        elinewidth=1.0,
    )
