"""Figures of vertices: found collisions and resolution against the number of tracks."""

from collections.abc import Mapping

import numpy as np

from hitgraph.evaluation.fit_plots import MIN_ENTRIES
from hitgraph.evaluation.fit_quality import half_width
from hitgraph.evaluation.plots import EFFICIENCY_LABEL, draw_curve
from hitgraph.evaluation.ratio import BinnedRatio
from hitgraph.evaluation.style import (
    COLOURS,
    MARKERS,
    Axes,
    Figure,
    legend_above,
    new_figure,
    styled,
)
from hitgraph.evaluation.vertex_quality import VertexQuality

# particles or tracks, from which on a bin is
SIZE = (2, 4, 8, 15, 25, 40, 70, 120, 200)
TICKS = (2, 5, 10, 20, 50, 100, 200)


def vertex_figure(columns: Mapping[str, VertexQuality]) -> Figure:
    """Efficiency against the selected particles of a collision, and half of the central 68 % of the
    residuals in z of clean vertices against their tracks, one colour a column.

    The last bins hold what lies beyond them; a resolution has ten vertices or more.
    """
    with styled():
        figure = new_figure(12.4, 4.6)
        left, right = figure.subplots(1, 2)
        handles = []
        for k, quality in enumerate(columns.values()):
            handles.append(draw_curve(left, _efficiency(quality), k, logarithmic=True))
            _draw_resolution(right, quality, k)
        left.set(xlabel="selected particles of the collision", ylabel=EFFICIENCY_LABEL)
        left.set_ylim(0, 1.05)
        right.set(xlabel="tracks of the vertex", ylabel="resolution of z [µm]")
        right.set_ylim(bottom=0)
        for axes in (left, right):
            axes.set(xscale="log", xlim=(SIZE[0], SIZE[-1]))
            axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
            axes.xaxis.set_minor_formatter("")
        legend_above(figure, handles, list(columns), columns=4)
    return figure


def _efficiency(quality: VertexQuality) -> BinnedRatio:
    inside = np.minimum(quality.size, SIZE[-1] - 1)
    passed, total = (
        tuple(np.histogram(inside[chosen], SIZE)[0].tolist())
        for chosen in (quality.found, np.ones(len(inside), np.bool_))
    )
    last = max((k for k, n in enumerate(total) if n), default=0) + 1
    return BinnedRatio(tuple(map(float, SIZE[: last + 1])), passed[:last], total[:last])


def _draw_resolution(axes: Axes, quality: VertexQuality, k: int) -> None:
    """Joined points, with the error of a width of so many entries, width / sqrt(2 n)."""
    bins = np.digitize(np.minimum(quality.clean_size, SIZE[-1] - 1), SIZE) - 1
    groups = [quality.residual[bins == one] for one in range(len(SIZE) - 1)]
    enough = [one for one, group in enumerate(groups) if len(group) >= MIN_ENTRIES]
    width = np.array([1e3 * half_width(groups[one]) for one in enough])
    error = width / np.sqrt([2 * len(groups[one]) for one in enough])
    place = np.array([np.sqrt(SIZE[one] * SIZE[one + 1]) for one in enough])
    axes.errorbar(
        place, width, yerr=error, color=COLOURS[k % 6], marker=MARKERS[k % 6], linewidth=1.0
    )
